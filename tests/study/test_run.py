"""Whole runs: the same table from any executor, what fails costs its row, what is done is not done again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from toylab.studies import line_of_bad_day, toy

from qoslab.core.errors import BadInput, MissingData
from qoslab.study.events import Ended, Event, Noted, Planned, Progressed, Stopping, TrialEnded
from qoslab.study.results import Results
from qoslab.study.study import Study

Log = Callable[[], list[str]]


def test_the_same_table_from_any_number_of_workers(tails: Path, tmp_path: Path) -> None:
    study = Study.from_file(tails)
    digests = {
        workers: study.run(tmp_path / str(workers), workers=workers).digest() for workers in (0, 1, 2, 4)
    }
    assert len(set(digests.values())) == 1
    other = Study.from_file(tails, {"study.seed": "1"}).run(tmp_path / "other", workers=0)
    assert other.digest() not in digests.values()


def test_the_same_table_in_any_order_and_resumed(tails: Path, tmp_path: Path) -> None:
    whole = Study.from_file(tails).run(tmp_path / "whole", workers=0)
    for seeds in ("1", "4", "6"):
        parts = Study.from_file(tails, {"study.seeds": seeds}).run(tmp_path / "parts", workers=2)
    tails.write_text(tails.read_text().replace("[0.3, 0.6]", "[0.6, 0.3]"))
    turned = Study.from_file(tails).run(tmp_path / "turned", workers=0)
    assert whole.digest() == parts.digest() == turned.digest()


def test_nothing_runs_twice(tails: Path, log: Log) -> None:
    study = Study.from_file(tails)
    first = study.run(workers=2)
    ran = [line for line in log() if line.startswith("run")]
    trained = [line for line in log() if line.startswith("train")]
    assert sum(len(line.split()) - 2 for line in ran) == 36
    assert sorted(trained) == ["train 0/tails/load=0.3/-1", "train 0/tails/load=0.6/-1"]
    assert log()[0].startswith("warm")
    before, journals = len(log()), sorted(first.path.glob("journal.*"))
    again = study.run(workers=2)
    assert len(log()) == before
    assert sorted(first.path.glob("journal.*")) == journals
    assert again.digest() == first.digest()
    assert again.table.equals(first.table)


def test_small_trials_share_calls(tmp_path: Path, log: Log) -> None:
    toy(["plain"], seeds=200, series="none").run(tmp_path / "r", workers=2)
    assert len([line for line in log() if line.startswith("run")]) < 60


FAILURES = {
    "raise": ("failed", f"ValueError: a bad day (bad.py:{line_of_bad_day()})"),
    "unpicklable": ("failed", "Unpicklable: cannot travel"),
    "exit": ("failed", "SystemExit(3)"),
    "nan": ("failed", "leave a metric out"),
    "memory_error": ("crashed", "out of memory"),
    "os_exit": ("crashed", "exit code 7"),
    "segfault": ("crashed", "SIGSEGV"),
    "memory": ("crashed", "SIGKILL; the system may have run out of memory"),
}


def test_each_failure_costs_its_row(tmp_path: Path) -> None:
    methods = [("bad", {"how": {"grid": list(FAILURES)}, "at": 4})]
    results = toy(methods, seeds=8).run(tmp_path / "r", workers=2)
    failed = results.table.filter(pl.col("status") != "done")
    assert failed["replication"].to_list() == [4] * len(FAILURES)
    for row in failed.iter_rows(named=True):
        status, reason = FAILURES[row["method.how"]]
        assert row["status"] == status
        assert reason in row["reason"]
        assert row["score"] is None
    assert results.table.height == 8 * len(FAILURES)
    assert results.table.filter(pl.col("status") == "done")["score"].null_count() == 0


@pytest.mark.parametrize("how", ["hang", "hang_hard"])
def test_a_hanging_trial_is_stopped_at_its_limit(tmp_path: Path, how: str) -> None:
    results = toy([("bad", {"how": how, "at": 2}), "plain"], seeds=4, time_limit_s=0.8).run(
        tmp_path / "r", workers=2
    )
    [row] = results.table.filter(pl.col("status") != "done").iter_rows(named=True)
    assert (row["method"], row["replication"], row["status"]) == ("bad", 2, "timeout")
    assert "0.8 s" in row["reason"]
    # Measured by the parent: from the begin of the run to the kill. On a loaded machine the clock may run on.
    assert 0.8 <= row["wall_s"] <= 0.8 * 1.2 + 0.3


def test_a_trial_that_stops_itself_at_its_limit(tmp_path: Path) -> None:
    results = toy(["plain"], seeds=2, time_limit_s=1e-9).run(tmp_path / "r", workers=0)
    assert results.table["status"].to_list() == ["timeout"] * 2


def test_a_training_that_fails_fails_its_rows_with_the_reason(tmp_path: Path, log: Log) -> None:
    study = toy([("learned", {"fails": True}), "plain"], seeds=3)
    results = study.run(tmp_path / "r", workers=2)
    rows = results.table.filter(pl.col("method") == "learned")
    assert rows["status"].to_list() == ["failed"] * 3
    assert all("its training failed: ArithmeticError: no gradient" in reason for reason in rows["reason"])
    assert results.table.filter(pl.col("method") == "plain")["status"].to_list() == ["done"] * 3
    assert len([line for line in log() if line.startswith("train")]) == 1


def test_lost_or_altered_weights_are_trained_again(tmp_path: Path, log: Log) -> None:
    first = toy(["learned"], seeds=2).run(tmp_path / "r", workers=0)
    [weights] = (tmp_path / "r" / "weights").iterdir()
    good = weights.read_bytes()
    weights.write_bytes(b"0.0")
    more = toy(["learned"], seeds=4).run(tmp_path / "r", workers=0)
    assert weights.read_bytes() == good
    assert len([line for line in log() if line.startswith("train")]) == 2
    assert more.table["score"].to_list()[:2] == first.table["score"].to_list()


def test_a_weights_file_reaches_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").write_text("5.0")
    results = toy([("learned", {"weights": "w"})], seeds=3).run(tmp_path / "r", workers=1)
    assert all(5.0 <= score < 6.0 for score in results.table["score"])


def test_fail_fast(tmp_path: Path) -> None:
    seen: list[Event] = []
    results = toy([("bad", {"at": 0}), ("slow", {"seconds": 0.05})], seeds=40).run(
        tmp_path / "r", workers=1, fail_fast=True, events=seen.append
    )
    assert results.interrupted
    assert results.table.height < 80
    assert [event.reason for event in seen if isinstance(event, Stopping)] == [
        "a trial failed, and --fail-fast was asked for"
    ]


def test_events_tell_a_run(tails: Path) -> None:
    seen: list[Event] = []
    results = Study.from_file(tails).run(workers=0, events=seen.append)
    assert seen[0] == Planned(36, 0, 0, None)
    ended = [event for event in seen if isinstance(event, TrialEnded)]
    assert Counter(event.replication < 0 for event in ended) == {False: 36, True: 2}
    last = [event for event in seen if isinstance(event, Progressed)][-1]
    assert (last.finished, last.total, last.failed, last.metric, last.eta_s) == (36, 36, 0, "score", 0.0)
    table = results.table.filter((pl.col("scenario") == "load=0.6") & (pl.col("method") == "learned"))
    mean = last.means["load=0.6", "learned"]
    assert (mean.count, mean.mean) == (6, pytest.approx(table["score"].mean()))
    assert isinstance(seen[-1], Ended)
    assert (seen[-1].finished, seen[-1].interrupted) == (36, False)


def test_rows_are_stored_before_they_are_told_of(tails: Path, tmp_path: Path) -> None:
    def check(event: Event) -> None:
        if isinstance(event, TrialEnded) and event.replication >= 0:
            rows = Results.open(tmp_path / "r").table
            key = (pl.col("scenario") == event.scenario) & (pl.col("method") == event.method)
            assert rows.filter(key & (pl.col("replication") == event.replication)).height == 1

    Study.from_file(tails).run(tmp_path / "r", workers=0, events=check)


def test_rounds_until_precise(tmp_path: Path, log: Log) -> None:
    asked: list[int] = []

    def rule(table: pl.DataFrame) -> int:
        asked.append(table.height)
        return 25

    results = toy(["plain"], seeds=5).run(tmp_path / "r", workers=2, until_precision=rule)
    # Seeds at most double from round to round: 5, 10, 20, 25.
    assert asked == [5, 10, 20, 25]
    assert results.study.seeds == 25
    assert sum(len(line.split()) - 2 for line in log() if line.startswith("run")) == 25
    assert results.digest() == toy(["plain"], seeds=25).run(tmp_path / "s", workers=0).digest()


def test_a_rule_that_asks_for_no_more_ends_the_run(tmp_path: Path) -> None:
    assert (
        toy(["plain"], seeds=5).run(tmp_path / "r", workers=0, until_precision=lambda _t: 0).table.height == 5
    )


def test_a_trial_that_failed_is_not_tried_again_in_each_round(tmp_path: Path, log: Log) -> None:
    results = toy([("bad", {"at": 1})], seeds=4).run(tmp_path / "r", workers=0, until_precision=lambda _t: 12)
    assert results.table.height == 12
    # Replication 1 alone, after the batch it failed in: tried twice, not in the second and third round again.
    assert sum("1" in line.split()[2:] for line in log()) <= 2


SESSION = """\
from dataclasses import dataclass

@dataclass(frozen=True)
class Mine:
    bonus: float = 1.0

    def score(self, scenario, seed, context):
        return self.bonus
"""


def of_session() -> type:
    names: dict = {"__name__": "__main__"}
    exec(SESSION, names)
    return names["Mine"]


def test_a_method_of_this_session_runs_in_this_process(tmp_path: Path) -> None:
    seen: list[Event] = []
    results = toy([of_session()], seeds=2).run(tmp_path / "r", events=seen.append)
    assert results.table["score"].to_list() == [1.0, 1.0]
    assert any(isinstance(event, Noted) and "'Mine'" in event.message for event in seen)


def test_a_method_of_this_session_cannot_go_to_workers(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="workers=0"):
        toy([of_session()], seeds=2).run(tmp_path / "r", workers=2)
    assert not (tmp_path / "r").exists()


def test_negative_workers(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="number of workers"):
        toy(["plain"]).run(tmp_path / "r", workers=-1)


def own(tmp_path: Path, body: str, params: str = "") -> Path:
    (tmp_path / "helper_of_mine.py").write_text("bonus = 40.0\n")
    (tmp_path / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom qoslab.core.method import method\nimport helper_of_mine\n\n"
        "@method('toy', 'mine', summary='Mine.')\n@dataclass(frozen=True)\nclass Mine:\n    extra: float = 1.0\n\n"
        f"    def score(self, scenario, seed, context):\n        {body}\n"
    )
    file = tmp_path / "s.toml"
    file.write_text(
        f'[study]\nname="s"\ndomain="toy"\nseeds=3\n[[method]]\nid="mine"\nfile="mine.py"\n{params}\n'
    )
    return file


def test_a_users_own_method(tmp_path: Path) -> None:
    study = Study.from_file(
        own(tmp_path, "return helper_of_mine.bonus + self.extra", "extra = {grid=[1.0, 2.0]}")
    )
    two = study.run(tmp_path / "two", workers=2)
    assert two.table["score"].to_list() == [41.0] * 3 + [42.0] * 3
    assert two.digest() == study.run(tmp_path / "zero", workers=0).digest()
    kept = {path.name for path in (tmp_path / "two" / "files").rglob("*.py")}
    assert kept == {"mine.py", "helper_of_mine.py"}


def test_an_error_in_a_users_method_names_its_line(tmp_path: Path) -> None:
    results = Study.from_file(own(tmp_path, "return [][seed.replication]")).run(workers=2)
    assert set(results.table["reason"]) == {"IndexError: list index out of range (mine.py:11)"}


def test_a_wrong_parameter_of_a_users_method_is_said_before_anything_runs(tmp_path: Path) -> None:
    study = Study.from_file(own(tmp_path, "return 1.0", "extar = 3.0"))
    with pytest.raises(BadInput, match="extar"):
        study.run(workers=2)
    assert not study.results_path.exists()


def test_missing_data_is_said_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qoslab.study import run as module

    monkeypatch.setattr(module.Plan, "missing_data", lambda self: ["azure/x"])
    monkeypatch.setattr(
        module.DataFiles, "__call__", lambda self, name: (_ for _ in ()).throw(MissingData("get it"))
    )
    with pytest.raises(MissingData, match="get it"):
        toy(["plain"]).run(tmp_path / "r", workers=0)
    assert not (tmp_path / "r").exists()


def test_provenance_on_each_row(tmp_path: Path) -> None:
    results = toy(["plain"], seeds=2).run(tmp_path / "r", workers=1)
    row = results.table.row(0, named=True)
    assert row["seed_path"] == "0/t//0"
    assert json.loads(row["versions"]).keys() >= {"qoslab", "python", "numpy", "platform"}
    assert len(row["fingerprint"]) == len(row["scenario_hash"]) == 32
    assert row["host"]
    assert row["cpu_s"] >= 0
    assert row["finished_at"].tzinfo is not None


def test_workers_have_one_thread_and_one_order_of_hashes(tmp_path: Path) -> None:
    body = "import os; return float(os.environ['OMP_NUM_THREADS'] == '1' and os.environ['PYTHONHASHSEED'] == '0')"
    results = Study.from_file(own(tmp_path, body)).run(workers=1)
    assert results.table["score"].to_list() == [1.0] * 3


def test_what_a_method_prints_does_not_reach_standard_output(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Study.from_file(own(tmp_path, "print('noise'); return 1.0")).run(workers=1)
    told = capfd.readouterr()
    assert "noise" not in told.out
    assert "noise" in told.err
