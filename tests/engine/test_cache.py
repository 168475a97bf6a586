"""The cache on disk, each time with fresh processes: right results first, then hits."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from qoslab.engine import cache, clone

pytestmark = pytest.mark.skipif(
    "NUMBA_BOUNDSCHECK" in os.environ, reason="kernels with bounds checks are not kept"
)

HELPER = """
from qoslab.engine.kernel import kernel

FACTOR = 2.0

@kernel
def helped(x: float) -> float:
    return x * FACTOR + 1.0
"""

ROOT = """
from typing import NamedTuple
import numpy as np
from qoslab.engine.kernel import compiled, kernel
from helper import helped

class Pair(NamedTuple):
    left: np.ndarray
    right: np.ndarray

@kernel
def rooted(x: float) -> float:
    return helped(x)

@kernel
def left_of(pair: Pair) -> float:
    return pair.left[0]
"""

USE = """
import numpy as np
from root import Pair, compiled, left_of, rooted
twin, other = compiled(rooted), compiled(left_of)
result = twin(3.0), other(Pair(left=np.array([1.0]), right=np.array([2.0])))
hits = sum(twin.stats.cache_hits.values()) + sum(other.stats.cache_hits.values())
print(*result, hits)
"""


@pytest.fixture(scope="module")
def warm(tmp_path_factory, run_python):
    """A cache that one process filled; tests work on copies."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "helper.py").write_text(HELPER)
    (folder / "root.py").write_text(ROOT)
    assert run_python(USE, folder / "cache", folder) == "7.0 1.0 0"
    return folder / "cache"


@pytest.fixture
def files(tmp_path, warm):
    shutil.copytree(warm, tmp_path / "cache")

    def write(helper=HELPER, root=ROOT):
        (tmp_path / "helper.py").write_text(dedent(helper))
        (tmp_path / "root.py").write_text(dedent(root))

    write()
    return write


def test_a_second_process_finds_what_the_first_compiled(files, python):
    assert python(USE) == "7.0 1.0 2"


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [
        ("x * FACTOR", "x - FACTOR", "2.0"),
        ("FACTOR = 2.0", "FACTOR = 4.0", "13.0"),
        pytest.param("+ 1.0", "+ 1.5", "7.5", marks=pytest.mark.full),
        pytest.param("@kernel", "@kernel(inline=True)", "7.0", marks=pytest.mark.full),
    ],
)
def test_an_edit_in_another_file_shows(files, python, old, new, result):
    files(helper=HELPER.replace(old, new))
    assert python(USE) == f"{result} 1.0 1"  # the other kernel is still found


def test_a_comment_or_another_line_number_costs_nothing(files, python):
    files(helper="# a new first line\n" + HELPER.replace("def helped", "# a comment\ndef helped"))
    assert python(USE) == "7.0 1.0 2"


@pytest.mark.parametrize("module", ["lean", "reference", "diskcache"])
def test_an_edit_of_the_engine_makes_what_was_kept_stale(files, python, tmp_path, module):
    """A copy of the package, all links but one module; a comment there changes nothing, a statement does."""
    package = tmp_path / "qoslab"
    (package / "engine").mkdir(parents=True)
    original = Path(cache.__file__).parent
    for place, entries in ((package, original.parent), (package / "engine", original)):
        for entry in entries.iterdir():
            if entry.name not in ("engine", "__pycache__", f"{module}.py"):
                (place / entry.name).symlink_to(entry)
    edited = package / "engine" / f"{module}.py"
    words = (original / f"{module}.py").read_text()
    where = f"import {cache.__package__} as used\nassert used.__path__ == [{str(edited.parent)!r}]\n"
    for more, hits in (("# a comment\n", 2), ("_LINKING = 'another way'\n", 0)):
        edited.write_text(words + more)
        assert python(where + USE) == f"7.0 1.0 {hits}"


def test_the_modules_that_make_machine_code_are_all_there():
    """A renamed module would drop out of the fingerprint without a word."""
    assert all(importlib.util.find_spec(name) for name in clone._MACHINERY)
    assert len({clone._module_digest(name) for name in clone._MACHINERY}) == len(clone._MACHINERY)


def test_fields_that_change_places_show(files, python):
    swapped = (
        ROOT.replace("left: np.ndarray", "x_: X")
        .replace("right: np", "left: np")
        .replace("x_: X", "right: np.ndarray")
    )
    files(root=swapped)
    assert python(USE) == "7.0 1.0 1"


def test_constants_have_entries_of_their_own(files, python):
    text = "from root import *\nfor f in (%s):\n"
    text += (
        "    t = compiled(rooted, constants={'FACTOR': f}); print(t(3.0), len(t.stats.cache_hits), end=' ')"
    )
    assert python(text % "5.0, 6.0") == "16.0 0 19.0 0"
    assert python(text % "6.0, 5.0") == "19.0 1 16.0 1"


def test_the_folder_is_named_by_compiler_python_and_processor(files, python, tmp_path):
    import llvmlite.binding as llvm
    import numba

    (folder,) = (tmp_path / "cache" / "kernels").iterdir()
    assert (
        folder.name == f"numba{numba.__version__}-{sys.implementation.cache_tag}-{llvm.get_host_cpu_name()}"
    )
    assert not folder.stat().st_mode & 0o022


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[:-20],
    "garbage": lambda content: b"\x80\x04no pickle",
}


COMMON = [("gone", ".nbc"), ("cut", ".nbc"), ("garbage", ".nbi")]
RARE = [("gone", ".nbi"), ("cut", ".nbi"), ("garbage", ".nbc"), ("empty", ".nbc"), ("empty", ".nbi")]


@pytest.mark.parametrize(
    ("damage", "suffix"), [*COMMON, *(pytest.param(*case, marks=pytest.mark.full) for case in RARE)]
)
def test_damaged_and_missing_files_are_made_again(files, python, tmp_path, damage, suffix):
    for path in (tmp_path / "cache").rglob(f"*{suffix}"):
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(DAMAGE[damage](content))
    assert python(USE) == "7.0 1.0 0"
    if damage == "garbage":
        assert python(USE) == "7.0 1.0 2"


def test_a_file_in_the_way_of_the_folder_moves_the_cache_to_the_temporary_folder(files, python, tmp_path):
    (tmp_path / "blocked").write_text("no folder")
    (tmp_path / "temporary").mkdir()
    for hits in (0, 2):
        assert (
            python(USE, cache=tmp_path / "blocked" / "cache", TMPDIR=str(tmp_path / "temporary"))
            == f"7.0 1.0 {hits}"
        )
    assert list((tmp_path / "temporary").glob("qoslab-*/kernels/*/*.nbi"))


def test_without_any_folder_it_still_runs(files, python, tmp_path):
    text = "import qoslab.engine.cache as c; c._is_ours = lambda *_: False\n" + USE
    assert python(text, cache=tmp_path / "nowhere") == "7.0 1.0 0"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_others_may_write_is_not_trusted(files, python, tmp_path):
    (folder,) = (tmp_path / "cache" / "kernels").iterdir()
    folder.chmod(0o777)
    assert python(USE, TMPDIR=str(tmp_path)) == "7.0 1.0 0"


@pytest.mark.parametrize("level", ["qoslab-{}", "qoslab-{}/kernels", "qoslab-{}/kernels/place"])
@pytest.mark.parametrize("what", ["link", "open"])
def test_the_temporary_folder_is_refused_where_others_could_plant_code(tmp_path, monkeypatch, level, what):
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    place = tmp_path / f"qoslab-{os.getuid()}" / "kernels" / "place"
    bad = tmp_path / level.format(os.getuid())
    if what == "link":
        (tmp_path / "elsewhere").mkdir()
        bad.parent.mkdir(parents=True, exist_ok=True)
        bad.symlink_to(tmp_path / "elsewhere")
    else:
        bad.mkdir(parents=True)
        bad.chmod(0o777)
    assert not (cache._is_ours(cache._temporary()) and cache._usable(place))


def test_a_full_disk_costs_only_time(files, python, tmp_path):
    text = """
import numba.core.caching as caching
def full(self, name, data): raise OSError(28, 'No space left on device')
caching.IndexDataCacheFile._save_data = full
"""
    assert python(text + USE, cache=tmp_path / "full") == "7.0 1.0 0"
    assert not list((tmp_path / "full").rglob("*.nbc"))


def test_processes_may_warm_one_cache_at_once(files, tmp_path):
    """Two kinds of arguments and two processes each: a shared data file would hand one the other's code."""
    text = """
import sys, numpy as np
from root import *
@kernel
def first(xs):
    return xs[0] + xs[-1]
kind = sys.argv[1]
print(compiled(first)(np.array([7, 1, 2], kind)))
"""
    (tmp_path / "many.py").write_text(text)
    environment = {**os.environ, "QOSLAB_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path)}

    def start(kind):
        command = [sys.executable, str(tmp_path / "many.py"), kind]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    running = [(kind, start(kind)) for kind in ("int64", "float64", "int64", "float64")]
    for kind, process in running:
        assert process.communicate(timeout=300)[0].strip() == ("9" if kind == "int64" else "9.0")
        assert process.returncode == 0
    index = next((tmp_path / "cache").rglob("first*.nbi"))
    assert len(list(index.parent.glob("first*.nbc"))) >= 2


def _rivals(tmp_path, number):
    """Processes that need one kernel at once, with an empty cache."""
    text = """
from root import *
@kernel
def needed(xs):
    total = 0.0
    for x in xs:
        total += helped(x)
    return total
twin = compiled(needed)
print(twin(np.ones(4)), sum(twin.stats.cache_misses.values()))
"""
    (tmp_path / "rival.py").write_text(text)
    where = f"{tmp_path}{os.pathsep}{Path(cache.__file__).parents[2]}"
    environment = {**os.environ, "QOSLAB_CACHE": str(tmp_path / "empty"), "PYTHONPATH": where}
    command = [sys.executable, str(tmp_path / "rival.py")]
    return [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(number)
    ]


def test_processes_that_need_one_kernel_compile_it_once(files, tmp_path):
    said = [process.communicate(timeout=300)[0].split() for process in _rivals(tmp_path, 3)]
    assert [value for value, _ in said] == ["12.0"] * 3
    assert sorted(misses for _, misses in said) == ["0", "0", "1"]


def test_a_process_that_dies_while_it_compiles_keeps_nobody_waiting(files, tmp_path, monkeypatch):
    from qoslab.engine.diskcache import _Turn

    text = """
import time
from pathlib import Path
from qoslab.engine.diskcache import _Turn
_Turn(Path('.'), 'a kernel').begin()
print('mine', flush=True)
time.sleep(300)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(cache.__file__).parents[2])}
    command = [sys.executable, "-c", text]
    holder = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment)
    assert holder.stdout.readline() == "mine\n"
    monkeypatch.setattr("qoslab.engine.diskcache._PATIENCE_S", 0.2)
    turn, other = _Turn(tmp_path, "a kernel"), _Turn(tmp_path, "another")
    turn.begin()
    other.begin()
    assert (turn._held, other._held) == (False, True)
    holder.kill()
    holder.communicate()
    turn.begin()
    assert turn._held
    turn.end()
    other.end()


def test_the_users_own_cache_folder_is_the_default(monkeypatch):
    from platformdirs import user_cache_path

    from qoslab.engine.cache import root

    monkeypatch.delenv("QOSLAB_CACHE", raising=False)
    assert root() == user_cache_path("qoslab", appauthor=False)
    monkeypatch.setenv("QOSLAB_CACHE", "~/elsewhere")
    assert root().name == "elsewhere"
    assert root().is_absolute()


HASHING = """
import numpy as np
from qoslab.engine.kernel import compiled, kernel

@kernel
def counted(values: np.ndarray) -> tuple[int, float, float]:
    seen = {(1.5, 2): 7}
    for value in values:
        seen[(value, 2)] = seen.get((value, 2), 0) + 1
    return seen[(1.5, 2)], math.exp(values[0]), np.sort(values)[0]
"""


def test_kept_code_runs_without_the_tables_of_the_compiler(run_python, tmp_path):
    """Dictionaries, hashes, sorting and the C library are linked all the same, and what is new is compiled after it."""
    (tmp_path / "hashing.py").write_text("import math" + HASHING)
    use = (
        "import sys, numpy as np; from hashing import compiled, counted, kernel\n"
        "from hashing_too import again\n"
        "found = compiled(counted)(np.array([1.5, 0.5, 1.5]))\n"
        "first = 'numba.misc.cffiimpl' in sys.modules\n"
        "print(found == counted(np.array([1.5, 0.5, 1.5])), first, compiled(again)(3.0))"
    )
    (tmp_path / "hashing_too.py").write_text(
        "from qoslab.engine.kernel import kernel\n@kernel\ndef again(x: float) -> float:\n    return x + 1.0\n"
    )
    assert run_python(use, tmp_path / "cache", tmp_path) == "True True 4.0"
    (tmp_path / "hashing_too.py").write_text(
        "from qoslab.engine.kernel import kernel\n@kernel\ndef again(x: float) -> float:\n    return x + 2.0\n"
    )
    assert run_python(use, tmp_path / "cache", tmp_path) == "True False 5.0"
