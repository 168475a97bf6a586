"""What `qoslab check` says of measurements before anything runs, and that a run then writes nothing."""

import os

import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.prediction import checking
from qoslab.domains.prediction.checking import check
from qoslab.domains.prediction.data import make_task
from qoslab.domains.prediction.scenario import PredictionScenario

needs_data = pytest.mark.skipif(
    "QOSLAB_DATA" not in os.environ, reason="needs the data folder: set QOSLAB_DATA"
)

ROWS = "".join(f"u{user},s{service},{1 + user},{2 + service}\n" for user in range(4) for service in range(5))
STUDY = """[study]
name = "own"
domain = "prediction"
seeds = 1
[scenario]
density = 0.4
data = { kind = "table", file = "own.csv", parameters = ["rt", "tp"] }
[[method]]
id = "item_mean"
"""


def study(tmp_path, rows=ROWS, change=("", "")):
    (tmp_path / "own.csv").write_text("user,service,rt,tp\n" + rows)
    path = tmp_path / "own.toml"
    path.write_text(STUDY.replace(*change))
    return path


def test_a_table_without_fault_is_checked_and_run(tmp_path):
    found = Study.from_file(study(tmp_path)).run(tmp_path / "out", workers=0, quiet=True)
    assert found.table["status"].to_list() == ["done"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("u9,s9,0.5", "own.csv:22: the row has 3 fields, the header has 4"),
        ("u9,s9,-1,2", "own.csv:22: 'rt' is -1"),
        ("u9,s9,1,NaN", "own.csv:22: 'tp' is nan"),
        ("u9,s9,inf,2", "own.csv:22: 'rt' is inf"),
        ("u0,s0,1,2", "own.csv:22: user 'u0' and service 's0' stand there twice"),
        (",s0,1,2", "own.csv:22: 'user' is empty"),
    ],
)
def test_a_fault_of_a_file_is_the_files_and_nothing_is_written(tmp_path, row, message):
    path = study(tmp_path, ROWS + row + "\n")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInput) as caught:
        Study.from_file(path).run(tmp_path / "out", workers=0, quiet=True)
    assert message in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_parameter_without_measurements_is_named(tmp_path):
    rows = "".join(f"u{user},s{service},1,\n" for user in range(4) for service in range(5))
    with pytest.raises(BadInput, match=r"own\.csv: 'tp' has no measurement"):
        Study.from_file(study(tmp_path, rows))


def test_a_file_that_was_mended_is_read_again(tmp_path):
    path = study(tmp_path, ROWS + "u9,s9,-1,2\n")
    with pytest.raises(BadInput):
        Study.from_file(path)
    assert len(Study.from_file(study(tmp_path)).scenarios) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("density = 0.4", "density = 0.01"),
            r"own\.toml:6:\d+: scenario\.density: 0\.01 of 4 x 5 cells is less than one",
        ),
        (("density = 0.4", "folds = 30"), r"own\.toml:6:\d+: scenario\.folds: 30 folds need as many"),
        (
            ("density = 0.4", "density = 0.4\ntimeouts = { rtt = 20.0 }"),
            r"own\.toml:7:\d+: scenario\.timeouts: the data has no parameter 'rtt'; it has rt, tp",
        ),
        (
            ("density = 0.4", "density = 0.4\ntimeouts = { rt = 0.5 }"),
            r"own\.toml:6:\d+: scenario\.density: 8 of 20 cells should be known, but 0 were measured",
        ),
        (
            ("density = 0.4", "density = 0.4\ncold = { users = 0.99 }"),
            r"own\.toml:5:\d+: scenario: the split leaves no cell of 'rt' to learn from",
        ),
    ],
)
def test_a_split_that_cannot_be_is_named_at_its_place(tmp_path, change, message):
    with pytest.raises(BadInput, match=message):
        Study.from_file(study(tmp_path, change=change))


COLD = ("density = 0.4", "density = 0.05\ncold = { users = 0.5 }")
"""One known cell, and half of the four users are new: in every other replication it is one of theirs."""


def failing(text, seeds):
    """Which replications leave nothing to learn from, by running them."""
    raw = {"data": {"kind": "planted", "users": 4, "services": 5}, "density": 0.05, "cold": {"users": 0.5}}
    scenario = PredictionScenario.model_validate(raw)
    found = []
    for number in range(seeds):
        try:
            make_task(scenario, Seed(0, text, "", number), Context())
        except BadInput:
            found.append(number)
    return found


def test_the_replications_that_cannot_be_are_named_and_nothing_is_written(tmp_path):
    """Those of the study's own seeds: another name, or number, draws others."""
    wrong = failing("own", 4)
    assert 1 < len(wrong) < 4
    path = study(tmp_path, change=COLD)
    path.write_text(path.read_text().replace("seeds = 1", "seeds = 4"))
    words = ", ".join(map(str, wrong[:-1])) + f" and {wrong[-1]}"
    with pytest.raises(BadInput, match=f"scenario: in replications {words} the split leaves no cell of 'rt'"):
        Study.from_file(path).run(tmp_path / "out", workers=0, quiet=True)
    assert not (tmp_path / "out").exists()


def test_one_replication_of_many_that_cannot_be_is_enough(tmp_path):
    """As many replications as hold one alone that fails."""
    seeds = next(count for count in range(2, 50) if len(failing("own", count)) == 1)
    path = study(tmp_path, change=COLD)
    path.write_text(path.read_text().replace("seeds = 1", f"seeds = {seeds}"))
    (wrong,) = failing("own", seeds)
    with pytest.raises(BadInput, match=f"in replication {wrong} the split leaves"):
        Study.from_file(path)


def test_many_replications_that_cannot_be_are_counted(tmp_path):
    path = study(tmp_path, change=COLD)
    path.write_text(path.read_text().replace("seeds = 1", "seeds = 40"))
    wrong = failing("own", 40)
    more = f"in replications {', '.join(map(str, wrong[:5]))} and {len(wrong) - 5} more the split"
    with pytest.raises(BadInput, match=more):
        Study.from_file(path)


def test_without_seeds_twenty_are_looked_at():
    raw = {"data": {"kind": "planted", "users": 4, "services": 5}, "density": 0.05, "cold": {"users": 0.5}}
    (found,) = check(PredictionScenario.model_validate(raw))
    assert found.message.startswith("in replications ")
    assert list(check(PredictionScenario.model_validate(raw | {"density": 0.6}))) == []


def test_of_very_many_replications_the_first_are_looked_at(monkeypatch):
    """And of those whose splits can all be if one can, one."""
    count = []
    monkeypatch.setattr(checking, "divided", lambda *given: count.append(given[2].replication))
    raw = {"data": {"kind": "planted", "users": 1000, "services": 1000, "parameters": 1}}
    seeds = [Seed(replication=number) for number in range(1000)]
    assert list(check(PredictionScenario.model_validate(raw), seeds)) == []
    assert count == [0]
    cold = PredictionScenario.model_validate(raw | {"cold": {"users": 0.5}})
    assert list(check(cold, seeds)) == []
    assert count[1:] == list(range(50))
    count.clear()
    small = {"data": {"kind": "planted", "users": 10, "services": 10}, "cold": {"users": 0.5}}
    assert (
        list(check(PredictionScenario.model_validate(small), (Seed(replication=n) for n in range(9999))))
        == []
    )
    assert len(count) == 2_000


def planted(**other):
    data = {"kind": "planted", "users": 6, "services": 8, "parameters": 1}
    return PredictionScenario.model_validate({"data": data} | other)


@pytest.mark.parametrize(
    "split", [{"density": 0.4}, {"folds": 3}, {"density": 0.1, "cold": {"users": 0.5}}, {"folds": 20}]
)
@pytest.mark.parametrize("limit", [0.3, 0.8, 1.0, 1.2])
def test_planted_timeouts_are_checked_as_they_run(split, limit):
    """The values of every replication decide which of its cells are left, on both sides of one."""
    scenario = planted(timeouts={"q0": limit}, **split)
    fails = []
    for number in range(40):
        try:
            make_task(scenario, Seed(replication=number), Context())
        except BadInput:
            fails.append(number)
    for number in range(40):
        assert bool(list(check(scenario, [Seed(replication=number)]))) == (number in fails)


def test_a_planted_study_with_timeouts_runs_where_it_can_and_is_refused_where_not(tmp_path):
    """About half of the planted values are below one: a tenth can be known, and six tenths cannot."""
    data = 'data = { kind = "planted", users = 30, services = 40, parameters = 1 }\ntimeouts = { q0 = 1.0 }'
    path = study(tmp_path, change=(STUDY[STUDY.index("density") : STUDY.index("[[method]]")], f"{data}\n"))
    found = Study.from_file(path).run(tmp_path / "out", workers=0, quiet=True)
    assert found.table["status"].to_list() == ["done"]
    path.write_text(path.read_text().replace("1.0 }", "1.0001 }\ndensity = 0.6"))
    with pytest.raises(BadInput, match=r"scenario\.density: 720 of 1200 cells should be known"):
        Study.from_file(path).run(tmp_path / "other", workers=0, quiet=True)
    assert not (tmp_path / "other").exists()


def test_of_many_counts_of_planted_timeouts_the_first_are_told():
    """Every replication is left another number of cells."""
    raw = {"data": {"kind": "planted"}, "density": 0.9, "timeouts": {"q0": 1.0}}
    found = list(check(PredictionScenario.model_validate(raw), [Seed(replication=n) for n in range(30)]))
    assert len(found) == 6
    assert found[-1].message.endswith(" more problems in other replications")


def test_large_tables_are_not_planted_to_be_looked_at(monkeypatch):
    monkeypatch.setattr(checking, "read", lambda *_: pytest.fail("something was planted"))
    data = {"kind": "planted", "users": 4000, "services": 3000, "parameters": 1}
    raw = {"data": data, "timeouts": {"q0": 1.0}}
    assert list(check(PredictionScenario.model_validate(raw))) == []
    (found,) = check(PredictionScenario.model_validate(raw | {"timeouts": {"rt": 1.0}}))
    assert found.message == "the data has no parameter 'rt'; it has q0"


def test_a_fold_of_zeros_alone_is_named(tmp_path):
    """Of two measured cells that are not 0 one must be in each of two folds."""
    rows = "".join(f"u{n},s{n},{int(n < 2)},1\n" for n in range(4))
    path = study(tmp_path, rows, ("density = 0.4", "folds = 2"))
    path.write_text(path.read_text().replace("seeds = 1", "seeds = 40"))
    with pytest.raises(BadInput, match=r"scenario: in replications .* all cells of 'rt' .* are 0"):
        Study.from_file(path)


def test_a_grid_over_one_file_reads_it_once(tmp_path, monkeypatch):
    count = []
    real = checking.read
    monkeypatch.setattr(checking, "read", lambda *given: count.append(1) or real(*given))
    path = study(tmp_path, change=("density = 0.4", "density = { grid = [0.2, 0.3, 0.4] }"))
    assert len(Study.from_file(path).scenarios) == 3
    assert len(count) == 1


def test_data_that_is_not_here_is_left_to_the_run(monkeypatch, tmp_path):
    for name in ("QOSLAB_DATA", "QOSLAB_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    raw = {"data": {"kind": "dataset", "name": "wsdream-1-sample/ds1_5pct.npz"}, "joint": False}
    assert list(check(PredictionScenario.model_validate(raw))) == []


@needs_data
@pytest.mark.data
def test_parameters_that_were_measured_apart_are_told_so():
    """Of WS-DREAM #1's sample 5,241 cells hold both parameters: far less than 4 % of the table."""
    raw = {"data": {"kind": "dataset", "name": "wsdream-1-sample/ds1_5pct.npz"}, "density": 0.04}
    (found,) = check(PredictionScenario.model_validate(raw))
    assert found.field == "density"
    assert found.message.endswith("cells should be known, but 5241 were measured")
    assert "joint" in str(found.hint)
