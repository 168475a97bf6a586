from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.study import userfile

GOOD = """\
from dataclasses import dataclass
from qoslab.core.method import method
{extra}

@method("toy", "{name}", summary="Mine.")
@dataclass(frozen=True)
class Mine:
    bonus: float = {bonus}

    def score(self, scenario, seed, context):
        {body}
"""


def write(
    folder: Path, name: str = "mine", bonus: float = 1.0, extra: str = "", body: str = "return self.bonus"
) -> Path:
    path = folder / "mine.py"
    path.write_text(GOOD.format(name=name, bonus=bonus, extra=extra, body=body))
    return path


def test_a_file_gives_its_method_and_registers_it_for_nobody_else(tmp_path: Path) -> None:
    entry = userfile.entry_in(write(tmp_path), "toy", "mine")
    assert entry.cls().bonus == 1.0
    assert "mine" not in [known.name for known in registry.methods("toy")]


def test_a_method_of_a_registered_name_hides_it_only_here(tmp_path: Path) -> None:
    mine = userfile.entry_in(write(tmp_path, "plain"), "toy", "plain")
    assert mine.cls is not registry.method("toy", "plain").cls


def test_an_edited_file_is_executed_again_and_the_same_one_is_not(tmp_path: Path) -> None:
    one = userfile.entry_in(write(tmp_path), "toy", "mine").cls
    assert userfile.entry_in(tmp_path / "mine.py", "toy", "mine").cls is one
    two = userfile.entry_in(write(tmp_path, bonus=2.0), "toy", "mine").cls
    assert (one().bonus, two().bonus) == (1.0, 2.0)


def test_neighbours_are_imported_and_an_edit_of_them_counts(tmp_path: Path) -> None:
    (tmp_path / "toy_helper.py").write_text("value = 1.0\n")
    path = write(tmp_path, extra="import toy_helper", body="import toy_helper as late; return late.value")
    before = userfile.digest(path)
    assert userfile.entry_in(path, "toy", "mine").cls().score(None, None, None) == 1.0
    (tmp_path / "toy_helper.py").write_text("value = 2.0\n")
    assert userfile.digest(path) != before
    assert "toy_helper" in sys.modules  # the late import of the first content
    del sys.modules["toy_helper"]
    assert userfile.entry_in(path, "toy", "mine").cls().score(None, None, None) == 2.0


def test_no_bytecode_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "toy_helper2.py").write_text("")
    userfile.entry_in(write(tmp_path, extra="import toy_helper2"), "toy", "mine")
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("extra", "line", "words"),
    [
        ("1 / 0", 3, "ZeroDivisionError: division by zero"),
        ("import no_such_thing_at_all", 3, "ModuleNotFoundError"),
        ("def (", 3, "syntax"),
        ("raise KeyError('x')", 3, "KeyError"),
        ("raise SystemExit(0)", 3, "SystemExit"),
    ],
)
def test_a_failing_file_is_told_of_by_its_own_line(tmp_path: Path, extra: str, line: int, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        userfile.entry_in(write(tmp_path, extra=extra), "toy", "mine")
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == (tmp_path / "mine.py", line)
    assert words in problem.message
    assert problem.quote
    assert "Traceback" not in str(problem)
    assert "qoslab/study" not in str(problem)


def test_wrong_name_or_domain(tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(BadInput, match="did you mean 'mine'"):
        userfile.entry_in(path, "toy", "mien")
    with pytest.raises(BadInput, match="another domain"):
        userfile.entry_in(path, "influence", "mine")
    with pytest.raises(BadInput, match="no file"):
        userfile.entry_in(tmp_path / "none.py", "toy", "mine")


def test_looking_finds_what_can_be_found_without_executing(tmp_path: Path) -> None:
    path = write(tmp_path, extra="raise SystemExit")
    assert userfile.look_at(path, "mine") == []
    [problem] = userfile.look_at(path, "mien")
    assert problem.hint == "did you mean 'mine'?"
    path.write_text("x = (\n")
    [problem] = userfile.look_at(path, "mine")
    assert (problem.path, problem.line) == (path, 1)
    path.write_bytes(b"\0")
    assert userfile.look_at(path, "mine")
    assert userfile.look_at(tmp_path / "none.py", "mine")
