"""ONNX graphs against the model they come from: nothing lost at full rank, little in eight bits."""

import time

import numpy as np
import pytest
from prediction_worlds import model_of, planted

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy.commands import export
from qoslab.domains.prediction.deploy.edge import (
    export_model,
    factored,
    graph,
    latency_us,
    open_graph,
    predict,
)
from qoslab.domains.prediction.deploy.kept import save_model
from qoslab.domains.prediction.deploy.live import Live
from qoslab.domains.prediction.deploy.making import Making, make_model
from qoslab.domains.prediction.intervals import child
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis

pytest.importorskip("onnx", reason="needs the extra 'edge'")
pytest.importorskip("onnxruntime", reason="needs the extra 'edge'")

ALL = [str(s) for s in range(120)]


def everywhere(session, users=60, services=120):
    u, s = (axis.ravel() for axis in np.indices((users, services)))
    return predict(session, u, s)


def by_model(model):
    """Values and ends of the trained table, without what measured cells add."""
    small = factored(model, 10_000)
    values = model.arrays["values"]
    lower, upper = small.intervals.around(values, model.about.level)
    return [part.reshape(2, -1) for part in (values, np.minimum(lower, values), np.maximum(upper, values))]


def test_all_factors_give_the_table_and_its_intervals(world):
    """Float32 throughout: 1e-4, but where a prediction stands at the edge of a step of the spread."""
    model, known = world[2], np.repeat(np.arange(60) > 5, 120)
    found = everywhere(open_graph(graph(factored(model, 10_000), int8=False)))
    for part, expected in zip(found, by_model(model), strict=True):
        close = np.abs(np.log(part / expected)[:, known]) < 1e-4
        assert close.mean() > 0.999
    assert np.abs(np.log(found[0] / by_model(model)[0])[:, known]).max() < 1e-4


def test_boosted_factors_are_exported_as_they_predict():
    """No few factors give a table of trees; with all factors graphs answer what the method predicted, to 1e-4."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, known = planted(seed=4)
    method = BoostedFactors(rank=4, sweeps=5, folds=2, trees=20, leaf_cells=20)
    making = Making(rounds=1, rank=4, folds=8, seed=3)
    model = make_model(known, "boosted_factors", method, making, Context())
    seed = child(np.random.SeedSequence(3), 2)
    predicted = method.predict(known, seed, Context()).reshape(2, -1)
    value, lower, upper = everywhere(open_graph(graph(factored(model, 10_000), int8=False)))
    assert np.abs(value / predicted - 1).max() < 1e-4
    assert (lower <= value).all()
    assert (value <= upper).all()
    rough = everywhere(open_graph(graph(factored(model, 4), int8=False)))[0]
    assert np.abs(np.log(rough / predicted)).mean() > 0.01


def test_a_parameter_that_hardly_varies_has_the_servers_intervals():
    """Availabilities of 99.99 % that differ by one in ten thousand: nothing is expected to miss by less than 0.001."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((20, 60))
    values = np.stack([np.exp(rng.standard_normal(60) + 0.2 * noise), 0.9999 * np.exp(1e-4 * noise)])
    values[:, rng.random((20, 60)) < 0.4] = np.nan
    making = Making(rank=3, sweeps=10, folds=5, rounds=5)
    model = make_model(
        Known(("rt", "av"), values), "factor_analysis", FactorAnalysis(3, 10), making, Context()
    )
    small = factored(model, 40)
    users, services = (axis.ravel() for axis in np.indices((20, 60)))
    table = small.intervals.raw(small.intervals.logs(model.arrays["values"].reshape(2, -1)))
    low, high = small.intervals.at(users, services, table, small.level)
    _, lower, upper = everywhere(open_graph(graph(small, int8=False)), 20, 60)
    assert np.median((upper - lower)[1]) == pytest.approx(np.median((high - low)[1]), rel=0.3)


def test_listed_strangers_get_what_the_server_answers():
    """Users 0 to 5 and services 0 to 9 measured nothing: the same values, and intervals that hold about as many cells.

    A stranger's intervals are wider by one factor, the mean of the server's; a known one's miss a tenth more.
    """
    truth, known = planted(seed=3, hidden=range(6))
    known.values[:, :, :10] = np.nan
    model = model_of(known)
    live, graph_ = Live(model), open_graph(graph(factored(model, 10_000), int8=False))
    value, lower, upper = (part.reshape(2, 60, 120) for part in everywhere(graph_))
    answers = [live.answer(str(user), ALL) for user in range(60)]
    served = [
        np.stack([getattr(one, part) for one in answers], axis=1) for part in ("values", "lower", "upper")
    ]
    cold = np.zeros((60, 120), bool)
    cold[:6], cold[:, :10] = True, True
    assert np.abs(np.log(value / served[0]))[:, cold].max() < 1e-3
    inside = [(low <= truth) & (truth <= high) for low, high in (served[1:], (lower, upper))]
    usual = by_model(model)
    narrow = (usual[1].reshape(truth.shape) <= truth) & (truth <= usual[2].reshape(truth.shape))
    for part in (np.s_[:, :6, 10:], np.s_[:, 6:, :10]):
        assert inside[1][part].mean() == pytest.approx(inside[0][part].mean(), abs=0.05)
        assert narrow[part].mean() < inside[1][part].mean() - 0.1


def test_no_number_but_those_of_ids_is_answered(world):
    """ONNX counts negative numbers from the end: -1 was once the last user."""
    session = open_graph(graph(factored(world[2], 4), int8=True))
    for user, service in ((-1, 0), (0, -1), (60, 0), (0, 120)):
        with pytest.raises(Exception, match="out of data bounds"):
            predict(session, np.array([user]), np.array([service]))


def test_ends_of_the_range_are_inside_in_float32(world):
    """0.9 as float32 is less than 0.9: an upper end at the largest value holds it all the same."""
    truth = np.minimum(world[0], 0.9)
    known = Known(("rt", "tp"), np.where(np.isnan(world[1].values), np.nan, truth))
    session = open_graph(graph(factored(model_of(known), 10_000), int8=False))
    value, _, upper = everywhere(session)
    there = np.isclose(value, 0.9, rtol=1e-5)
    assert there.mean() > 0.1
    assert (upper[there] >= 0.9).all()


def test_fewer_factors_lose_what_numpy_says(world):
    small = factored(world[2], 3)
    found = everywhere(open_graph(graph(small, int8=False)))[0]
    np.testing.assert_allclose(found, small.values().reshape(2, -1), rtol=1e-4)
    lost = np.abs(np.log(found / by_model(world[2])[0])).mean()
    assert lost > np.abs(np.log(factored(world[2], 6).values().reshape(2, -1) / by_model(world[2])[0])).mean()


def test_eight_bits_are_smaller_and_nearly_as_good(world):
    """The error of rounding to 1/254 of a row's largest factor, on each side, is a few hundredths in logarithms."""
    small = factored(world[2], 24)
    wide, narrow = (graph(small, int8=int8) for int8 in (False, True))
    assert len(narrow) < 0.5 * len(wide)
    full, rounded = (everywhere(open_graph(data)) for data in (wide, narrow))
    apart = np.abs(np.log(rounded[0] / full[0]))
    assert 0 < apart.mean() < 0.02
    assert (rounded[1] <= rounded[0] * (1 + 1e-6)).all()
    assert (rounded[0] <= rounded[2] * (1 + 1e-6)).all()


def test_latency_is_a_time_and_its_cpu_is_part_of_it(world):
    session = open_graph(graph(factored(world[2], 4), int8=True))
    for batch in (1, 1000):
        wall, cpu = latency_us(session, 60, 120, batch, 21)
        assert 0 < cpu < 1.1 * wall < 1e6


class Waits:
    """A session that sleeps for 5 ms and computes nothing."""

    def run(self, names, cells):
        time.sleep(0.005)


def test_waiting_is_time_but_no_work():
    wall, cpu = latency_us(Waits(), 60, 120, 1, 5)
    assert wall > 5000
    assert cpu < 0.5 * wall


def test_an_export_is_a_whole_folder_or_none(world, tmp_path):
    export_model(world[2], tmp_path / "edge", 4)
    assert sorted(file.name for file in (tmp_path / "edge").iterdir()) == [
        "float32.onnx",
        "ids.json",
        "int8.onnx",
    ]
    with pytest.raises(BadInput, match="exists already"):
        export_model(world[2], tmp_path / "edge", 4)
    with pytest.raises(BadInput, match="rank"):
        export_model(world[2], tmp_path / "other", 0)
    assert [file.name for file in tmp_path.iterdir()] == ["edge"]


def test_the_command_says_what_is_lost(world, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    rows = export(tmp_path / "model", to=tmp_path / "edge", rank=4)
    assert [row["graph"] for row in rows] == ["model", "float32", "int8"]
    assert rows[0]["mbytes"] > rows[1]["mbytes"] > rows[2]["mbytes"]
