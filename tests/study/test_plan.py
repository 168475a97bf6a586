"""What a plan says: which trials are cached, and why the others are not. Nothing here executes a user's file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from toylab.studies import line_of_bad_day, toy

from qoslab.study.plan import plan
from qoslab.study.results import Results
from qoslab.study.study import Study

BAD_DAY = f"failed before: ValueError: a bad day (bad.py:{line_of_bad_day()})"


def why(study: Study, out: Path) -> Counter[str]:
    return Counter(trial.why for trial in plan(study, out).todo)


def test_a_new_study(tails: Path) -> None:
    made = Study.from_file(tails).plan()
    assert len(made.trials) == 2 * 3 * 6
    assert made.count("new") == 36
    assert {trial.why for trial in made.trials} == {"never run"}
    assert made.seconds(2) is None
    assert not tails.with_name("tails.results").exists()


def test_seeds_are_paired_over_methods(tails: Path) -> None:
    made = Study.from_file(tails).plan()
    paths = {(t.scenario, t.replication, t.seed.path) for t in made.trials}
    assert len(paths) == 12
    assert len({t.fingerprint for t in made.trials}) == 36


def test_what_ran_is_cached_and_more_seeds_are_new(tails: Path) -> None:
    Study.from_file(tails).run(workers=0)
    study = Study.from_file(tails)
    made = study.plan()
    assert (made.count("cached"), made.todo, made.seconds()) == (36, [], 0.0)
    more = Study.from_file(tails, {"study.seeds": "8"}).plan()
    assert Counter(trial.why for trial in more.todo) == {"new seed": 12}
    assert more.seconds(2) is not None


def test_only_what_changed_runs_again(tails: Path) -> None:
    out = Study.from_file(tails).run(workers=0).path
    tails.write_text(tails.read_text().replace("grid = [0.0, 1.0]", "grid = [0.0, 2.0]"))
    assert why(Study.from_file(tails), out) == {"never run": 12}
    tails.write_text(tails.read_text().replace("count = 4", "count = 5"))
    assert why(Study.from_file(tails), out) == {"changed: scenario": 24, "never run": 12}


def test_another_root_seed(tails: Path) -> None:
    out = Study.from_file(tails).run(workers=0).path
    reasons = why(Study.from_file(tails, {"study.seed": "7"}), out)
    assert sum(reasons.values()) == 36
    assert all(reason.startswith("another seed: 0/tails/") for reason in reasons)


def test_a_changed_parameter_under_the_same_label(tmp_path: Path) -> None:
    toy(["plain"]).run(tmp_path / "r", workers=0)
    assert why(toy([("plain", {"shift": 1.0})]), tmp_path / "r") == {"changed: parameters": 6}
    # And back: the rows of the first run still stand.
    assert why(toy(["plain"]), tmp_path / "r") == {}


def test_a_label_is_no_part_of_a_result(tmp_path: Path, tails: Path) -> None:
    Study.from_file(tails).run(tmp_path / "r", workers=0)
    tails.write_text(
        tails.read_text()
        .replace('id = "learned"', 'id = "learned"\nlabel = "net"')
        .replace('baseline = "learned"', "")
    )
    assert why(Study.from_file(tails), tmp_path / "r") == {}
    Study.from_file(tails).run(tmp_path / "r", workers=0)
    assert set(Results.open(tmp_path / "r").table["method"]) == {
        "plain(shift=0.0)",
        "plain(shift=1.0)",
        "net",
    }


def test_failed_trials_are_tried_again_and_say_why(tmp_path: Path) -> None:
    toy([("bad", {"at": 3})]).run(tmp_path / "r", workers=0)
    assert why(toy([("bad", {"at": 3})]), tmp_path / "r") == {BAD_DAY: 1}


MINE = """\
from dataclasses import dataclass
from qoslab.core.method import method

@method("toy", "mine", summary="Mine.")
@dataclass(frozen=True)
class Mine:
    bonus: float = 1.0

    def score(self, scenario, seed, context):
        return self.bonus
"""


def test_an_edit_of_a_users_file_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname="s"\ndomain="toy"\nseeds=2\n[[method]]\nid="mine"\nfile="mine.py"\n[[method]]\nid="plain"\n'
    )
    out = Study.from_file(file).run(workers=0).path
    assert why(Study.from_file(file), out) == {}
    (tmp_path / "mine.py").write_text(MINE.replace("1.0", "2.0"))
    assert why(Study.from_file(file), out) == {"changed: file mine.py": 2}
    results = Study.from_file(file).run(workers=0)
    assert results.table.filter(results.table["method"] == "mine")["score"].to_list() == [2.0, 2.0]


def test_an_edit_of_an_input_file_runs_its_scenario_again(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("1")
    file = tmp_path / "s.toml"
    file.write_text(
        '[study]\nname="s"\ndomain="toy"\nseeds=2\n[scenario]\ntrace={grid=["a.csv","b.csv"]}\n[[method]]\nid="plain"\n'
    )
    out = Study.from_file(file).run(workers=0).path
    (tmp_path / "b.csv").write_text("2")
    assert why(Study.from_file(file), out) == {"changed: input b.csv, scenario": 2}


def test_an_edit_of_the_domains_code_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qoslab.study import fingerprint

    toy(["plain"]).run(tmp_path / "r", workers=0)
    real = fingerprint.module_closure

    def edited(*modules: str) -> dict[str, str]:
        return real(*modules) | {"toylab.model": "0" * 32}

    monkeypatch.setattr(fingerprint, "module_closure", edited)
    assert why(toy(["plain"]), tmp_path / "r") == {"changed: code toylab.model": 6}
