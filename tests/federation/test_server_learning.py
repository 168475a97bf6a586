"""Server learning on top of every method: weight zero changes nothing, whatever the variant, schedule or server."""

import numpy as np
import pytest
from tests.federation.worlds import course, models, world

from qoslab.core.registry import registry
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.server_learning import ServerLearning

BASES = ("fedavg", "fedavg_momentum", "fedprox", "scaffold", "feddyn", "median", "trimmed_mean", "krum")
VARIANTS = ("incremental", "simultaneous")


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("base", BASES)
def test_weight_zero_is_the_method_below_bit_for_bit(base, variant, schedule):
    below = registry.method("federation", base).cls()
    found = ServerLearning(on=base, gamma=0.0, variant=variant, schedule=schedule)
    assert models(world(), found) == models(world(), below)
    some = ServerLearning(on=base, gamma=0.3, variant=variant, schedule=schedule)
    assert models(world(), some) != models(world(), below)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weight_zero_is_fedavg_also_where_the_servers_own_steps_explode(variant):
    wild = world(server={"reserve": 30, "samples": 30, "steps": 3, "batch": 8, "rate": 1e200})
    _, steps = course(wild, ServerLearning(gamma=0.0, variant=variant))
    assert len(steps) == wild.rounds
    assert models(wild, ServerLearning(gamma=0.0, variant=variant)) == models(wild, FedAvg())
    assert len(course(wild, ServerLearning(variant=variant))[1]) < wild.rounds


@pytest.mark.parametrize("gamma", [0.0, 1e-300, 0.05, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("last", [0.0, 0.1, 2.0])
def test_weights_of_a_half_cosine_never_rise_nor_turn_negative(gamma, last):
    method = ServerLearning(gamma=gamma, schedule="cosine", gamma_last=last)
    weights = np.array([method.weight(t, 50) for t in range(50)])
    assert (np.diff(weights) <= 0).all()
    assert (weights >= 0).all()
    assert weights[0] == gamma
    assert weights[-1] == pytest.approx(min(gamma, last), rel=1e-12)
