"""Costs from a user's file, rendezvous, and dual decomposition, which asks the most of costs."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.asymptotics import Asymptotics, predicted_rate, stability_limit
from qoslab.domains.optimization.instances import c1, d1, ring, work
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.metrics import measured_rate
from qoslab.domains.optimization.model import prepare, run
from qoslab.domains.optimization.problems.distance import Distance, geometric_median
from qoslab.domains.optimization.problems.smooth import Huber, Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import task_of

QUADRATIC = """
import numpy as np

def data(agent, n, rng):
    return {"q": 0.5 + agent / n, "c": np.array([np.cos(agent), np.sin(2.0 * agent)])}

def cost(x, data):
    return 0.5 * data["q"] * ((x - data["c"]) ** 2).sum()

def gradient(x, data):
    return data["q"] * (x - data["c"])
"""

TORCH = """
import torch

def data(agent, n, rng):
    return {"q": 0.5 + agent / n, "c": torch.tensor([1.0 * agent, 2.0], dtype=torch.float64)}

def cost(x, data):
    return torch.log(torch.cosh(data["q"] * (x - data["c"]))).sum() + 0.1 * (x**2).sum()
"""

BY_HAND = """
import numpy as np

def data(agent, n, rng):
    return 0.5 + agent / n, np.array([1.0 * agent, 2.0])

def cost(x, data):
    q, c = data
    return np.log(np.cosh(q * (x - c))).sum() + 0.1 * (x**2).sum()

def gradient(x, data):
    q, c = data
    return q * np.tanh(q * (x - c)) + 0.2 * x
"""

COST = "def cost(x, d): return 0.0\n"


def world(tmp_path, text, dimension=2, network=None, **changes):
    file = tmp_path / "cost.py"
    file.write_text(text)
    problem = {"kind": "file", "file": str(file), "dimension": dimension} | changes.pop("problem", {})
    base = {
        "network": network or {"generate": {"model": "ring", "nodes": 6}},
        "problem": problem,
        "rounds": 400,
    }
    return OptimizationScenario.model_validate(base | changes)


def outcome(scenario, method):
    return next(iter(run(scenario, method, [Seed()], Context()))).metrics


@pytest.mark.parametrize(
    "method", [Extra(), RowStochasticTracking(0.02), PushPull()], ids=lambda m: type(m).__name__
)
def test_costs_from_a_file_are_worked_on_like_built_in_ones(tmp_path, method):
    """The default step of row-stochastic tracking goes by each agent's own constant, and a file gives one for all."""
    i = np.arange(6)
    curvatures, targets = 0.5 + i / 6, np.column_stack([np.cos(i), np.sin(2.0 * i)])
    table = {
        "kind": "quadratic",
        "dimension": 2,
        "curvatures": curvatures.tolist(),
        "targets": targets.tolist(),
    }
    base = {"network": {"generate": {"model": "ring", "nodes": 6}}, "problem": table, "rounds": 400}
    built_in = outcome(OptimizationScenario.model_validate(base), method)
    own = outcome(world(tmp_path, QUADRATIC, problem={"smoothness": float(curvatures.max())}), method)
    assert own.keys() == built_in.keys()
    for name, value in built_in.items():
        assert own[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_torch_differentiates_what_the_hand_would(tmp_path):
    pytest.importorskip("torch")
    torch = outcome(world(tmp_path, TORCH, problem={"gradient": "torch"}), Extra())
    hand = outcome(world(tmp_path, BY_HAND), Extra())
    assert torch["error"] < 1e-3
    for name, value in hand.items():
        assert torch[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        (COST, {}, r"no function gradient\(x, data\)"),
        ("1 / 0", {}, "the file fails: ZeroDivisionError"),
        (
            "def cost(x, d): return d['k']\ndef gradient(x, d): return d['k']",
            {},
            r"agent 0: gradient\(x, data\) failed at x = \[0.0, 0.0\]: TypeError",
        ),
        (
            "def cost(x, d): return 0.0\ndef gradient(x, d): return x[:1]",
            {},
            r"agent 0: gradient\(x, data\) at x = \[0.0, 0.0\] gave \[0.0\], not 2 finite numbers",
        ),
        (QUADRATIC, {"optimum": [1.0]}, "needs 2 numbers"),
        (
            "def data(agent, n, rng): return rng.nothing\n" + BY_HAND.split("\n\n", 2)[2],
            {},
            r"agent 0: data\(agent, n, rng\) failed: AttributeError",
        ),
    ],
)
def test_a_file_that_will_not_do_is_told_what_is_wrong(tmp_path, text, changes, words):
    with pytest.raises(BadInput, match=words):
        outcome(world(tmp_path, text, problem=changes), Extra())


def test_processes_execute_the_file_themselves(tmp_path):
    network = {"generate": {"model": "ring", "nodes": 3}}
    arrays = outcome(world(tmp_path, QUADRATIC, network=network, rounds=60), Extra())
    local = outcome(world(tmp_path, QUADRATIC, network=network, rounds=60, agents="local"), Extra())
    assert local["error"] == pytest.approx(arrays["error"], rel=1e-9)


def scattered(n=9, seed=5):
    rng = np.random.default_rng(seed)
    return Distance(None, rng.uniform(0.5, 2.0, n), rng.uniform(0.0, 1.0, (n, 2)))


def test_the_geometric_median_is_that_of_cvxpy():
    cp = pytest.importorskip("cvxpy")
    for seed in range(4):
        costs = scattered(seed=seed)
        x = cp.Variable(2)
        total = sum(w * cp.norm(x - p) for w, p in zip(costs.weight, costs.point, strict=True))
        cp.Problem(cp.Minimize(total)).solve(solver=cp.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13)
        ours = geometric_median(costs)
        np.testing.assert_allclose(ours, x.value, atol=1e-5)  # flat near the minimum
        assert costs.total(ours[None])[0] <= costs.total(x.value[None])[0] + 1e-12


def test_a_point_that_outweighs_the_others_is_the_meeting_point():
    costs = Distance(None, np.array([5.0, 1.0, 1.0]), np.array([[0.3, 0.4], [1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(geometric_median(costs), [0.3, 0.4])


def test_agents_meet():
    task = task_of(ring(9), scattered())
    trace = work(task, ProjectedSubgradient(step=0.02), 20_000, Context(), start="own")
    assert np.abs(trace.x - task.optimum).max() < 0.01
    base = {"network": {"generate": {"model": "ring", "nodes": 7}}, "rounds": 3000, "start": "own"}
    fuel = base | {"problem": {"kind": "rendezvous", "cost": "fuel"}}
    assert outcome(OptimizationScenario.model_validate(fuel), Extra())["error"] < 1e-9


def quadratics(n=7):
    i = np.arange(n)
    return Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)]))


def test_dual_decomposition_falls_as_fast_as_its_iteration_says():
    task = task_of(ring(7), quadratics())
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    trace = work(task, DualDecomposition(), 3000, Context())
    assert trace.errors[-1] < 1e-12
    assert measured_rate(trace.errors) == pytest.approx(predicted_rate(DualDecomposition(), near), rel=1e-3)


def test_dual_decomposition_is_stable_up_to_twice_the_curvature_over_the_largest_eigenvalue():
    """Alike costs: a+ = (1 - c l / q) a in every mode of I - W."""
    costs = Quadratic(None, np.full(7, 0.8), np.arange(7.0)[:, None])
    task = task_of(ring(7), costs)
    largest = np.linalg.eigvalsh(np.eye(7) - task.weights.doubly.toarray())[-1]
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    assert stability_limit(DualDecomposition(), near) == pytest.approx(2 * 0.8 / largest, rel=1e-5)
    with pytest.raises(BadInput, match=r"step size .* is past the stability limit"):
        prepare(DualDecomposition(2.1 * 0.8 / largest), task, refuse=True)
    assert work(task, DualDecomposition(1.9 * 0.8 / largest), 2000, Context()).errors[-1] < 1e-10


def test_dual_decomposition_minimises_other_smooth_costs():
    rng = np.random.default_rng(0)
    costs = Huber(None, rng.standard_normal((7, 4, 2)), rng.standard_normal((7, 4)), np.full(7, 0.3), 1.0)
    task = task_of(ring(7), costs)
    assert work(task, DualDecomposition(0.3), 4000, Context()).errors[-1] < 1e-9


@pytest.mark.parametrize("problem", [{"kind": "median"}, {"kind": "rendezvous"}], ids=str)
def test_dual_decomposition_refuses_costs_without_an_inner_minimum(problem):
    base = {"network": {"generate": {"model": "ring", "nodes": 5}}, "problem": problem, "rounds": 10}
    with pytest.raises(
        BadInput, match="dual_decomposition needs strongly convex costs, and agent 0's is not"
    ):
        outcome(OptimizationScenario.model_validate(base), DualDecomposition())


def test_dual_decomposition_finds_the_prices_of_shared_constraints():
    """C1's price, 1.808641794, and D1's budgets; what is left falls with the step, about in proportion."""
    method = DualDecomposition(step=0.1, decay=10.0, power=0.6)
    early, late = (
        np.abs(work(c1(), method, count, Context()).x - 1.808641794).max() for count in (1000, 16_000)
    )
    assert late < 0.01
    assert early / late == pytest.approx((16_000 / 1000) ** 0.6, rel=0.2)
    trace = work(d1(), DualDecomposition(step=1.0, power=0.6), 10_000, Context())
    assert np.abs(d1().coupled.respond(trace.x) - d1().decisions).max() < 0.02


def test_dual_decomposition_takes_no_noise():
    with pytest.raises(BadInput, match=r"dual_decomposition minimises .* takes no noisy measurements"):
        work(task_of(ring(7), quadratics()), DualDecomposition(), 5, Context(), noise=0.1)
