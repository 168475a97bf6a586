"""The step up to which the penalty method settles, against runs on both sides of it."""

import numpy as np
import pytest
from scipy.linalg import block_diag

from qoslab.agents.rounds import Wire
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization import settling
from qoslab.domains.optimization.instances import c1, d1
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.multipliers import penalised
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.settling import Settling, largest_step, settling_rate
from qoslab.domains.optimization.task import make_task, own_of

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
    limit = largest_step(PenaltyConsensus(**settings), make()).step
    below = apart(make, PenaltyConsensus(step=0.9 * limit, power=0.0, **settings), 4000)
    above = apart(make, PenaltyConsensus(step=1.1 * limit, power=0.0, **settings), 4000)
    assert below[-400:].max() < 0.5 * below[:400].max()
    assert above[-400:].max() > 1000.0 * above[0]


def large_d(**problem):
    """D on a random network: 4 cores and 20 access networks, so 40 numbers in the estimate of each agent."""
    world = {
        "network": {
            "generate": {"model": "erdos_renyi", "nodes": 24, "mean_degree": 6.0},
            "connected": "strongly",
        },
        "problem": {"kind": "qos", "cores": 4} | problem,
        "start": 0.4,
        "rounds": 200,
    }
    return OptimizationScenario.model_validate(world)


QUEUES = {"capacity": {"core": 7.0, "access": 5.0, "load": [0.3, 0.5]}}


@pytest.mark.full
@pytest.mark.parametrize("problem", [{}, QUEUES], ids=["power", "queues"])
def test_past_400_numbers_arnoldi_finds_the_limit_of_all_eigenvalues(problem, monkeypatch):
    """24 agents remember 1,008 numbers: a limit of their dense matrix beside the one that the iteration tells."""
    task = make_task(large_d(**problem), Seed(), Context())
    method = PenaltyConsensus(penalty=100.0)
    near = Settling.at(method, task)
    assert near.size == 24 * 42
    assert bool((near.near.tolls > 0).any()) == bool(problem)
    about = near.limit(1e-4)
    assert not about.exact
    monkeypatch.setattr(settling, "_DENSE", 2000)
    assert near.rate(1.02 * about.step) > 1.0 + 1e-4
    assert near.rate(0.98 * about.step) <= 1.0


@pytest.mark.parametrize(
    "problem", [{}, pytest.param(QUEUES, marks=pytest.mark.full)], ids=["power", "queues"]
)
def test_a_step_past_the_limit_is_refused_past_400_numbers_too(problem):
    world = large_d(**problem)
    with pytest.raises(BadInput, match=r"is past the stability limit of about .* would never settle"):
        next(iter(run(world, PenaltyConsensus(penalty=100.0, step=1.0), [Seed()], Context())))
    assert (
        next(iter(run(world, PenaltyConsensus(penalty=100.0), [Seed()], Context()))).metrics["diverged"] == 0
    )


def test_a_round_by_hand_is_the_matrix_of_blocks():
    """[[J (M - s H), -s J R], [G (J (M - s H) - I), W - s G J R]] on (x, e), but for starts that no run has."""
    task, method, step = d1(), PenaltyConsensus(penalty=100.0), 1e-4
    coupled, near = task.coupled, Settling.at(method, task)
    n, m, d = coupled.share.shape
    x = near.near.x
    give = block_diag(*coupled.give(x, 0.0 * near.near.tolls, near.metric))
    kept = give @ np.diag((near.metric - step * coupled.own.curvature(x)).ravel())
    share = block_diag(*coupled.share)
    moved = -step * give @ (100.0 * n * share.T * np.tile(near.active, n)[None, :])
    mixing = np.kron(task.weights.doubly.toarray(), np.eye(m))
    matrix = np.block([[kept, moved], [share @ (kept - np.eye(n * d)), mixing + share @ moved]])
    start = np.random.default_rng(0).standard_normal(n * d)
    estimates = (share @ start).reshape(n, m)
    begun = np.concatenate([start, np.tile(estimates.mean(axis=0), n)])
    ours = near.round(begun, step, coupled.give(x, step * near.near.tolls, near.metric))
    np.testing.assert_allclose(ours, matrix @ begun, atol=1e-12)


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
