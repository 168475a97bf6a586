"""What `qoslab check` says of measurements before anything runs, and that a run then writes nothing."""

import os

import pytest

from qoslab import Study
from qoslab.core.errors import BadInput
from qoslab.domains.prediction import checking
from qoslab.domains.prediction.checking import check
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


def test_new_users_of_whom_some_draw_leaves_something_are_no_fault():
    raw = {"data": {"kind": "planted", "users": 3, "services": 4}, "cold": {"users": 0.5}}
    assert list(check(PredictionScenario.model_validate(raw | {"density": 0.2}))) == []


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
