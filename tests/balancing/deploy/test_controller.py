"""The controller against servers whose capacities are known."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.deploy.rehearsal import rehearse, rehearse_command
from qoslab.domains.balancing.scenario import BalancingScenario


def seen(k, rates, complete=True):
    n, t = len(rates), 0.5 * k
    busy = np.full(n, t)
    return Observation(t, np.ones(n), np.array(rates) * t, busy, busy, np.ones(n, bool), complete)


@pytest.mark.parametrize(
    ("policy", "slack"), [("ours", 0.15), ("two_memories", 0.07), ("littles_law", 0.07), ("ewma", 0.07)]
)
def test_weights_go_to_the_capacities_within_their_limits(policy, slack):
    """Two servers with one request in flight at all times."""
    controller = Controller(np.ones(2), policy)
    before = controller.weights
    for k in range(400):
        weights = controller.decide(seen(k, [10.0, 40.0]))
        assert np.abs(np.log(weights / before)).max() <= np.log(1.25) + 1e-12
        before = weights
    assert before[1] / before[0] == pytest.approx(4.0, rel=slack)


class Wants:
    """An estimator that wants the same weights at all times."""

    def __init__(self, weights):
        self._weights = np.array(weights, np.float64)

    def update(self, window):
        return self._weights


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ([1.0] * 15 + [16.0], [1.0] * 15 + [16.0]),
        ([10.0] * 15 + [1.0], [10.0] * 15 + [1.0]),
        ([1.0, 4.0, 1e-6], [1.0, 4.0, 0.25]),
        ([1.0, 4.0, 0.0, np.nan], [1.0, 4.0, 0.25, 0.25]),
        ([1.0, 32.0, 64.0], [4.0, 32.0, 64.0]),
    ],
)
def test_only_what_lies_too_far_below_the_largest_weight_is_raised(wanted, got):
    controller = Controller(np.ones(len(wanted)), Wants(wanted))
    for k in range(60):
        weights = controller.decide(seen(k, [10.0] * len(wanted)))
    # The dead band leaves each weight up to 3 % away, so a ratio of two up to 6 %.
    assert weights / weights[0] == pytest.approx(np.array(got) / got[0], rel=0.065)


def test_the_operators_weights_are_held_as_they_are():
    told = np.array([1.0, 1.0, 1.0, 256.0])
    controller = Controller(told, "sed", Limits(spread=2.0))
    for k in range(200):
        weights = controller.decide(seen(k, [10.0] * 4, complete=k < 50))
    assert weights / weights[0] == pytest.approx(told)
    assert not controller.uncertain


@given(
    st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=16),
    st.floats(1.0, 64.0),
)
def test_weights_never_differ_by_more_than_the_spread_once_they_have_moved(wanted, spread):
    controller = Controller(np.ones(len(wanted)), Wants(wanted), Limits(spread=spread, dead_band=0.0))
    for k in range(40):
        weights = controller.decide(seen(k, [10.0] * len(wanted)))
    assert weights.max() / weights.min() <= spread * (1 + 1e-9)
    order = np.argsort(wanted)
    assert (np.diff(weights[order]) >= -1e-12).all()


def test_a_blind_controller_goes_back_to_equal_weights():
    controller = Controller(np.ones(2))
    for k in range(200):
        controller.decide(seen(k, [10.0, 40.0]))
    for k in range(200, 400):
        weights = controller.decide(seen(k, [10.0, 40.0], complete=False))
    assert controller.uncertain
    assert weights[1] / weights[0] == pytest.approx(1.0, rel=0.07)


def test_a_decision_for_64_servers_takes_less_than_10_ms():
    controller, rates, costs = Controller(np.ones(64)), list(np.linspace(5.0, 20.0, 64)), []
    for k in range(100):
        observed = seen(k, rates)
        began = time.process_time()
        controller.decide(observed)
        costs.append(time.process_time() - began)
    assert np.median(costs) < 0.01


def test_bad_input_is_named():
    with pytest.raises(BadInput, match="policy"):
        Controller(np.ones(2), "our")
    with pytest.raises(BadInput, match="step"):
        Controller(np.ones(2), limits=Limits(step=1.0))


def test_steering_beats_equal_weights_in_the_simulator():
    servers = {"count": 4, "cores": [1, 4], "weights": "equal"}
    scenario = BalancingScenario.model_validate({"servers": servers, "load": 0.8, "requests": 20_000})
    got = {
        policy: rehearse(scenario, policy, Seed(0, "tests")).metrics["response_time_mean_s"]
        for policy in ("ours", "sed")
    }
    assert got["ours"] < 0.95 * got["sed"]


def test_a_rehearsal_stands_between_equal_and_right_weights():
    rows = rehearse_command(servers=4, requests=20_000, seeds=2)
    assert [row["weights"] for row in rows] == ["equal weights", "ours", "right weights"]
    equal, ours, right = (row["response_time_p99_s"] for row in rows)
    assert right < equal
    assert ours < 0.9 * equal
    assert ours < 1.25 * right


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("seeds", {"seeds": 0}),
        ("policy", {"policy": "our"}),
        ("speeds", {"speeds": "a"}),
        ("speeds", {"speeds": "0,1"}),
        ("speeds", {"speeds": "1,2,3,4", "servers": 2}),
        ("load", {"load": 3.0}),
        ("requests", {"requests": 0}),
    ],
)
def test_a_rehearsal_names_what_is_wrong(field, options):
    with pytest.raises(BadInput, match=field):
        rehearse_command(**options)
