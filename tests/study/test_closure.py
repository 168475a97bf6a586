from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qoslab.study import closure
from qoslab.study.closure import local_modules, module_closure


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A package `closurelab` with an import of every kind."""
    root = tmp_path / "closurelab"
    (root / "methods").mkdir(parents=True)
    files = {
        "__init__.py": "import closurelab.noise\n",
        "noise.py": "",
        "model.py": "from closurelab import kernels\nimport numpy\n",
        "kernels.py": "def f():\n    from closurelab.late import x\n",
        "late.py": "x = 1\n",
        "methods/__init__.py": "",
        "methods/one.py": "from . import two\nfrom ..shared import thing\n",
        "methods/two.py": "import closurelab.methods.one\n",
        "methods/other.py": "",
        "shared/__init__.py": "thing = 1\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    sys.path.insert(0, str(tmp_path))
    closure._roots.cache_clear()
    yield root
    sys.path.remove(str(tmp_path))
    closure._roots.cache_clear()


def test_follows_imports_of_every_kind_and_never_imports(package: Path) -> None:
    found = module_closure("closurelab.methods.one")
    assert set(found) == {
        "closurelab.methods.one",
        "closurelab.methods",
        "closurelab.methods.two",
        "closurelab.shared",
    }
    assert not any(name.startswith("closurelab") for name in sys.modules)


def test_imports_inside_functions_count(package: Path) -> None:
    found = module_closure("closurelab.model")
    assert {"closurelab.kernels", "closurelab.late"} <= set(found)


def test_a_table_that_a_module_names_counts(package: Path) -> None:
    (package / "numbers.npy").write_bytes(b"1")
    (package / "unread.npy").write_bytes(b"1")
    (package / "late.py").write_text("x = Path(__file__).with_name('numbers.npy')\n")
    before = module_closure("closurelab.model")
    assert "closurelab/numbers.npy" in before
    assert "closurelab/unread.npy" not in before
    (package / "numbers.npy").write_bytes(b"22")
    after = module_closure("closurelab.model")
    assert {name for name in before if before[name] != after[name]} == {"closurelab/numbers.npy"}


def test_the_table_of_the_random_streams_counts() -> None:
    assert "qoslab.engine/ziggurat.npy" in module_closure("qoslab.engine.streams")


def test_an_edit_changes_one_digest(package: Path) -> None:
    before = module_closure("closurelab.model")
    (package / "late.py").write_text("x = 2222\n")
    after = module_closure("closurelab.model")
    assert {name for name in before if before[name] != after[name]} == {"closurelab.late"}


def test_modules_that_no_number_rests_on_are_left_out() -> None:
    found = module_closure("qoslab.study.run", "qoslab.core.registry", "qoslab.core.seeds")
    assert set(found) == {"qoslab.core.seeds"}


def test_unknown_modules_are_passed_over() -> None:
    assert module_closure("no_such_package.module", "qoslab.core.no_such") == {}


def test_a_users_file_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import helper, numpy\nfrom tools.deep import x\n")
    (tmp_path / "helper.py").write_text("import mine\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "deep.py").write_text("")
    (tmp_path / "stranger.py").write_text("")
    names = {path.relative_to(tmp_path).as_posix() for path in local_modules(tmp_path / "mine.py")}
    assert names == {"mine.py", "helper.py", "tools/deep.py"}


def test_a_file_that_is_no_python_counts_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("def (:")
    assert list(local_modules(path)) == [path]
