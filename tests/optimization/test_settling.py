"""The step up to which the penalty method settles, against runs on both sides of it."""

import numpy as np
import pytest

from qoslab.agents.rounds import Wire
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.instances import c1, d1
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.multipliers import penalised
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.settling import largest_step, settling_rate
from qoslab.domains.optimization.task import own_of

CASES = [
    (c1, {"penalty": 5.0}),
    (c1, {"penalty": 20.0, "pause": 4}),
    (d1, {"penalty": 100.0}),
    (d1, {"penalty": 100.0, "scaling": "curvature", "pause": 3, "lag": 2.0}),
]


def apart(make, method, count):
    """Distance from x_r after each round, from a start close by with estimates that agree."""
    task = make()
    coupled, target = task.coupled, penalised(task.coupled, method.penalty).x
    own = own_of(task, example(), Seed(), "own")
    wire = Wire(method.message(own), task.weights)
    x = coupled.project(target + 1e-7 * np.cos(np.arange(target.size)).reshape(target.shape))
    state = {"x": x, "e": np.tile(coupled.constraint(x).mean(axis=0), (task.n, 1))}
    found = []
    for k in range(count):
        state = method.hear(state, wire.exchange(method.say(state, own), k), own, k)
        found.append(np.linalg.norm(state["x"] - target))
    return np.array(found)


@pytest.mark.parametrize(("make", "settings"), CASES, ids=["c1", "c1-pause", "d1", "d1-scaled"])
def test_runs_settle_below_the_limit_and_not_above(make, settings):
    limit = largest_step(PenaltyConsensus(**settings), make())
    below = apart(make, PenaltyConsensus(step=0.9 * limit, power=0.0, **settings), 4000)
    above = apart(make, PenaltyConsensus(step=1.1 * limit, power=0.0, **settings), 4000)
    assert below[-400:].max() < 0.5 * below[:400].max()
    assert above[-400:].max() > 1000.0 * above[0]


def test_the_distance_falls_as_fast_as_predicted():
    method = PenaltyConsensus(penalty=5.0, step=0.005, power=0.0)
    distance = apart(c1, method, 800)
    rate = settling_rate(method, c1(), 0.005)
    assert (distance[700] / distance[400]) ** (1 / 300) == pytest.approx(rate, abs=1e-3)
    assert rate < 1


def test_a_step_that_never_settles_is_refused_before_the_run():
    world = OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "star", "leaves": 3}},
            "problem": {"kind": "qos"},
            "start": 0.4,
            "rounds": 200,
        }
    )
    wild = PenaltyConsensus(penalty=400.0, step=4e-3)
    with pytest.raises(
        BadInput, match=r"the step size 0.004, .* is past the stability limit .* would never settle"
    ):
        next(iter(run(world, wild, [Seed()], Context())))
    watched = world.model_copy(update={"unstable": "run"})
    assert np.isfinite(next(iter(run(watched, wild, [Seed()], Context()))).metrics["error"])
