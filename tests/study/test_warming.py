"""Compiling in advance: before the first trial, for what trials wait for, and never at a trial's cost."""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from toylab.domain import TOY
from toylab.methods.good import Plain
from toylab.model import example
from toylab.studies import toy

from qoslab.study.cases import FromFile, Given
from qoslab.study.events import Compiling, Event, Noted, TrialEnded
from qoslab.study.study import Study
from qoslab.study.warming import Warming

Log = Callable[[], list[str]]


@pytest.mark.parametrize("workers", [0, 2])
def test_what_trials_wait_for_is_compiled_once_and_first(tails: Path, log: Log, workers: int) -> None:
    seen: list[Event] = []
    Study.from_file(tails, {"scenario.load": "0.3"}).run(workers=workers, events=seen.append)
    whole, *others = [line for line in log() if line.startswith("warm")]
    assert log()[0] == whole
    assert whole.split() == ["warm", "0.3/Plain", "0.3/Plain", "0.3/Learned"]
    # Another process finds the kernels on disk and loads those of its own trials, each once.
    assert len(others) <= (3 if workers == 2 else 0)
    assert all(len(line.split()) == 2 for line in others)
    kinds = [type(event) for event in seen]
    assert kinds.count(Compiling) == 1
    assert kinds.index(Compiling) < kinds.index(TrialEnded)


def test_finished_trials_need_nothing(tails: Path, tmp_path: Path, log: Log) -> None:
    out = tmp_path / "r"
    toy(["plain"]).run(out, workers=0)
    before = len(log())
    toy(["plain"]).run(out, workers=0)
    assert len(log()) == before
    toy(["plain", ("slow", {"seconds": 0.0})]).run(out, workers=0)
    assert log()[before] == "warm 0.5/Slow"


def test_rounds_until_a_precision_warm_for_all_that_later_ones_need(tmp_path: Path, log: Log) -> None:
    out = tmp_path / "r"
    toy(["plain"]).run(out, workers=0)
    before = len(log())
    toy(["plain", ("slow", {"seconds": 0.0})]).run(out, workers=0, until_precision=lambda _table: 8)
    assert [line for line in log()[before:] if line.startswith("warm")] == ["warm 0.5/Plain 0.5/Slow"]


@pytest.mark.parametrize("workers", [0, 1])
def test_its_time_is_no_trials_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setenv("TOYLAB_WARM_S", "4")
    results = toy(["plain"], seeds=2, time_limit_s=3.0).run(tmp_path / "r", workers=workers)
    assert results.table["status"].to_list() == ["done", "done"]


@pytest.mark.parametrize("workers", [1, 2])
def test_loading_in_a_new_process_is_no_trials_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """The worker that replaces one that was stopped, and the second of two, load kernels before their time counts."""
    monkeypatch.setenv("TOYLAB_LOAD_S", "3")
    hanging = ("bad", {"how": "hang", "at": 0})
    results = toy([hanging, "plain"], seeds=3, time_limit_s=1.5).run(tmp_path / "r", workers=workers)
    lost = results.table.filter(results.table["status"] != "done")
    assert lost.select("method", "replication", "status").rows() == [("bad", 0, "timeout")]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("TOYLAB_WARM_FAILS", "ValueError: no compiler today"), ("TOYLAB_WARM_DIES", "exit code 9")],
)
def test_a_failure_is_told_and_trials_run_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, words: str
) -> None:
    monkeypatch.setenv(trouble, "1")
    seen: list[Event] = []
    results = toy(["plain"]).run(tmp_path / "r", workers=2, events=seen.append)
    assert results.table["status"].to_list() == ["done"] * 6
    notes = [event.message for event in seen if isinstance(event, Noted)]
    assert len(notes) == 1
    assert notes[0].startswith("kernels could not be compiled in advance")
    assert words in notes[0]


def test_ctrl_c_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOYLAB_WARM_S", "600")

    def press(event: Event) -> None:
        if isinstance(event, Compiling):
            os.kill(os.getpid(), signal.SIGINT)

    begun = time.monotonic()
    results = toy(["plain"]).run(tmp_path / "r", workers=2, events=press)
    assert results.interrupted
    assert results.table.height == 0
    assert time.monotonic() - begun < 300


def test_a_method_that_cannot_be_made_is_left_to_its_trials(tmp_path: Path, log: Log) -> None:
    gone = FromFile(tmp_path / "gone.py", "toy", "mine", {})
    warming = Warming(TOY, (example(),), (gone, Given(Plain())), ((0, 0), (0, 1)))
    assert pickle.loads(pickle.dumps(warming))() == ""
    assert log() == ["warm 0.5/Plain"]


def test_nothing_to_do_is_false() -> None:
    assert not Warming(TOY)
    assert Warming(TOY, (example(),), (Given(Plain()),), ((0, 0),))
