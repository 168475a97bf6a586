"""Every policy on one server, and where all servers fail: runs end, and their figures are true."""

from __future__ import annotations

import math

import pytest
from desk import POLICIES, make
from test_twins import SMALL

from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.metrics import outcome
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario

ALL_FAIL = {
    "servers": {"count": 3},
    "failures": {"lose": True, "detection_s": 2.0},
    "changes": [{"at_s": 6.0, "servers": [0, 1, 2], "action": "fail"}],
}
ONE = {"servers": {"count": 1}, "network": {}, "balancers": 2}


def told(name, fields):
    """Counters and metrics of a short run."""
    scenario = BalancingScenario.model_validate(
        {"load": 0.5, "requests": 24, "warmup": {"fraction": 0.0}} | fields
    )
    policy = make(name, **registry.method("balancing", name).example | SMALL.get(name, {}))
    simulation = Simulation(scenario, policy, Seed(1, "nobody"), plain=True)
    simulation.finish()
    got = outcome(scenario, simulation.world, keep_series=False)
    assert all(math.isfinite(value) for value in got.metrics.values())
    return got.counters, got.metrics


@pytest.mark.parametrize("name", POLICIES)
def test_what_comes_when_all_servers_have_failed_is_lost(name):
    counters, metrics = told(name, ALL_FAIL)
    assert counters["offered"] == counters["finished"] + counters["lost"] == 24
    assert counters["finished"] > 0
    assert metrics["lost_share"] == counters["lost"] / 24 > 0.25
    assert 0.0 < metrics["utilisation"] <= 1.0


@pytest.mark.full
@pytest.mark.parametrize("name", POLICIES)
def test_one_server_gets_everything(name):
    counters, metrics = told(name, ONE)
    assert counters["finished"] == 24
    assert metrics["lost_share"] == metrics["share_spread"] == 0.0
