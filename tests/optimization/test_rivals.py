"""Rival methods against CVXPY's optimum, against methods they must equal, and where they fail."""

import numpy as np
import pytest

from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.asymptotics import Asymptotics, predicted_rate
from qoslab.domains.optimization.instances import a1, ring, work
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.metrics import measured_rate
from qoslab.domains.optimization.problems.distance import Distance, geometric_median
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.proximal import minimise_with
from qoslab.domains.optimization.problems.smooth import Huber, Logistic, Quadratic
from qoslab.domains.optimization.scenario import example
from qoslab.domains.optimization.task import own_of, task_of
from qoslab.graphs.random_graphs import k_in


def quadratics(n=7):
    i = np.arange(n)
    return Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)]))


def logistics(n, seed=3):
    rng = np.random.default_rng(seed)
    features = np.concatenate([rng.standard_normal((n, 5, 2)), np.ones((n, 5, 1))], axis=2)
    labels = np.where(rng.random((n, 5)) < 0.5, -1.0, 1.0)
    return Logistic(None, features, labels, np.full(n, 0.5 / n))


def cvxpy_optimum(costs):
    """Of the logistic problem as its docstring states it."""
    cp = pytest.importorskip("cvxpy")
    n, samples, p = costs.features.shape
    x = cp.Variable(p)
    margin = cp.multiply(costs.labels.ravel(), costs.features.reshape(n * samples, p) @ x)
    cost = cp.sum(cp.logistic(-margin)) + 0.5 * costs.ridge.sum() * cp.sum_squares(x)
    cp.Problem(cp.Minimize(cost)).solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12)
    return x.value


def states(task, method, count):
    own = own_of(task, example(), Seed(), method.decision)
    return list(rounds(method, own, Wire(method.message(own), task.weights), count))


def test_dextra_reaches_the_optimum_that_cvxpy_finds():
    costs = logistics(8)
    trace = work(task_of(k_in(8, 2, np.random.default_rng(1)), costs), Dextra(), 6000, Context())
    assert np.abs(trace.x - cvxpy_optimum(costs)).max() < 1e-6
    assert trace.errors[-1] < 1e-10


def test_dextra_is_extra_where_weights_are_doubly_stochastic():
    """On a ring, uniform weights are Metropolis weights, and y stays 1."""
    task = task_of(ring(7), quadratics())
    one = states(task, Dextra(0.2, inertia=0.5), 40)
    other = states(task, Extra(0.2), 40)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left["x"], right["x"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("step", "inertia"), [(0.1, 0.1), (0.5, 0.5)])
def test_dextra_falls_as_fast_as_its_iteration_says(step, inertia):
    """[[I + B - s Q / (n v), -(t I + (1 - t) B) + s Q / (n v)], [I, 0]] on (u, u')."""
    task = a1()
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    b, eye = near.column, np.eye(near.n)
    bent = step * near.curvature / (near.n * near.right)[None, :]
    mixed = inertia * eye + (1 - inertia) * b
    values = np.linalg.eigvals(np.block([[eye + b - bent, bent - mixed], [eye, np.zeros_like(b)]]))
    rest = np.abs(values[np.argsort(np.abs(values - 1.0))[1:]]).max()
    trace = work(task, Dextra(step, inertia), 3000, Context())
    assert trace.errors[-1] < 1e-11
    assert measured_rate(trace.errors) == pytest.approx(rest, abs=0.01)


def test_dextra_needs_a_step_that_is_large_enough():
    """With t = 1/2 the iteration has an eigenvalue above 1 for small steps on A1; a smaller t lets them through."""
    assert work(a1(), Dextra(0.2, inertia=0.5), 3000, Context()).diverged
    assert work(a1(), Dextra(0.5, inertia=0.5), 3000, Context()).errors[-1] < 1e-11
    assert work(a1(), Dextra(0.2, inertia=0.1), 3000, Context()).errors[-1] < 1e-11


def test_admm_reaches_the_optimum_that_cvxpy_finds():
    costs = logistics(8)
    trace = work(task_of(ring(8), costs), Admm(), 1500, Context())
    assert np.abs(trace.x - cvxpy_optimum(costs)).max() < 1e-6
    assert trace.errors[-1] < 1e-10


@pytest.mark.parametrize("penalty", [0.0, 0.05, 5.0])
def test_admm_falls_as_fast_as_its_iteration_says(penalty):
    task = task_of(ring(7), quadratics())
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    trace = work(task, Admm(penalty), 2000, Context())
    assert trace.errors[-1] < 1e-10
    assert measured_rate(trace.errors) == pytest.approx(predicted_rate(Admm(penalty), near), abs=0.01)


def test_admm_keeps_the_sum_of_its_multipliers():
    for state in states(task_of(ring(7), quadratics()), Admm(), 50):
        np.testing.assert_allclose(state["a"].sum(axis=0), 0.0, atol=1e-12)


def test_admm_reaches_a_median_without_smoothness():
    i = np.arange(7.0)
    task = task_of(ring(7), Median(None, 1.0 + i / 10, np.column_stack([i**2, -i])))
    assert work(task, Admm(0.1), 3000, Context()).errors[-1] < 1e-8


def test_admm_meets_at_the_geometric_median():
    """Where its default cost, `rendezvous`, stood refused: straight walks, positions drawn in the square."""
    costs = Distance(None, np.linspace(0.5, 2.0, 7), np.random.default_rng(4).uniform(0.0, 1.0, (7, 2)))
    task = task_of(ring(7), costs)
    trace = work(task, Admm(), 3000, Context(), start="own")
    np.testing.assert_allclose(trace.x, np.tile(geometric_median(costs), (7, 1)), atol=1e-8)


def test_who_stands_where_its_weight_holds_it_stays_there():
    """At p_i the pull -l - r p_i of length 5 moves no weight of 5 or more."""
    point, linear = np.zeros((2, 2)), np.tile([3.0, 4.0], (2, 1))
    costs = Distance(None, np.array([5.0, 4.0]), point)
    np.testing.assert_allclose(
        minimise_with(costs, linear, 2.0, point), [[0.0, 0.0], [-0.3, -0.4]], atol=1e-15
    )


@pytest.mark.parametrize(
    "costs",
    [
        quadratics(5),
        logistics(5),
        Median(None, np.linspace(0.5, 1.5, 5), np.random.default_rng(0).standard_normal((5, 3))),
        # Weights from "walk away" to "stay": the pull at p_i is some 4 in length.
        Distance(
            None, np.array([0.5, 2.0, 4.0, 6.0, 60.0]), np.random.default_rng(0).standard_normal((5, 3))
        ),
        Huber(
            None,
            np.random.default_rng(1).standard_normal((5, 4, 3)),
            10 * np.random.default_rng(2).standard_normal((5, 4)),
            np.full(5, 0.01),
            1.0,
        ),
    ],
    ids=lambda costs: type(costs).__name__,
)
def test_own_minimisations_beat_every_point_nearby(costs):
    """The objective is strongly convex: a point that no small move improves is its minimiser."""
    rng, shape = np.random.default_rng(7), (5, costs.dimension)
    linear, weight = 3 * rng.standard_normal(shape), 0.7

    def merit(x):
        return costs.value(x) + (linear * x).sum(axis=1) + 0.5 * weight * (x**2).sum(axis=1)

    best = minimise_with(costs, linear, weight, np.zeros(shape))
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(50):
            away = rng.standard_normal(shape)
            assert (merit(best + size * away) >= merit(best)).all()
    alone = minimise_with(costs.rows([3]), linear[3:4], weight, np.zeros((1, shape[1])))
    np.testing.assert_allclose(alone[0], best[3], rtol=1e-12, atol=1e-12)


def test_admm_refuses_noise_that_it_would_not_notice():
    task = task_of(ring(7), quadratics())
    with pytest.raises(BadInput, match=r"admm minimises .* takes no noisy measurements"):
        work(task, Admm(), 10, Context(), noise=0.1)
