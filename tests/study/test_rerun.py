"""One row again, and archives of results."""

from __future__ import annotations

import json
import os
import signal
import stat
import zipfile
from pathlib import Path

import pytest
from toylab.studies import toy

from qoslab.core.errors import BadInput
from qoslab.study import archive as archives
from qoslab.study.archive import archive, unpack
from qoslab.study.events import Event, Planned
from qoslab.study.keep import kept_method_file
from qoslab.study.rerun import rerun
from qoslab.study.results import Results
from qoslab.study.study import Study

MINE = """\
from dataclasses import dataclass
from qoslab.core.method import method
from helper_of_archive import bonus

@method("toy", "mine", summary="Mine.")
@dataclass(frozen=True)
class Mine:
    extra: tuple[float, ...] = (1.0,)

    def score(self, scenario, seed, context):
        return bonus + sum(self.extra) + float(open(scenario.trace).read()) + seed.generator("m").random()
"""

STUDY = """\
[study]
name = "s"
domain = "toy"
seeds = 2
[scenario]
load = { grid = [0.2, 0.4] }
trace = "trace.csv"
[[method]]
id = "mine"
file = "mine.py"
extra = [1.5, 2.5]
[[method]]
id = "learned"
[[method]]
id = "bad"
at = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study with a method, a neighbour module and an input file of the user's own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine.py").write_text(MINE)
    (home / "helper_of_archive.py").write_text("bonus = 100.0\n")
    (home / "trace.csv").write_text("7")
    (home / "s.toml").write_text(STUDY)
    Study.from_file(home / "s.toml", {"scenario.kind": "b"}).run(workers=2)
    return home


def test_every_row_again(folder: Path) -> None:
    results = Results.open(folder / "s.results")
    for number, row in enumerate(results.table.iter_rows(named=True)):
        if row["replication"] == 0 and row["load"] == 0.4:
            again = rerun(results.path, number)
            assert again.same
            assert again.now["metrics"]["score"] == row["score"]
            assert again.notes == ()
            assert json.loads(json.dumps(again.as_dict()))["same"] is True


def test_a_failed_row_fails_again(folder: Path) -> None:
    table = Results.open(folder / "s.results").table
    number = table["status"].to_list().index("failed")
    again = rerun(folder / "s.results", number)
    assert again.same
    assert "failed again" in str(again)
    assert "a bad day" in str(again)


def test_the_code_that_ran_is_kept_whatever_becomes_of_it(folder: Path) -> None:
    (folder / "mine.py").write_text("broken(")
    (folder / "helper_of_archive.py").unlink()
    assert rerun(folder / "s.results", 0).same


def test_a_changed_input_file_is_refused(folder: Path) -> None:
    (folder / "trace.csv").write_text("8")
    with pytest.raises(BadInput, match="has changed or is not here"):
        rerun(folder / "s.results", 0)


def test_lost_weights_are_trained_again(folder: Path) -> None:
    [first, *_] = sorted((folder / "s.results" / "weights").iterdir())
    for path in (folder / "s.results" / "weights").iterdir():
        path.unlink()
    table = Results.open(folder / "s.results").table
    assert rerun(folder / "s.results", table["method"].to_list().index("learned")).same
    assert not first.exists()


def test_a_difference_is_told_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = next((folder / "s.results" / "files").rglob("helper_of_archive.py"))
    kept.write_text("bonus = 200.0\n")
    again = rerun(folder / "s.results", 0)
    assert not again.same
    assert again.now["metrics"]["score"] == again.before["metrics"]["score"] + 100.0
    assert "NOT the same" in str(again)
    assert again.notes == ("changed since: file helper_of_archive.py",)


def test_no_such_row_or_results(folder: Path, tmp_path: Path) -> None:
    for row in (-1, 12):
        with pytest.raises(BadInput, match="rows 0 to 11"):
            rerun(folder / "s.results", row)
    with pytest.raises(BadInput, match="no results"):
        rerun(tmp_path, 0)

    def stop(event: Event) -> None:
        if isinstance(event, Planned):
            os.kill(os.getpid(), signal.SIGINT)

    toy(["plain"]).run(tmp_path / "r", workers=0, events=stop)
    with pytest.raises(BadInput, match="the table has no rows yet"):
        rerun(tmp_path / "r", 0)


def test_an_archive_is_all_that_another_machine_needs(folder: Path, tmp_path: Path) -> None:
    packed = archive(folder / "s.results", tmp_path / "a" / "s.zip")
    digest = Results.open(folder / "s.results").digest()
    folder.rename(tmp_path / "gone")
    (tmp_path / "new").mkdir()
    opened = Results.open(unpack(packed, tmp_path / "new"))
    assert opened.digest() == digest
    assert opened.study.text == STUDY.encode()
    assert opened.series("walk").height == 18
    assert json.loads((tmp_path / "new" / "provenance.json").read_text())["digest"] == digest
    for row in (0, 2):
        assert rerun(packed, row).same


def test_equal_results_give_equal_archives(folder: Path, tmp_path: Path) -> None:
    one = archive(folder / "s.results", tmp_path / "1.zip").read_bytes()
    assert archive(folder / "s.results", tmp_path / "2.zip").read_bytes() == one


def test_an_archive_is_refused_where_an_input_file_changed(folder: Path, tmp_path: Path) -> None:
    (folder / "trace.csv").write_text("8")
    with pytest.raises(BadInput, match="has changed"):
        archive(folder / "s.results", tmp_path / "s.zip")
    assert not (tmp_path / "s.zip").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/evil",
        "files/../../evil",
        "evil",
        "other/evil",
        "files\\..\\evil",
        "C:evil",
        "files/",
        "journal.x",
    ],
)
def test_an_archive_cannot_write_outside(tmp_path: Path, name: str) -> None:
    packed = tmp_path / "in" / "s.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("journal.archive", b"")
        made.writestr(zipfile.ZipInfo(name), b"x")
    (tmp_path / "in" / "out").mkdir()
    if name.endswith("/"):
        assert unpack(packed, tmp_path / "in" / "out")
    else:
        with pytest.raises(BadInput):
            unpack(packed, tmp_path / "in" / "out")
    written = {path.name for path in tmp_path.rglob("*")}
    assert written <= {"in", "out", "s.zip", "journal.archive"}


@pytest.mark.parametrize("name", ["../evil.py", "/tmp/evil.py", "a/../../evil.py", "..", "", "C:evil.py"])
def test_a_journal_cannot_name_code_elsewhere(tmp_path: Path, name: str) -> None:
    kept = kept_method_file(tmp_path, "0123456789abcdef0123", "mine.py")
    assert kept == tmp_path / "files" / "0123456789abcdef" / "mine.py"
    with pytest.raises(BadInput, match="no plain name"):
        kept_method_file(tmp_path, "0123456789abcdef0123", name)
    with pytest.raises(BadInput, match="no plain name"):
        kept_method_file(tmp_path, name, "mine.py")


def test_an_archive_is_packed_block_by_block_and_whole_or_not_at_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_BLOCK", 7)
    small = archive(folder / "s.results", tmp_path / "1.zip")
    monkeypatch.undo()
    large = archive(folder / "s.results", tmp_path / "2.zip")
    for packed in (small, large):
        with zipfile.ZipFile(packed) as opened:
            assert opened.testzip() is None
    old = large.read_bytes()

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archives.shutil, "copyfileobj", broken)
    with pytest.raises(KeyboardInterrupt):
        archive(folder / "s.results", large)
    assert large.read_bytes() == old
    assert {path.name for path in tmp_path.iterdir()} == {"home", "1.zip", "2.zip"}


def test_an_archive_with_a_link_a_bomb_or_no_zip_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "s.zip"
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("journal.archive", b"")
        link = zipfile.ZipInfo("files/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    with pytest.raises(BadInput, match="link"):
        rerun(packed, 0)
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("journal.archive", bytes(2000))
    with pytest.raises(BadInput, match="too large"):
        rerun(packed, 0)
    packed.write_bytes(b"PK\3\4 nonsense")
    with pytest.raises(BadInput, match="no archive of results"):
        rerun(packed, 0)
