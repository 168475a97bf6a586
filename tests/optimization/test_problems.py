"""Costs against finite differences, projections and central solutions against independent solvers."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy.optimize import minimize

from qoslab.core.errors import BadInput
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.instances import c1, d1
from qoslab.domains.optimization.problems.coupled import Dual
from qoslab.domains.optimization.problems.multipliers import penalised, solve_coupled
from qoslab.domains.optimization.problems.sets import HalfSpaces
from qoslab.domains.optimization.problems.solve import solve
from qoslab.domains.optimization.tables import (
    DispatchTable,
    HuberTable,
    LogisticTable,
    MedianTable,
    ProblemTable,
    QosTable,
    QuadraticTable,
    SetTable,
)

SHARED = [
    QuadraticTable(kind="quadratic", dimension=3),
    LogisticTable(kind="logistic"),
    HuberTable(kind="huber"),
]
COUPLED = [
    DispatchTable(kind="dispatch"),
    DispatchTable(kind="dispatch", balance="at most"),
    QosTable(kind="qos"),
]


def problem(table, n=6, seed=0):
    return make_problem(table, n, np.random.default_rng(seed))


def differences(function, x, width=1e-6):
    columns = []
    for p in range(x.shape[1]):
        shift = np.zeros_like(x)
        shift[:, p] = width
        columns.append((function(x + shift) - function(x - shift)) / (2 * width))
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("table", SHARED, ids=lambda table: table.kind)
def test_gradients_and_hessians_are_differences(table):
    costs = problem(table)
    x = np.random.default_rng(1).standard_normal((6, costs.dimension))
    np.testing.assert_allclose(costs.gradient(x), differences(costs.value, x), atol=1e-6)
    np.testing.assert_allclose(costs.hessian(x), differences(costs.gradient, x), atol=1e-5)
    largest = np.linalg.eigvalsh(costs.hessian(x))[:, -1]
    assert (largest <= costs.smoothness() * (1 + 1e-12)).all()


@pytest.mark.parametrize("table", SHARED, ids=lambda table: table.kind)
def test_newton_finds_what_bfgs_finds(table):
    costs = problem(table)
    found = minimize(lambda x: costs.total(x[None])[0], np.zeros(costs.dimension), options={"gtol": 1e-7})
    np.testing.assert_allclose(solve(costs), found.x, atol=1e-5)
    slope = costs.gradient(np.tile(solve(costs), (6, 1))).sum(axis=0)
    assert np.abs(slope).max() < 1e-10


@pytest.mark.parametrize("table", COUPLED, ids=lambda table: table.kind)
def test_the_dual_is_a_dual(table):
    """Weak duality at any prices, no gap at the optimal ones, and its gradient is a difference."""
    coupled = problem(table, 5)
    dual, best = Dual(None, coupled), solve_coupled(coupled)
    prices = np.random.default_rng(2).uniform(0.5, 3.0, dual.dimension)
    assert -dual.total(prices[None])[0] <= best.cost + 1e-9
    assert -dual.total(best.prices[None])[0] == pytest.approx(best.cost, rel=1e-8)
    spread = np.tile(prices, (5, 1))
    np.testing.assert_allclose(dual.gradient(spread), differences(dual.value, spread), atol=1e-5)


@pytest.mark.parametrize("table", COUPLED, ids=lambda table: table.kind)
def test_the_optimum_is_what_slsqp_finds(table):
    coupled = problem(table, 4)
    best = solve_coupled(coupled)
    shape = coupled.low.shape

    def room(x):
        return -coupled.constraint(x.reshape(shape)).sum(axis=0)

    found = minimize(
        lambda x: coupled.own.value(x.reshape(shape)).sum(),
        np.clip(np.full(coupled.low.size, 0.4), coupled.low.ravel(), coupled.high.ravel()),
        bounds=list(zip(coupled.low.ravel(), coupled.high.ravel(), strict=True)),
        constraints={"type": "eq" if coupled.equality else "ineq", "fun": room},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert best.cost == pytest.approx(found.fun, rel=1e-6)
    assert coupled.violation(best.x) < 1e-8


def test_penalties_frame_the_optimum():
    """f* - |price|^2 / (2 r) <= F_r* <= f*, and r [g]_+ tends to the price."""
    for task in (c1(), d1()):
        prices = task.optimum
        gaps = []
        for penalty in (1e3, 1e4, 1e5):
            found = penalised(task.coupled, penalty)
            value = found.cost + (found.prices**2).sum() / (2 * penalty)
            assert task.cost - (prices**2).sum() / (2 * penalty) - 1e-9 <= value <= task.cost + 1e-9
            gaps.append(np.abs(found.prices - prices).max())
        assert gaps[0] > 5 * gaps[1] > 25 * gaps[2]


def test_projections_are_nearest_points():
    rng = np.random.default_rng(4)
    normals = rng.standard_normal((5, 3))
    sets = HalfSpaces(normals / np.linalg.norm(normals, axis=1)[:, None], rng.standard_normal(5))
    x = 3 * rng.standard_normal((5, 3))
    nearest = sets.project(x)
    inside = np.array([(sets.normals[i] @ nearest[i]) <= sets.offsets[i] + 1e-12 for i in range(5)])
    assert inside.all()
    for i in range(5):
        others = x[i] + rng.standard_normal((500, 3)) * 2
        others = others[others @ sets.normals[i] <= sets.offsets[i]]
        assert (np.linalg.norm(others - x[i], axis=1) >= np.linalg.norm(nearest[i] - x[i]) - 1e-12).all()


def test_empty_sets_name_the_agents():
    sets = SetTable(normals=((1.0,), (-1.0,), (1.0,)), offsets=(0.0, -1.0, 9.0))
    with pytest.raises(BadInput, match="agents 0, 1 exclude each other"):
        solve(problem(MedianTable(kind="median", dimension=1, sets=sets), 3))


def test_a_demand_that_boxes_cannot_meet_is_refused():
    with pytest.raises(BadInput, match="feasible set is empty"):
        solve_coupled(problem(DispatchTable(kind="dispatch", demand=6.0)))


def test_lists_must_fit_the_network():
    with pytest.raises(BadInput, match=r"scenario.problem.curvatures: needs numbers of shape \(6,\)"):
        problem(QuadraticTable(kind="quadratic", curvatures=(1.0, 2.0)))


def test_scale_makes_budgets_dimensionless():
    """Goals and boxes ten times as large, divided by ten: the same problem."""
    plain = solve_coupled(problem(QosTable(kind="qos"), 4))
    large = QosTable(kind="qos", goals=(10.0, 20.0), box=(0.5, 30.0), scale=10.0)
    np.testing.assert_allclose(solve_coupled(problem(large, 4)).x, plain.x, atol=1e-9)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (
            {"kind": "quadratic", "curvatures": [1.0, 0.0]},
            "curvatures must be positive: entry 1 is 0",
        ),
        (
            {"kind": "quadratic", "curvature": [-1.0, 2.0]},
            "curvature must be positive: entry 0 is -1",
        ),
        ({"kind": "quadratic", "curvature": [2.0, 1.0]}, "curvature must be a range from low to high"),
        (
            {"kind": "dispatch", "curvatures": [0.0, 1.0]},
            "curvatures must be positive: entry 0 is 0",
        ),
        ({"kind": "dispatch", "curvatures": [1.0, -2.5]}, r"entry 1 is -2\.5"),
        ({"kind": "dispatch", "wishes": [3.0, 1.0]}, "wishes must be a range .* and is 3 to 1"),
        ({"kind": "dispatch", "box": [5.0, 0.0]}, "box must be a range .* and is 5 to 0"),
        ({"kind": "dispatch", "box": [1.0, 1.0]}, "least and most are both 1"),
        ({"kind": "median", "weights": [1.0, -1.0]}, "weights must be positive: entry 1 is -1"),
        ({"kind": "rendezvous", "weights": [0.0]}, "weights must be positive: entry 0 is 0"),
        ({"kind": "qos", "core": [-1.0, 2.0]}, "core must be positive: entry 0 is -1"),
        ({"kind": "qos", "core": [1.0, 0.0]}, "core must be positive: entry 1 is 0"),
        (
            {"kind": "qos", "access": [[1.0, 1.0], [2.0, 0.0]]},
            "access, network 1, must be positive: entry 1 is 0",
        ),
    ],
    ids=str,
)
def test_costs_that_are_not_convex_are_refused_by_their_table(table, words):
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(ProblemTable).validate_python(table)
