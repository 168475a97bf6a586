"""Rounds linearised at the optimum of smooth costs, and runs beyond the limit that no linear round tells."""

from collections import deque

import numpy as np
import pytest

from qoslab import Study
from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.asymptotics import Asymptotics, stability_limit
from qoslab.domains.optimization.bent import bent_at
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.stability import growth, largest_stable, linear_round
from qoslab.domains.optimization.task import make_task, own_of
from qoslab.domains.optimization.trace import Trace, spread, unsettled


def world(nodes, kind="logistic", **more):
    table = {
        "network": {"generate": {"model": "ring", "nodes": nodes}},
        "problem": {"kind": kind},
        "rounds": 100,
    }
    return OptimizationScenario.model_validate(table | more)


def known(task):
    return own_of(task, example(), Seed(), "shared")


def outcome(scenario, method):
    return next(iter(run(scenario, method, [Seed()], Context())))


@pytest.mark.parametrize("kind", ["logistic", "huber"])
def test_costs_near_their_optimum_bend_as_they_do_there(kind):
    task = make_task(world(6, kind), Seed(), Context())
    near, there = bent_at(task.costs, task.optimum), np.tile(task.optimum, (6, 1))
    away = 1e-6 * np.random.default_rng(0).standard_normal(there.shape)
    fell = task.costs.gradient(there + away) - task.costs.gradient(there)
    np.testing.assert_allclose(near.gradient(away), fell, atol=1e-4 * np.abs(fell).max())
    np.testing.assert_allclose(near.value(away), 0.5 * (fell * away).sum(axis=1), rtol=1e-3)


@pytest.mark.parametrize(
    "method",
    [Extra(0.1), PushPull(0.05), RowStochasticTracking(0.005), Admm(2.0), DualDecomposition(0.01)],
    ids=str,
)
def test_eigenvalues_are_those_of_the_matrices_written_by_hand(method):
    task = make_task(world(6), Seed(), Context())
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    by_hand = np.linalg.eigvals(method.iteration(near))
    found = linear_round(method, task, known(task))
    assert found.entries == task.costs.dimension > 1
    ours = np.linalg.eigvals(found.matrix())
    assert all(np.abs(ours - value).min() < 1e-6 for value in by_hand[np.abs(by_hand) > 1e-3])
    assert np.abs(ours).max() == pytest.approx(np.abs(by_hand).max(), abs=1e-6)


def test_the_limit_of_all_eigenvalues_agrees_with_the_one_by_hand():
    task = make_task(world(8), Seed(), Context())
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    found = largest_stable(Extra(), task, known(task), 0.1)
    assert found.exact
    assert found.step == pytest.approx(stability_limit(Extra(), near), rel=3e-4)


def test_past_200_numbers_a_step_is_refused_and_its_limit_is_where_runs_rest_no_more():
    """60 agents; steps on both sides of what Arnoldi's iteration tells."""
    with pytest.raises(BadInput, match=r"step size 50 is past the stability limit of about 0.2\d* here"):
        outcome(world(60), Extra(50.0))
    task = make_task(world(60), Seed(), Context())
    own = known(task)
    limit = largest_stable(Extra(), task, own, 0.1)
    assert not limit.exact
    moves = {}
    for share in (0.95, 1.05):
        method = Extra(share * limit.step)
        assert (growth(linear_round(method, task, own)) is None) == (share < 1)
        moves[share] = _last_move(task, own, method)
    assert moves[1.05] > 20.0 * moves[0.95]


def _last_move(task, own, method):
    """How far decisions go in the last of 1,000 rounds: for ever to and fro past the limit, less and less below."""
    wire = Wire(method.message(own), task.weights)
    before, last = deque((state["x"] for state in rounds(method, own, wire, 1000)), maxlen=2)
    return np.linalg.norm(last - before)


def test_a_method_without_a_rate_is_judged_where_it_rests_at_the_optimum():
    task = make_task(world(6), Seed(), Context())
    limit = largest_stable(Dextra(), task, known(task), Dextra().scale(known(task).data))
    below, above = (linear_round(Dextra(share * limit.step), task, known(task)) for share in (0.99, 1.01))
    assert growth(below) < 1.0 + 1e-9 < growth(above)
    with pytest.raises(BadInput, match="here: near the optimum the error would grow by"):
        outcome(world(6), Dextra(1.2 * limit.step))
    # Gradient descent with a constant step rests beside the optimum.
    assert linear_round(Dgd(power=0.0), task, known(task)) is None


@pytest.mark.parametrize(
    "problem", [{"kind": "quadratic", "sets": {}}, {"kind": "huber"}], ids=["sets", "huber"]
)
def test_a_run_that_goes_to_and_fro_far_away_is_marked(problem):
    scenario = world(8, problem=problem)
    wild, tame = (outcome(scenario, Dgd(step, power=0.0)) for step in (50.0, 0.0))
    assert wild.metrics["diverged"] == tame.metrics["diverged"] == 0
    assert wild.metrics["error"] > 10.0
    assert wild.counters["unsettled"] == 1
    assert tame.counters["unsettled"] == 0


@pytest.mark.parametrize("start", [0.0, 50.0])
@pytest.mark.parametrize(("nodes", "rounds"), [(200, 100), (20, 1), (20, 3)])
def test_a_run_that_is_unfinished_is_not_marked(nodes, rounds, start):
    """On the way from 0 to targets of size 1, whose mean is near 0, errors rise first: agents leave for their own."""
    found = outcome(world(nodes, "quadratic", rounds=rounds, start=start), Dgd())
    assert found.metrics["diverged"] == found.counters["unsettled"] == 0


def test_agents_on_both_sides_of_their_optimum_are_not_marked(tmp_path):
    """Targets of -10 and 10: the optimum and the start are 0, the agents' minimisers are not."""
    file = tmp_path / "cost.py"
    file.write_text(
        "def cost(x, d): return 0.5 * float(((x - 10 * (-1) ** d) ** 2).sum())\n"
        "def gradient(x, d): return x - 10 * (-1) ** d\n"
    )
    problem = {"kind": "file", "file": str(file)}
    found = {step: outcome(world(8, problem=problem, rounds=30), Dgd(step)) for step in (0.0, 0.5)}
    assert all(one.metrics["error"] > 0.01 for one in found.values())
    assert all(one.counters["unsettled"] == 0 for one in found.values())


def dispatch(**more):
    """Everybody wishes 10, and all together may have nothing: the optimum is next to 0, where agents start."""
    table = {
        "kind": "dispatch",
        "curvatures": [0.999, 1.001] * 4,
        "targets": [10.0] * 8,
        "demand": 0.0,
        "box": [-1000.0, 1000.0],
    }
    return world(8, problem=table, **more)


@pytest.mark.parametrize(
    "method", [PenaltyConsensus(penalty=0.01), Dgd(1e-3)], ids=["own decisions", "prices"]
)
def test_own_decisions_on_the_way_from_their_wishes_are_not_marked(method):
    found = outcome(dispatch(rounds=20), method)
    assert found.metrics["error"] > 0.5
    assert found.counters["unsettled"] == 0


@pytest.mark.parametrize(
    "method", [PenaltyConsensus(step=500.0, power=0.0), Dgd(5e4, power=0.0)], ids=["own decisions", "prices"]
)
def test_own_decisions_between_the_ends_of_their_boxes_are_marked(method):
    found = outcome(dispatch(unstable="run"), method)
    assert found.metrics["diverged"] == 0
    assert found.metrics["error"] > 100.0
    assert found.counters["unsettled"] == 1


@pytest.mark.parametrize("kind", ["dispatch", "qos"])
def test_the_spread_of_own_decisions_is_the_distance_of_the_least_of_each_agents_own_costs(kind):
    task = make_task(world(6, kind), Seed(), Context())
    coupled, grid = task.coupled, np.linspace(0.0, 1.0, 20001)
    apart = []
    for i in range(6):
        ends = zip(coupled.low[i], coupled.high[i], strict=True)
        points = np.stack([low + (high - low) * grid for low, high in ends], axis=1)
        costs = coupled.rows([i] * len(points)).own.value(points)
        best = points[np.argmin(costs, axis=0), np.arange(points.shape[1])]
        apart.append(((best - task.decisions[i]) ** 2).sum())
    assert spread(coupled, task.decisions) == pytest.approx(np.sqrt(np.mean(apart)), abs=1e-3)


@pytest.mark.parametrize(
    ("errors", "marked"),
    [
        ([0.0, *[20.0] * 8], 1),
        ([0.0, *[9.0] * 8], 0),
        ([3.0, *[20.0] * 8], 0),
        ([1.9, *[20.0] * 8], 1),
    ],
)
def test_far_beyond_start_optimum_and_own_minimisers_is_what_marks_a_run(errors, marked):
    """Targets of -1 and 1: a spread of 1, around an optimum and a start of 0."""
    costs = Quadratic(None, np.ones(2), np.array([[-1.0], [1.0]]))
    trace = Trace(np.zeros((2, 1)), np.array(errors), 0, 0, diverged=False)
    assert unsettled(trace, np.zeros((2, 1)), costs) == bool(marked)


def test_a_verdict_tells_of_runs_that_did_not_settle(tmp_path):
    study = """
[study]
name = "far"
domain = "optimization"
seeds = 2
[scenario]
rounds = 50
[scenario.network.generate]
model = "ring"
nodes = 8
[scenario.problem]
kind = "huber"
[[method]]
id = "dgd"
step = 50.0
power = 0.0
[[method]]
id = "extra"
"""
    (tmp_path / "study.toml").write_text(study)
    results = Study.from_file(tmp_path / "study.toml").run(tmp_path / "out", workers=0, quiet=True)
    told = [line.text for line in results.verdict.of("counted")]
    assert len(told) == 1
    assert told[0].startswith(
        "unsettled is above 0 in 2 of 4 trials (dgd; 2 in all): the run ended more than ten times as far"
    )
