"""Delay budgets that share a service rate: projections and answers by optimality conditions, optima by CVXPY."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.instances import d1
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.static_budgets import StaticBudgets
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.oracle import central_cost
from qoslab.domains.optimization.problems.capacity import Bowl, Capacity, _every
from qoslab.domains.optimization.problems.coupled import Dual, PowerLaw, Quadratics
from qoslab.domains.optimization.problems.multipliers import penalised, solve_coupled
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.settling import largest_step, settling_rate
from qoslab.domains.optimization.tables import QosTable
from qoslab.domains.optimization.task import make_task, own_of, task_of
from qoslab.engine.kernel import interpreted


def test_compiled_and_plain_decide_alike():
    for seed in range(5):
        capacity, bowl, low, high = drawn(seed)
        found, plain = capacity.least(bowl, low, high), (np.empty(low.shape), np.empty(len(low)))
        interpreted(_every)(bowl, capacity.weight, capacity.spare, low, high, *plain)
        np.testing.assert_array_equal(found.x, plain[0])
        np.testing.assert_array_equal(found.toll, plain[1])


def drawn(seed, rows=5, d=3):
    """A capacity, boxes and a bowl whose numbers span many orders of magnitude."""
    rng = np.random.default_rng(seed)
    weight = 10 ** rng.uniform(-2, 2, (rows, d)) * (rng.random((rows, d)) < 0.8)
    low, high = np.full((rows, d), 0.05), np.full((rows, d), 3.0)
    least, most = (weight / high).sum(axis=1), (weight / low).sum(axis=1)
    capacity = Capacity(weight, least + rng.random(rows) * (most - least) + 1e-9)
    q = 10 ** rng.uniform(-3, 3, (rows, d)) * (rng.random((rows, d)) < 0.7)
    b = rng.normal(0.0, 10 ** rng.uniform(-2, 4), (rows, d))
    a = 10 ** rng.uniform(-2, 2, (rows, d)) * (rng.random((rows, d)) < 0.7)
    return capacity, Bowl(q, np.where(q > 0, b, np.abs(b)), a), low, high


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_the_least_of_a_bowl_satisfies_the_conditions_of_optimality(seed):
    """Stationary inside boxes, signs at their ends, a multiplier only where the capacity is used up: it is convex."""
    capacity, (q, b, a), low, high = drawn(seed)
    x, toll = capacity.least(Bowl(q, b, a), low, high)
    bound, used = toll[:, None] * capacity.weight, capacity.used(x) / capacity.spare
    slope = q * x + b - (a + bound) / x**2
    size = q * x + np.abs(b) + (a + bound) / x**2 + 1e-300
    inward = np.where(x <= low, np.minimum(slope, 0), np.where(x >= high, np.maximum(slope, 0), slope))
    assert np.abs(inward / size).max() < 1e-12
    assert used.max() < 1 + 1e-12
    assert (toll >= 0).all()
    assert np.abs(used - 1)[toll > 0].max(initial=0.0) < 1e-12


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_an_agent_alone_decides_what_it_decides_among_others(seed):
    capacity, bowl, low, high = drawn(seed)
    together, _ = capacity.least(bowl, low, high)
    for i in range(len(low)):
        at = slice(i, i + 1)
        alone, _ = capacity.rows(at).least(Bowl(*(one[at] for one in bowl)), low[at], high[at])
        np.testing.assert_array_equal(alone[0], together[i])


def within(seed=0, cores=1, **rates):
    table = QosTable.model_validate({"kind": "qos", "cores": cores, "capacity": rates})
    return make_problem(table, cores + 3, np.random.default_rng(seed))


def test_a_projection_is_nearest_and_stays():
    """Against 40,000 points of the set by brute force, and in another metric."""
    problem = within(core=3.0).rows([0])
    grid = np.stack(np.meshgrid(np.linspace(0.05, 3.0, 200), np.linspace(0.05, 3.0, 200)), -1).reshape(
        -1, 1, 2
    )
    inside = grid[(1.0 / grid).sum(axis=2)[:, 0] <= problem.capacity.spare[0]]
    for metric in ([[1.0, 1.0]], [[1.0, 9.0]]):
        away = np.array([[0.1, 0.4]])
        found = problem.project(away, np.array(metric))
        np.testing.assert_allclose(problem.project(found), found, rtol=1e-13)
        best = (np.array(metric) * (inside - away) ** 2).sum(axis=(1, 2)).min()
        mine = (np.array(metric) * (found - away) ** 2).sum()
        assert best * 0.98 < mine <= best


@pytest.mark.parametrize("own", ["power", "quadratic"])
def test_answers_to_prices_are_cheapest(own):
    problem = within(core=3.0, access=2.0)
    if own == "quadratic":
        problem = replace(problem, own=Quadratics(problem.own.weight, np.full(problem.low.shape, 0.5)))
    price = np.random.default_rng(1).uniform(0.0, 40.0, problem.offset.shape)
    best = problem.respond(price)

    def cost(x):
        return problem.own.value(x).sum(axis=1) + (price * problem.constraint(x)).sum(axis=1)

    rng = np.random.default_rng(2)
    for size in (1e-3, 0.1):
        for _ in range(60):
            other = problem.project(best + size * rng.standard_normal(best.shape))
            assert (cost(other) >= cost(best) - 1e-12).all()
    assert (problem.capacity.used(best) > problem.capacity.spare * (1 - 1e-12)).sum() >= 2


def test_the_duals_second_derivatives_are_those_of_its_gradients():
    problem = within(core=3.0, access=2.2)
    dual = Dual(None, problem)
    price = np.random.default_rng(3).uniform(1.0, 20.0, problem.offset.shape)
    assert (problem.answer(price).toll > 0).any()
    bent, width = dual.hessian(price), 1e-5
    for j in range(dual.dimension):
        up, down = price.copy(), price.copy()
        up[:, j] += width
        down[:, j] -= width
        slope = (dual.gradient(up) - dual.gradient(down)) / (2 * width)
        np.testing.assert_allclose(bent[:, :, j], slope, atol=1e-7)
    assert (np.linalg.norm(bent, 2, axis=(1, 2)) <= dual.smoothness() * (1 + 1e-12)).all()


def test_one_path_by_hand():
    """Core of capacity 4, load 1: it needs x >= 1 / 3 of a goal of 1; alone it would take 0.2 of it (k 1 and 16)."""
    made = {"kind": "qos", "goals": [1.0], "core": [1.0], "access": [[16.0]]}
    free = make_problem(QosTable.model_validate(made), 2, np.random.default_rng(0))
    np.testing.assert_allclose(solve_coupled(free).x.ravel(), [0.2, 0.8], rtol=1e-8)
    table = QosTable.model_validate(made | {"capacity": {"core": 4.0, "load": [1.0]}})
    found = solve_coupled(make_problem(table, 2, np.random.default_rng(0)))
    np.testing.assert_allclose(found.x.ravel(), [1 / 3, 2 / 3], rtol=1e-8)
    np.testing.assert_allclose(found.prices, 16.0 * 9 / 4, rtol=1e-6)
    # The core's slope: -1 / x^2 + price = toll / x^2.
    np.testing.assert_allclose(found.tolls, [36.0 / 9 - 1, 0.0], rtol=1e-6)


def test_units_of_the_goals_are_of_no_account():
    made = {"kind": "qos", "goals": [1.0, 2.0], "capacity": {"core": 5.0, "load": [0.1, 0.2]}}
    plain = solve_coupled(make_problem(QosTable.model_validate(made), 4, np.random.default_rng(0)))
    made |= {"goals": [10.0, 20.0], "box": [0.5, 30.0], "scale": 10.0}
    made["capacity"] = {"core": 0.5, "load": [0.01, 0.02]}
    scaled = solve_coupled(make_problem(QosTable.model_validate(made), 4, np.random.default_rng(0)))
    assert plain.tolls[0] > 0
    np.testing.assert_allclose(scaled.x, plain.x, rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_optimal_costs_are_cvxpys(seed):
    pytest.importorskip("cvxpy")
    problem = within(seed, cores=1 + seed % 2, core=3.6, access=2.6)
    found = solve_coupled(problem)
    assert (found.tolls > 0).any()
    assert problem.violation(found.x) < 1e-9
    assert found.cost == pytest.approx(central_cost(problem), rel=1e-8)


def test_the_penalty_approximation_is_cvxpys():
    cp = pytest.importorskip("cvxpy")
    problem, penalty = within(core=3.2), 100.0
    found = penalised(problem, penalty)
    x = cp.Variable(problem.low.shape)
    over = sum(problem.share[i] @ x[i] for i in range(4)) - problem.offset.sum(axis=0)
    cost = cp.sum(cp.multiply(problem.own.weight, cp.inv_pos(x))) + penalty / 2 * cp.sum_squares(cp.pos(over))
    limits = [x >= problem.low, x <= problem.high, cp.sum(cp.inv_pos(x[0])) <= problem.capacity.spare[0]]
    cp.Problem(cp.Minimize(cost), limits).solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert found.tolls[0] > 0
    np.testing.assert_allclose(found.x, x.value, atol=2e-5)


CASES = [{}, {"scaling": "curvature", "pause": 3, "lag": 2.0}]


def tight():
    """D1 with a core that can serve no more than 3: it is used up at the penalty approximation."""
    problem = d1().coupled
    weight = np.zeros(problem.low.shape)
    weight[0] = 1.0
    spare = np.array([3.0, np.inf, np.inf, np.inf])
    return task_of(d1().weights.network, replace(problem, capacity=Capacity(weight, spare)))


def apart(task, method, count):
    """Distance from x_r after each round, from a start close by with estimates that agree."""
    coupled, target = task.coupled, penalised(task.coupled, method.penalty).x
    own = own_of(task, example(), Seed(), "own")
    wire = Wire(method.message(own), task.weights)
    x = coupled.project(target + 1e-6 * np.cos(np.arange(target.size)).reshape(target.shape))
    state = {"x": x, "e": np.tile(coupled.constraint(x).mean(axis=0), (task.n, 1))}
    found = []
    for k in range(count):
        state = method.hear(state, wire.exchange(method.say(state, own), k), own, k)
        found.append(np.linalg.norm(state["x"] - target))
    return np.array(found)


@pytest.mark.parametrize("changes", CASES, ids=["plain", "scaled"])
def test_runs_settle_below_the_limit_and_not_above(changes):
    task, base = tight(), {"penalty": 100.0, "power": 0.0} | changes
    assert penalised(task.coupled, 100.0).tolls[0] > 0
    limit = largest_step(PenaltyConsensus(**base), task).step
    below = apart(task, PenaltyConsensus(step=0.9 * limit, **base), 3000)
    above = apart(task, PenaltyConsensus(step=1.1 * limit, **base), 3000)
    assert below[-300:].max() < 0.5 * below[:300].max()
    assert above[-300:].max() > 1000.0 * above[0]


def test_the_distance_falls_as_fast_as_predicted():
    task, method = tight(), PenaltyConsensus(penalty=100.0, step=4e-4, power=0.0)
    distance = apart(task, method, 900)
    rate = settling_rate(method, task, 4e-4)
    assert (distance[800] / distance[400]) ** (1 / 400) == pytest.approx(rate, abs=1e-3)
    assert rate < 0.999


def scenario(capacity, rounds=4000, **problem):
    return OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "star", "leaves": 3}},
            "problem": {"kind": "qos", "core": [8.0, 12.0], "capacity": capacity} | problem,
            "start": 0.4,
            "rounds": rounds,
            "tolerance": 0.1,
        }
    )


def test_negotiated_budgets_keep_the_capacity_and_reach_the_penalty_approximation():
    world = scenario({"core": 3.0})
    task = make_task(world, Seed(), Context())
    method = PenaltyConsensus(penalty=100.0, scaling="curvature", pause=5, lag=2.0, decay=1e9)
    own = own_of(task, world, Seed(), "own")
    target = penalised(task.coupled, 100.0)
    assert target.tolls[0] > 0
    for state in rounds(method, own, Wire(method.message(own), task.weights), 4000):
        assert task.coupled.capacity.overload(state["x"]) < 1e-12
    np.testing.assert_allclose(state["x"], target.x, atol=1e-6)


def test_prices_find_the_optimum_within_capacities():
    problem = replace(tight().coupled, equality=True)
    task = task_of(tight().weights.network, problem)
    own = own_of(task, example(), Seed(), "shared")
    method = Admm(penalty=0.01)
    *_, last = rounds(method, own, Wire(method.message(own), task.weights), 400)
    answer = problem.answer(last["x"])
    assert answer.toll[0] > 0.1
    np.testing.assert_allclose(answer.x, task.decisions, atol=1e-6)


def nearest_by_hand():
    """The first entry of the nearest point to (0.5, 1) on 1 / x1 + 1 / x2 = 2.5, by bisection along the curve."""
    low, high = 0.5, 2.0
    while high - low > 1e-13:
        x = 0.5 * (low + high)
        y = 1 / (2.5 - 1 / x)
        # The distance's slope along the curve, on which dy / dx = -(y / x)^2.
        slope = (x - 0.5) - (y - 1.0) * (y / x) ** 2
        low, high = (low, x) if slope > 0 else (x, high)
    return low


def test_a_core_that_loses_capacity_is_negotiated_around_and_breaks_fixed_budgets():
    """Before the change equal halves keep all goals; with half of its rate the core cannot keep its part."""
    turn = {"round": 2500, "factor": 1.0, "capacity_factor": 0.5}
    world = scenario({"core": 5.0}, 5000, degraded=turn)
    method = PenaltyConsensus(penalty=1000.0, scaling="curvature", pause=10, lag=2.0, decay=2e4)
    moved, fixed = (
        next(iter(run(world, one, [Seed()], Context()))).metrics for one in (method, StaticBudgets())
    )
    assert 0 < moved["rounds_to_renegotiate"] < 2500
    assert moved["infeasibility"] < 0.05
    # (0.5, 1) is out of reach at 1 / x1 + 1 / x2 <= 2.5; the nearest within it is the point below.
    assert fixed["infeasibility"] == pytest.approx(nearest_by_hand() - 0.5, abs=1e-9)
    still = scenario({"core": 5.0}, 100)
    assert next(iter(run(still, StaticBudgets(), [Seed()], Context()))).metrics["infeasibility"] == 0


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({"core": 0.5}, "core 0 serves 0.5; its load of 0 and its largest budgets need 0.666667"),
        ({"access": 1.0, "load": [0.2, 0.4]}, "access network 0 serves 1; its load of 0.6"),
        ({"core": 1.5}, "boxes and capacities satisfy the shared constraints"),
    ],
)
def test_capacities_that_nobody_can_live_with_are_refused(rates, words):
    with pytest.raises(BadInput, match=words):
        solve_coupled(within(**rates))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"capacity": {"load": [1.0]}},
            "capacity.load needs one rate of 0 or more for each of the 2 classes",
        ),
        ({"degraded": {"round": 5, "capacity_factor": 0.5}}, "there is no service rate to lose"),
    ],
)
def test_tables_that_say_nothing_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        QosTable.model_validate({"kind": "qos"} | changes)


def test_a_power_law_answers_alike_with_capacity_to_spare():
    plain = within(core=1e9)
    free = replace(plain, capacity=None)
    price = np.random.default_rng(1).uniform(0.0, 40.0, plain.offset.shape)
    assert isinstance(plain.own, PowerLaw)
    np.testing.assert_allclose(plain.respond(price), free.respond(price), rtol=1e-14)
