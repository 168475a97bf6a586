"""Executors of other packages: the same table, and clear words where one is none."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from toylab.studies import toy

from qoslab.core.errors import BadInput
from qoslab.study.events import Event, Planned
from qoslab.study.study import Study

THREADS = """\
import queue
import threading
from qoslab.study.executor import Gave, Over
from qoslab.study.work import begin

class Threads:
    def __init__(self, address, trials, domain):
        self.workers, self.notes = min(int(address or 2), trials), []
        self._busy, self._said = 0, queue.SimpleQueue()

    def free(self):
        return self.workers - self._busy

    def submit(self, batch):
        self._busy += 1
        threading.Thread(target=self._work, args=(batch,)).start()

    def _work(self, batch):
        for result in begin(batch)():
            self._said.put(Gave(batch.number, result, "a thread"))
        self._said.put(Over(batch.number))

    def wait(self, timeout_s):
        try:
            report = self._said.get(timeout=timeout_s)
        except queue.Empty:
            return []
        self._busy -= isinstance(report, Over)
        return [report]

    def close(self):
        while self._busy:
            self.wait(0.1)

class Nothing:
    workers = 1
    notes = ()
    def __init__(self, address, trials, domain): ...
    def free(self):
        return 1

three = 3
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package and its metadata in a folder, as pip would have installed them."""
    home = tmp_path / "site"
    info = home / "far_executors-1.2.dist-info"
    info.mkdir(parents=True)
    (home / "far_executors.py").write_text(THREADS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: far_executors\nVersion: 1.2\n")
    names = {"threads": "Threads", "nothing": "Nothing", "three": "three", "gone": "Gone"}
    points = "".join(f"{name} = far_executors:{target}\n" for name, target in names.items())
    (info / "entry_points.txt").write_text(f"[qoslab.executors]\n{points}")
    monkeypatch.syspath_prepend(home)


@pytest.mark.usefixtures("installed")
def test_the_same_table(tails: Path, tmp_path: Path) -> None:
    study = Study.from_file(tails)
    alone = study.run(tmp_path / "alone", workers=0)
    for asked, workers in (("threads", 2), ("threads:5", 5)):
        seen: list[Event] = []
        far = study.run(tmp_path / asked.replace(":", ""), executor=asked, events=seen.append)
        assert [event.workers for event in seen if isinstance(event, Planned)] == [workers]
        assert far.digest() == alone.digest()
        assert set(far.table["host"]) == {"a thread"}


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("thread", "did you mean 'threads'?"),
        ("ray:auto", "--ray ADDRESS"),
        ("three", "is int, not a function or a class"),
        ("gone", "plug-in gone .* failed: AttributeError"),
        ("nothing", "executor 'nothing' lacks submit, wait, close"),
    ],
)
def test_a_wrong_executor_is_named_and_nothing_runs(tmp_path: Path, asked: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        toy(["plain"]).run(tmp_path / "r", executor=asked)
    table = tmp_path / "r" / "trials.parquet"
    assert not table.exists() or pl.read_parquet(table).is_empty()


@pytest.mark.usefixtures("installed")
def test_trials_run_in_one_place_only(tmp_path: Path) -> None:
    for other in ({"ray": "local"}, {"workers": 2}):
        with pytest.raises(BadInput, match="leave out workers and ray"):
            toy(["plain"]).run(tmp_path / "r", executor="threads", **other)
    assert not (tmp_path / "r").exists()


def test_without_any_package_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no installed package brings an executor"):
        toy(["plain"]).run(tmp_path / "r", executor="threads")
