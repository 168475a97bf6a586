"""`qoslab prediction train|evaluate|select` from a study file to the last number."""

import os
from pathlib import Path

import numpy as np
import pytest

from qoslab.app.main import main
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy import commands
from qoslab.domains.prediction.deploy.commands import _binomial, evaluate, export, select, train
from qoslab.domains.prediction.deploy.desk import Desk
from qoslab.domains.prediction.deploy.kept import KeptModel, load_model, save_model
from qoslab.domains.prediction.deploy.live import Live
from qoslab.domains.prediction.deploy.making import Making, enough_rounds, make_model
from qoslab.domains.prediction.deploy.origin import task_of
from qoslab.domains.prediction.deploy.questions import Question
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.model import run
from qoslab.domains.prediction.scenario import PredictionScenario
from qoslab.domains.prediction.selection import Limit

pytest.importorskip("safetensors", reason="needs the extra 'learn'")

DATA = {"kind": "planted", "users": 30, "services": 80, "rank": 2, "noise": 0.2}
WORLD = """
[study]
name = "world"
domain = "prediction"
[scenario]
data = { kind = "planted", users = 30, services = 80, rank = 2, noise = 0.2 }
density = 0.3
[[method]]
id = "factor_analysis"
rank = 3
"""


@pytest.fixture
def world(tmp_path):
    path = tmp_path / "world.toml"
    path.write_text(WORLD)
    return path


@pytest.fixture
def model(world, tmp_path):
    train(world, to=tmp_path / "model", method="factor_analysis", folds=10, rounds=5)
    return tmp_path / "model"


def test_a_model_takes_its_parameters_from_the_study_file(world, model, tmp_path):
    about = load_model(model).about
    assert about.method_parameters["rank"] == 3
    rows = train(world, to=tmp_path / "other", method="item_median", folds=5, rounds=2)
    assert rows[0]["users"] == 30
    assert rows[0]["cold"] == "none"
    assert rows[0]["better"] == "q0 lower, q1 lower"
    assert rows[0]["measurements"] == round(0.3 * 30 * 80)


def test_evaluation_asks_what_was_not_known(model):
    """Errors agree with a run of the method on the same split, but for chance; coverage is near its level."""
    scenario = PredictionScenario.model_validate({"data": DATA, "density": 0.3})
    direct = next(run(scenario, FactorAnalysis(rank=3), [Seed(replication=0)], Context())).metrics
    rows = evaluate(model)
    assert [row["parameter"] for row in rows] == ["q0", "q1"]
    for row in rows:
        assert row["asked"] == 30 * 80 - round(0.3 * 30 * 80)
        assert row["mae"] == pytest.approx(direct[f"mae[{row['parameter']}]"], rel=0.05)
        assert 0.82 < row["coverage"] < 0.96
        low, high = map(float, row["coverage_95"].split(" to "))
        assert low < row["coverage"] < high
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / row["asked"]), rel=0.3)


def test_the_binomial_interval_is_that_of_clopper_and_pearson():
    """Nine of ten: .5550 to .9975, as in any table; none of ten: 0 to 1 - .025^(1/10); all of ten the mirror image."""
    assert _binomial(0.9, 10) == "0.5550 to 0.9975"
    assert _binomial(0.0, 10) == f"0.0000 to {1 - 0.025**0.1:.4f}"
    assert _binomial(1.0, 10) == f"{0.025**0.1:.4f} to 1.0000"


def test_promises_are_held_against_what_happened(model):
    """All 1,680 asked cells stand in one class each; what is said and what is met agree.

    Half of the cells of a planted table meet the limit: standard errors are 0.012 for all, 0.05 for 100 cells.
    """
    rows = evaluate(model, at_most=["q0=1.0"])
    classes = [row for row in rows if "to" in row["services"]]
    assert sum(row["cells"] for row in classes) == 1680
    whole = next(row for row in rows if row["services"] == "all")
    assert abs(whole["said"] - whole["met"]) < 0.04
    assert max(abs(row["said"] - row["met"]) for row in classes if row["cells"] > 100) < 0.15
    live, task = Live(load_model(model)), task_of(load_model(model))
    counted = np.stack([live.shares(user, [Limit(0, 1.0, at_most=True)]) for user in live.users])
    assert whole["counted"] == pytest.approx(counted[task.test[0]].mean(), abs=1e-4)
    first = rows[-1]
    assert first["services"] == "first 10 of each user"
    assert first["cells"] == 300
    assert first["met"] > whole["met"] + 0.2


def test_as_many_folds_are_hidden_as_a_thousand_cells_take():
    """Of 20 folds: 1 of 20,000 cells and more, 3 of 7,100 (355 each), five of few; never more than there are."""
    for cells, folds, rounds in ((30_000, 20, 1), (20_000, 20, 1), (7100, 20, 3), (300, 20, 5), (300, 2, 2)):
        values = np.full((1, 100, 400), np.nan)
        values.flat[:cells] = 1.0
        assert enough_rounds(Known(("q",), values), folds) == rounds


def test_a_model_keeps_what_its_rounds_hid(world, tmp_path):
    """720 measurements, five of 20 folds: 180 hidden cells, whose scores and levels make up the measurements."""
    train(world, to=tmp_path / "model", method="item_median")
    arrays = load_model(tmp_path / "model").arrays
    assert arrays["scores"].shape == arrays["hidden/levels"].shape == arrays["hidden/sizes"].shape == (180, 2)
    made = np.exp(arrays["hidden/levels"] + arrays["scores"] * arrays["hidden/sizes"])
    assert np.isin(np.round(np.log(made), 4), np.round(np.log(arrays["known/values"]), 4)).mean() > 0.95


@pytest.mark.data
@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_promises_are_kept_on_real_data(tmp_path):
    """WS-DREAM #2 at 10 %, two limits at once: no class of 1,000 cells is off by more than 0.07, the chosen by 0.05."""
    file = Path(__file__).parents[3] / "studies" / "prediction" / "serve.toml"
    train(file, to=tmp_path / "model", method="factor_analysis")
    for limits in (
        {"at_most": ["rt=0.5"], "at_least": ["tp=20"]},
        {"at_most": ["rt=1"], "at_least": ["tp=5"]},
    ):
        rows = evaluate(tmp_path / "model", **limits)
        assert max(abs(row["said"] - row["met"]) for row in rows[:-1] if row["cells"] > 1000) < 0.07
        assert abs(rows[-1]["said"] - rows[-1]["met"]) < 0.05
        assert rows[-1]["met"] > 0.75


def test_selection_prints_what_can_be_had(model):
    rows = select(model, "3", at_most=["q0=1.0"], at_least=["q1=0.5"], k=3)
    assert len(rows) == 3
    shares = [row["probability"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert rows[0]["q0"] < 1.0
    assert rows[0]["judged_by"].endswith(" cells")
    assert rows[0]["q1"] > 0.5


def test_the_command_line_prints_tables(model, capsys):
    assert main(["prediction", "select", str(model), "3", "--at-most", "q0=1", "--k", "2"]) == 0
    assert "probability" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"level": 0.3}, "level"),
        ({"folds": 1}, "folds"),
        ({"rounds": 99}, "rounds"),
        ({"split": -1}, "split"),
        ({"method": "factor_analysys"}, "factor_analysis"),
        ({"level": 0.99, "folds": 20, "rounds": 1}, "hide more"),
    ],
)
def test_wrong_settings_are_named_and_nothing_is_written(world, tmp_path, changes, message):
    settings = {"method": "factor_analysis"} | changes
    with pytest.raises(BadInput, match=message):
        train(world, to=tmp_path / "model", **settings)
    assert [file.name for file in tmp_path.iterdir()] == ["world.toml"]


def test_a_folder_that_exists_is_left_alone(world, model):
    with pytest.raises(BadInput, match="exists already"):
        train(world, to=model, method="item_median")


def test_a_folder_that_cannot_be_written_is_named_before_the_training(world, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "make_model", lambda *_: pytest.fail("it was trained"))
    for to in (world / "model", Path("/proc/none/model")):
        with pytest.raises(BadInput, match=r"to: '.*model' cannot be written") as caught:
            train(world, to=to, method="item_median")
        assert ".part" not in str(caught.value)


def test_a_folder_that_fails_to_be_written_is_named(world, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error", ".model.part")

    monkeypatch.setattr(commands, "save_model", fail)
    with pytest.raises(BadInput, match=r"to: '.*model' cannot be written: Input/output error"):
        train(world, to=tmp_path / "model", method="item_median", folds=5, rounds=2, level=0.8)


def test_a_grid_is_no_world(world, tmp_path):
    world.write_text(WORLD.replace("density = 0.3", "density = { grid = [0.1, 0.3] }"))
    with pytest.raises(BadInput, match="density"):
        train(world, to=tmp_path / "model", method="item_median")
    world.write_text('[study]\nname = "x"\n')
    with pytest.raises(BadInput, match=r"no \[scenario\]"):
        train(world, to=tmp_path / "model", method="item_median")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"at_most": ["q7=1"]}, "there is no parameter 'q7'"),
        ({"at_most": ["q0"]}, "'q0' is no limit"),
        ({"at_most": ["q0=nan"]}, "is no limit"),
        ({"at_most": []}, "there is no limit"),
        ({"k": 0}, "at least 1"),
        ({"journal": Path("nowhere")}, "journal: there is no folder 'nowhere'"),
        ({"journal": Path(__file__)}, "journal: there is no folder"),
        ({"user": "99"}, "user '99' is unknown"),
        ({"at_most": ["q0=1"], "at_least": ["q0=2"]}, "at_least: no 'q0' is at least 2 and at most 1"),
        ({"at_most": ["q0=-5"]}, "no service meets these limits for user '3': each of 80 has probability 0"),
    ],
)
def test_wrong_questions_are_named(model, changes, message):
    asked = {"user": "3", "at_most": ["q0=1"]} | changes
    with pytest.raises(BadInput, match=message):
        select(model, asked.pop("user"), **asked)


def test_promises_about_what_was_never_measured_together_cannot_be_judged(tmp_path):
    """Response times in even cells and throughputs in odd ones: each limit can be judged, both cannot."""
    rng = np.random.default_rng(2)
    cells = [(u, s, 0.1 + rng.random()) for u in range(12) for s in range(20)]
    lines = [f"{u},{s},{v:.3f}," if (u + s) % 2 else f"{u},{s},,{v:.3f}" for u, s, v in cells]
    (tmp_path / "mine.csv").write_text("\n".join(["user,service,rt,a=b", *lines]) + "\n")
    world = tmp_path / "mine.toml"
    world.write_text(
        "[scenario]\ndensity = 0.25\njoint = false\n"
        'data = { kind = "table", file = "mine.csv", parameters = ["rt", "a=b"] }\n'
    )
    train(world, to=tmp_path / "model", method="item_median", folds=4, rounds=4, level=0.8)
    for alone in ({"at_most": ["rt=0.6"]}, {"at_least": ["a=b=0.6"]}):
        assert evaluate(tmp_path / "model", **alone)
    with pytest.raises(BadInput, match=r"at_most: no cell that is asked was measured in 'rt' and 'a=b'"):
        evaluate(tmp_path / "model", at_most=["rt=0.6", "a=b=9"])


def test_services_that_cannot_meet_the_limits_are_left_out_and_counted(model):
    """As many are found as have a probability; where all that were asked for have one, nothing is left out."""
    rows = select(model, "3", at_most=["q0=0.1"], k=80)
    assert 0 < len(rows) < 80
    assert len(rows) == (Live(load_model(model)).chances("3", [Limit(0, 0.1, at_most=True)]) > 0).sum()
    assert {row["left_out"] for row in rows} == {80 - len(rows)}
    assert not any("left_out" in row for row in select(model, "3", at_most=["q0=0.1"], k=len(rows)))


def test_the_only_method_of_a_file_is_trained_and_several_are_asked_about(world, tmp_path, monkeypatch):
    quick = {"folds": 10, "rounds": 5}
    assert train(world, to=tmp_path / "a", **quick)[0]["method"] == "factor_analysis"
    assert load_model(tmp_path / "a").about.method_parameters["rank"] == 3
    world.write_text(WORLD + '[[method]]\nid = "prediction/item_mean"\n')
    with pytest.raises(BadInput, match=r"method: .*2 methods, factor_analysis, item_mean(.|\n)*--method"):
        train(world, to=tmp_path / "b", **quick)
    assert not (tmp_path / "b").exists()
    world.write_text(WORLD.partition("[[method]]")[0])
    monkeypatch.setattr(commands, "_DEFAULT", "item_mean")
    assert train(world, to=tmp_path / "b", **quick)[0]["method"] == "item_mean"


@pytest.mark.parametrize("method", [None, "factor_analysis"])
def test_of_two_methods_of_one_id_none_is_trained(world, tmp_path, method):
    world.write_text(WORLD + '[[method]]\nid = "factor_analysis"\nlabel = "large"\nrank = 9\n')
    line = world.read_text().splitlines().index('label = "large"')
    with pytest.raises(
        BadInput, match=rf":{line}:\d+: .*2 methods of the file have the id 'factor_analysis'"
    ):
        train(world, to=tmp_path / "model", method=method)
    assert not (tmp_path / "model").exists()


def test_a_model_without_a_scenario_cannot_be_evaluated(model, tmp_path):
    kept = load_model(model)
    about = kept.about.model_copy(update={"scenario": None})
    save_model(tmp_path / "other", KeptModel(about, kept.arrays))
    with pytest.raises(BadInput, match=r"keeps no scenario: .* so that no cell is left to ask") as refused:
        evaluate(tmp_path / "other")
    assert "train without --everything" in str(refused.value)


def test_trainings_and_rehearsals_are_told_on_a_terminal_alone(world, tmp_path, monkeypatch, capsys):
    settings = {"method": "item_median", "folds": 5, "rounds": 2}
    train(world, to=tmp_path / "silent", **settings)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    train(world, to=tmp_path / "told", **settings)
    lines = capsys.readouterr().err.splitlines()
    steps = [f"training {i} of 3" for i in (1, 2, 3)] + [
        f"rehearsal of newcomers {i} of 4" for i in (1, 2, 3, 4)
    ]
    assert [line.partition(" s: ")[2] for line in lines] == steps
    assert all(line.partition(" s: ")[0].isdigit() for line in lines)


def test_a_table_of_ones_own_keeps_its_names(tmp_path):
    """Every row is learned from; users and services answer to the ids of the file."""
    rng = np.random.default_rng(0)
    cells = [(u, s) for u in range(12) for s in range(20) if rng.random() < 0.8]
    lines = [f"user-{u},service/{s},{0.1 + u + s / 10:.3f}" for u, s in reversed(cells)]
    lines.append("user-new,service/0,")
    (tmp_path / "mine.csv").write_text("user,service,rt\n" + "\n".join(lines) + "\n")
    world = tmp_path / "mine.toml"
    world.write_text('[scenario]\ndata = { kind = "table", file = "mine.csv", parameters = ["rt"] }\n')
    rows = train(
        world, to=tmp_path / "model", method="item_median", everything=True, folds=4, rounds=4, level=0.8
    )
    assert rows[0]["measurements"] == len(cells)
    assert rows[0]["cold"] == "1 user, 0 services"
    about = load_model(tmp_path / "model").about
    assert about.users[0] == f"user-{cells[-1][0]}"
    assert about.scenario is None
    chosen = select(tmp_path / "model", "user-3", at_most=["rt=2"], k=2)
    assert all(row["service"].startswith("service/") for row in chosen)


@pytest.fixture
def own(tmp_path):
    """A study of a table of one's own, its lines, and a model of it."""
    rng = np.random.default_rng(1)
    lines = [f"{u:03},s{s},{rng.random() + 0.1:.4f}" for u in range(12) for s in range(20)]
    world = tmp_path / "mine.toml"
    world.write_text(
        '[scenario]\ndensity = 0.5\ndata = { kind = "table", file = "mine.csv", parameters = ["rt"] }\n'
    )

    def keep(rows):
        (tmp_path / "mine.csv").write_text("\n".join(["user,service,rt", *rows]) + "\n")

    keep(lines)
    train(world, to=tmp_path / "model", method="item_median", folds=4, rounds=4, level=0.8)
    return tmp_path, lines, keep


def test_ids_keep_their_leading_zeros(own):
    folder = own[0]
    assert load_model(folder / "model").about.users[:2] == ("000", "001")
    assert select(folder / "model", "007", at_most=["rt=2"], k=1)
    with pytest.raises(BadInput, match="user '7' is unknown"):
        select(folder / "model", "7", at_most=["rt=2"], k=1)


def test_what_is_trained_on_can_be_asked_for(own):
    """Ids as long as the addresses of services; longer ones are named before the training, not first at a question."""
    folder, lines, keep = own
    longest = "s" * 1000
    keep([line.replace(",s3,", f",{longest},") for line in lines])
    train(folder / "mine.toml", to=folder / "long", method="item_median", folds=4, rounds=4, level=0.8)
    desk = Desk(load_model(folder / "long"), folder / "none")
    asked = Question.model_validate({"user": "007", "service": longest})
    assert desk.predict(asked)["basis"] == "model"
    keep([line.replace(",s3,", f",{longest}s,") for line in lines])
    with pytest.raises(BadInput, match=r"service 's{40}'... has 1001 characters; at most 1000 are kept"):
        train(folder / "mine.toml", to=folder / "other", method="item_median", folds=4, rounds=4, level=0.8)
    with pytest.raises(ValueError, match="at most 1000 characters"):
        Question.model_validate({"user": "007", "service": longest + "s"})


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:-5],
        lambda lines: lines[::-1],
        lambda lines: [*lines, "new,s0,1.0"],
        lambda lines: [line.replace("000,s", "u0,s") for line in lines],
    ],
    ids=["five rows fewer", "another order", "a new user", "another id"],
)
def test_measurements_that_changed_are_not_asked(own, change):
    """Another table draws other cells: those that the model learned from would be asked, and look well predicted."""
    folder, lines, keep = own
    asked = evaluate(folder / "model")[0]["asked"]
    keep(change(lines))
    with pytest.raises(BadInput, match="have changed since the model was trained"):
        evaluate(folder / "model")
    with pytest.raises(BadInput, match="have changed"):
        evaluate(folder / "model", at_most=["rt=1"])
    keep(lines)
    assert evaluate(folder / "model")[0]["asked"] == asked == 120


def test_a_model_without_its_measurements_can_be_exported_alone(own):
    pytest.importorskip("onnxruntime", reason="needs the extra 'edge'")
    folder = own[0]
    assert all("coverage" in row for row in export(folder / "model", to=folder / "with", rank=2))
    (folder / "mine.csv").unlink()
    with pytest.raises(BadInput, match="cannot be had: ") as refused:
        evaluate(folder / "model")
    assert "Value error" not in str(refused.value)
    with pytest.raises(
        BadInput, match=r"scenario\.data\.table\.file: the measurements .* no such file: .*mine\.csv"
    ):
        evaluate(folder / "model")
    rows = export(folder / "model", to=folder / "without", rank=2)
    assert all("cannot be had" in row["not_judged"] and "coverage" not in row for row in rows)
    assert sorted(file.name for file in (folder / "without").iterdir()) == [
        "float32.onnx",
        "ids.json",
        "int8.onnx",
    ]


@pytest.mark.parametrize("everything", [True, False])
def test_timeouts_are_not_learned(tmp_path, everything):
    """Every seventh value is 20 s, which `timeouts` calls not measured: neither way of training keeps one."""
    rng = np.random.default_rng(0)
    rows = [(u, s, 20.0 if (u + s) % 7 == 0 else rng.random() + 0.1) for u in range(12) for s in range(20)]
    text = "".join(f"{u},{s},{value:.4f}\n" for u, s, value in rows)
    (tmp_path / "mine.csv").write_text("user,service,rt\n" + text)
    world = tmp_path / "mine.toml"
    world.write_text(
        "[scenario]\ntimeouts = { rt = 20.0 }\ndensity = 0.6\n"
        'data = { kind = "table", file = "mine.csv", parameters = ["rt"] }\n'
    )
    settings = {"folds": 4, "rounds": 4, "level": 0.8, "everything": everything}
    found = train(world, to=tmp_path / "model", method="item_median", **settings)
    kept = load_model(tmp_path / "model").arrays
    assert np.nanmax(kept["known/values"]) < 2
    assert kept["highest"][0] < 2
    measured = sum(value < 20 for _, _, value in rows)
    assert found[0]["measurements"] == (measured if everything else round(0.6 * 240))


def test_more_parameters_than_a_model_keeps_are_named_before_the_training():
    class Untrained(FactorAnalysis):
        def predict(self, *_):
            pytest.fail("it was trained")

    known = Known(tuple(map(str, range(65))), np.ones((65, 6, 20)))
    with pytest.raises(BadInput, match="parameters: there are 65; a model keeps 64 at most"):
        make_model(known, "factor_analysis", Untrained(), Making(), Context())


def test_training_repeats(world, tmp_path):
    for name in ("a", "b"):
        train(world, to=tmp_path / name, method="factor_analysis", folds=5, rounds=2)
    first, second = (load_model(tmp_path / name).arrays for name in ("a", "b"))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
