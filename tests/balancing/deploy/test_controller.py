"""The controller against servers whose capacities are known."""

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.deploy.rehearsal import rehearse
from qoslab.domains.balancing.scenario import BalancingScenario


def seen(k, rates, complete=True):
    n, t = len(rates), 0.5 * k
    busy = np.full(n, t)
    return Observation(t, np.ones(n), np.array(rates) * t, busy, busy, np.ones(n, bool), complete)


@pytest.mark.parametrize("policy", ["ours", "littles_law", "ewma"])
def test_weights_go_to_the_capacities_within_their_limits(policy):
    controller = Controller(np.ones(2), policy)
    before = controller.weights
    for k in range(400):
        weights = controller.decide(seen(k, [10.0, 40.0]))
        assert np.abs(np.log(weights / before)).max() <= np.log(1.25) + 1e-12
        before = weights
    assert before[1] / before[0] == pytest.approx(4.0, rel=0.07)


def test_a_blind_controller_goes_back_to_equal_weights():
    controller = Controller(np.ones(2))
    for k in range(200):
        controller.decide(seen(k, [10.0, 40.0]))
    for k in range(200, 400):
        weights = controller.decide(seen(k, [10.0, 40.0], complete=False))
    assert controller.uncertain
    assert weights[1] / weights[0] == pytest.approx(1.0, rel=0.07)


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
