"""Metrics against cases worked by hand, and the reference instance's inequalities."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation import metrics
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.theory import digits_instance, verify
from qoslab.domains.federation.training import _drift


def test_jain():
    assert metrics.jain(np.array([0.5, 0.5])) == 1.0
    assert metrics.jain(np.array([1.0, 0.0, 0.0, 0.0])) == 0.25
    assert metrics.jain(np.zeros(3)) == 1.0


def test_rounds_to_a_target():
    course = np.array([0.1, 0.9, 0.8, 0.9])
    assert metrics.rounds_to(course, 0.85) == 2
    assert metrics.rounds_to(course, 0.1) == 1
    assert metrics.rounds_to(course, 0.95) is None


def test_drift_of_worked_cases():
    assert _drift(np.array([[1.0, 0.0], [1.0, 0.0]])) == 0.0
    assert _drift(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 1.0
    assert _drift(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan(_drift(np.ones((1, 2))))


def test_traffic_counts_models_and_updates():
    # 4 features, 4 hidden, 3 classes: 35 parameters; 5 rounds of 4 models down and 4 updates up, 4 bytes each
    scenario = FederationScenario.model_validate(example().model_dump() | {"faults": {}})
    (outcome,) = run(scenario, FedAvg(), [Seed()], Context())
    assert outcome.metrics["traffic_mb"] == pytest.approx(5 * 8 * 35 * 4 / 1e6)


def test_who_drops_out_sends_nothing():
    scenario = FederationScenario.model_validate(example().model_dump() | {"faults": {"dropout": 1.0}})
    (outcome,) = run(scenario, FedAvg(), [Seed()], Context())
    assert outcome.metrics["traffic_mb"] == pytest.approx(5 * 4 * 35 * 4 / 1e6)
    assert outcome.counters["answers"] == 0


def test_verify_passes():
    pytest.importorskip("sklearn")
    checks = list(verify(quick=True, context=Context()))
    assert len(checks) == 3
    assert [check.name for check in checks if check.status != "pass"] == []


def test_server_learning_reaches_the_target_sooner():
    pytest.importorskip("sklearn")
    scenario = digits_instance(0.1)
    seeds = [Seed(replication=k) for k in range(3)]
    reached = {
        type(one): np.median([o.metrics["rounds_to_target"] for o in run(scenario, one, seeds, Context())])
        for one in (FedAvg(), ServerLearning())
    }
    assert reached[ServerLearning] < 0.75 * reached[FedAvg]


@pytest.mark.full
def test_full_verify_passes():
    pytest.importorskip("sklearn")
    assert all(check.status == "pass" for check in verify(quick=False, context=Context()))
