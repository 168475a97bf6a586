"""How cells are dealt: nothing is both learned and asked, and each protocol asks what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import make_task
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.ldcf import LDCF
from qoslab.domains.prediction.model import run
from qoslab.domains.prediction.planted import plant
from qoslab.domains.prediction.protocol import ordinary
from qoslab.domains.prediction.scenario import Planted, PredictionScenario


def world(data=None, **fields):
    planted = {"kind": "planted", "users": 20, "services": 30} | (data or {})
    return PredictionScenario.model_validate({"data": planted} | fields)


def task(scenario, replication=0):
    return make_task(scenario, Seed(replication=replication), Context())


def learned(found):
    return np.isfinite(found.known.values)


@pytest.mark.parametrize("cold", [None, {"users": 0.3}, {"services": 0.3}, {"users": 0.3, "services": 0.3}])
def test_jointly_known_cells_are_jointly_asked(tmp_path, cold):
    """Of two parameters with holes of their own, also where newcomers are asked."""
    rng = np.random.default_rng(0)
    rows = ["user,service,rt,tp"]
    for u in range(20):
        for s in range(30):
            rows.append(f"{u},{s},{'' if rng.random() < 0.3 else 1},{'' if rng.random() < 0.3 else 2}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    data = {"kind": "table", "file": str(tmp_path / "t.csv"), "parameters": ["rt", "tp"]}
    fields = {"data": data, "density": 0.3, "joint": True} | ({"cold": cold} if cold else {})
    found = task(PredictionScenario.model_validate(fields))
    assert found.test.any()
    np.testing.assert_array_equal(found.test[0], found.test[1])


@settings(max_examples=30, deadline=None)
@given(
    density=st.floats(0.1, 0.8),
    joint=st.booleans(),
    users=st.sampled_from([0.0, 0.2]),
    services=st.sampled_from([0.0, 0.3]),
    replication=st.integers(0, 5),
)
def test_nothing_is_learned_and_asked(density, joint, users, services, replication):
    cold = {"cold": {"users": users, "services": services}} if users or services else {}
    found = task(world(density=density, joint=joint, **cold), replication)
    assert not (learned(found) & found.test).any()
    assert np.isfinite(found.truth[found.test]).all()
    np.testing.assert_array_equal(found.known.values[learned(found)], found.truth[learned(found)])


def test_folds_ask_every_cell_once_per_deal():
    scenario = world(folds=4)
    asked = [task(scenario, replication).test for replication in range(8)]
    for deal in (asked[:4], asked[4:]):
        assert (np.sum(deal, axis=0) == 1).all()
    assert not np.array_equal(asked[0], asked[4])
    assert (learned(task(scenario)) == ~asked[0]).all()


def test_the_folds_of_a_round_are_of_one_planted_world():
    scenario = world(folds=4)
    truth = [task(scenario, replication).truth for replication in range(8)]
    for one in (truth[:4], truth[4:]):
        assert all(np.array_equal(table, one[0]) for table in one)
    assert not np.array_equal(truth[0], truth[4])


def test_the_folds_of_a_round_have_the_same_newcomers():
    scenario = world(folds=4, cold={"users": 0.2, "services": 0.1})
    new = [[side.tolist() for side in task(scenario, number).known.cold] for number in range(8)]
    for one in (new[:4], new[4:]):
        assert all(sides == one[0] for sides in one)
    assert new[0] != new[4]


def test_folds_ask_every_cell_of_newcomers_once_per_deal():
    tasks = [task(world(folds=4, cold={"users": 0.2}), number) for number in range(4)]
    asked = np.sum([one.test for one in tasks], axis=0)
    new = tasks[0].known.cold[0]
    assert (asked[:, new] == 1).all()
    assert not asked[:, ~new].any()


def test_without_folds_every_replication_has_a_world_and_newcomers_of_its_own():
    first, second = (task(world(density=0.3, cold={"users": 0.2}), number) for number in (0, 1))
    assert not np.array_equal(first.truth, second.truth)
    assert not np.array_equal(first.known.cold[0], second.known.cold[0])


def test_parameters_apart_know_different_cells():
    found = task(world(joint=False, density=0.25))
    cells = learned(found)
    assert cells.sum(axis=(1, 2)).tolist() == [150, 150]
    assert (cells[0] != cells[1]).any()


@pytest.mark.parametrize(
    ("users", "services", "new"), [(0.2, 0.0, (4, 0)), (0.0, 0.1, (0, 3)), (0.2, 0.1, (4, 3))]
)
def test_of_new_ones_nothing_is_known(users, services, new):
    found = task(world(cold={"users": users, "services": services}, density=0.5))
    known, asked = learned(found)[0], found.test[0]
    bare = ((~known.any(axis=1)).sum(), (~known.any(axis=0)).sum())
    assert bare == new
    expected = {(4, 0): 4 * 30, (0, 3): 20 * 3, (4, 3): 4 * 3}[new]
    assert asked.sum() == expected
    assert not known[asked].any()
    assert not (known.any(axis=1)[:, None] & known.any(axis=0) & asked).any()


def test_outliers_are_learned_and_not_judged():
    plain, judged = (task(world(density=0.3, outliers=share)) for share in (0.0, 0.1))
    np.testing.assert_array_equal(plain.known.values, judged.known.values)
    dropped = plain.test & ~judged.test
    assert dropped.sum() == pytest.approx(0.1 * plain.test.sum(), rel=0.3)
    spread = [np.abs(np.log(plain.truth[mask])).mean() for mask in (dropped, judged.test)]
    assert spread[0] > 2 * spread[1]


def test_the_strangest_values_are_the_far_ones():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    values = np.random.default_rng(0).normal(10, 1, (1, 20, 50))
    values[0, 3, :10] = 100.0 * 2.0 ** np.arange(10)
    mask = ordinary(values, 0.01)
    assert (~mask).sum() == 10
    assert not mask[0, 3, :10].any()


def test_values_that_are_equally_strange_are_judged_alike():
    """Next to the only one that is far off comes a third of all: none of these is stranger than the others."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    values = np.random.default_rng(0).integers(1, 4, (1, 20, 50)).astype(float)
    values[0, 7, 11] = 30.0
    mask = ordinary(values, 0.1)
    assert np.argwhere(~mask).tolist() == [[0, 7, 11]]
    assert ordinary(np.ones((1, 4, 5)), 0.1).all()


def test_a_timeout_is_no_measurement():
    plain = task(world(density=0.1))
    limit = float(np.quantile(plain.truth[0], 0.8))
    found = task(world(density=0.1, timeouts={"q0": limit}))
    assert np.nanmax(found.truth[0]) < limit
    assert np.isfinite(found.truth[0]).mean() == pytest.approx(0.8, abs=0.01)
    assert not found.test[:, ~np.isfinite(found.truth[0])].any()
    with pytest.raises(BadInput, match="no parameter 'rt'; it has q0, q1"):
        task(world(timeouts={"rt": 20.0}))


def test_splits_without_cells_to_learn_from_or_to_ask_are_refused(tmp_path):
    """Throughput was measured by the first user alone, who is new in some replications and known in the others."""
    tp = np.full((4, 5), np.nan)
    tp[0] = 1.0
    np.savez(tmp_path / "t.npz", rt=np.ones((4, 5)), tp=tp)
    raw = {
        "data": {"kind": "dataset", "name": "x/t.npz"},
        "density": 0.2,
        "joint": False,
        "cold": {"users": 0.25},
    }
    scenario = PredictionScenario.model_validate(raw)
    messages = set()
    for replication in range(12):
        with pytest.raises(BadInput, match="the split leaves no cell of 'tp'") as caught:
            make_task(scenario, Seed(replication=replication), Context(dataset=lambda _: tmp_path / "t.npz"))
        messages.add(str(caught.value).split("'tp' ")[1])
    assert messages == {"to learn from", "to ask"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folds": 1}, "one fold leaves nothing to learn from"),
        ({"folds": 4, "density": 0.2}, "density and folds exclude each other"),
        ({"cold": {}}, "name a share of users, of services, or both"),
        ({"outliers": 0.2}, "less than or equal to 0.1"),
    ],
)
def test_protocols_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        world(**fields)


def test_a_density_of_less_than_a_cell_is_called_that():
    """Not that too few were measured; with the density that it names there is a cell."""
    with pytest.raises(BadInput, match=r"0\.0001 of 20 x 30 cells is less than one") as caught:
        task(world(density=1e-4))
    problem = caught.value.problems[0]
    assert "measured" not in str(caught.value)
    assert problem.field == "scenario.density"
    least = float(problem.hint.removeprefix("one cell is "))
    assert learned(task(world(density=least))).sum() == 2


def test_more_folds_than_cells_are_refused():
    with pytest.raises(BadInput, match="9 folds need as many measured cells, but there are 4"):
        task(world({"users": 2, "services": 2}, folds=9))


def test_planted_places_explain_what_they_should():
    """Without factors and noise all values of a pair of networks are equal, and their logarithms have the variance."""
    data = Planted(kind="planted", users=400, services=600, countries=8, place=0.5, signal=0.0, noise=0.0)
    found = plant(data, np.random.default_rng(0))
    here, there = found.user_context["as"], found.service_context["as"]
    one = np.log(found.values[0][here == here[0]][:, there == there[0]])
    assert np.ptp(one) < 1e-12
    assert (found.user_context["country"] == here // 3).all()
    # Variance of 24 x 24 cells of networks and 8 x 8 of countries: relative error sqrt(2/64) / 2 + ..., within 4 sd.
    assert np.log(found.values).std() == pytest.approx(0.5, rel=0.25)


def test_planted_tails_are_heavy():
    """Excess kurtosis of t with 5 degrees of freedom is 6, of a Gaussian 0; 120,000 draws."""
    from scipy.stats import kurtosis

    data = {"kind": "planted", "users": 200, "services": 300, "signal": 0.0}
    heavy, plain = (
        kurtosis(np.log(plant(Planted(**data, tail=tail), np.random.default_rng(1)).values), axis=None)
        for tail in (5, 0)
    )
    assert heavy > 1.5
    assert abs(plain) < 0.1


@pytest.mark.parametrize("parameters", [2, 7, 16])
def test_planted_worlds_have_as_many_parameters_as_asked(parameters):
    found = task(world({"parameters": parameters, "countries": 3, "tail": 3.0}))
    assert found.truth.shape == (parameters, 20, 30)
    assert np.isfinite(found.truth).all()


def test_context_reaches_the_method():
    """New services in a world of places alone: a method that sees them beats the mean by far."""
    pytest.importorskip("torch", reason="needs the extra 'learn'")
    data = {
        "users": 40,
        "services": 90,
        "parameters": 1,
        "countries": 1,
        "place": 1.0,
        "signal": 0.0,
        "noise": 0.1,
    }
    scenario = world(data, density=0.5, cold={"services": 0.3})
    method = LDCF(factors=4, layers=2, batch=128, learning_rate=0.02, epochs=20)
    errors = [next(run(scenario, m, [Seed()], Context())).metrics["nmae"] for m in (method, ItemMean())]
    assert errors[0] < 0.7 * errors[1]
