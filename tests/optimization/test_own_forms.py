"""A user's costs with sets, and of the agents' own decisions under a shared constraint, against built-in ones."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.static_budgets import StaticBudgets
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.multipliers import solve_coupled
from qoslab.domains.optimization.scenario import OptimizationScenario

Q, R = [0.6, 1.0, 1.4, 0.8, 2.0], [1.0, 3.0, 2.0, 2.5, 1.5]

QUADRATIC = f"""
import numpy as np

def data(agent, n, rng):
    return {Q}[agent], {R}[agent]

def cost(x, data):
    q, r = data
    return 0.5 * q * ((x - r) ** 2).sum()

def gradient(x, data):
    q, r = data
    return q * (x - r)
"""

COSH = f"""
import math

def data(agent, n, rng):
    return {R}[agent]

def cost(x, r):
    return math.cosh(x[0] - r)

def gradient(x, r):
    return [math.sinh(x[0] - r)]
"""


def world(problem, **changes):
    base = {"network": {"generate": {"model": "ring", "nodes": 5}}, "problem": problem, "rounds": 60}
    return OptimizationScenario.model_validate(base | changes)


def metrics(problem, method, **changes):
    [outcome] = run(world(problem, **changes), method, [Seed()], Context())
    return outcome.metrics


def written(tmp_path, text):
    file = tmp_path / "cost.py"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("balance", ["equal", "at most"])
@pytest.mark.parametrize(
    "method",
    [
        PenaltyConsensus(),
        PenaltyConsensus(scaling="curvature"),
        PenaltyConsensus(measure="zeroth"),
        DualDecomposition(),
        Admm(),
        StaticBudgets(),
    ],
    ids=lambda method: type(method).__name__,
)
def test_own_costs_under_a_shared_constraint_are_worked_on_like_built_in_ones(tmp_path, method, balance):
    if balance == "at most" and isinstance(method, Admm):
        method = Dgd()  # ADMM keeps to no prices that have a sign.
    demand = 1.2 if balance == "at most" else 2.2
    table = {"kind": "dispatch", "balance": balance, "demand": demand, "box": [0.0, 4.0]}
    count = 12 if isinstance(method, Admm) else 60
    built_in = metrics(table | {"curvatures": Q, "targets": R}, method, rounds=count)
    own = metrics(table | {"file": written(tmp_path, QUADRATIC), "convexity": min(Q)}, method, rounds=count)
    assert own.keys() == built_in.keys()
    for name, value in built_in.items():
        assert own[name] == pytest.approx(value, rel=1e-5, abs=1e-8), name


@pytest.mark.parametrize("gradient", ["given", "torch"])
def test_other_costs_end_where_their_multiplier_says(tmp_path, gradient):
    """sinh(x_i - r_i) = l for all: everybody is moved by the same, (n demand - sum r) / n."""
    text = COSH
    if gradient == "torch":
        pytest.importorskip("torch")
        text = COSH.replace("import math", "import torch").replace(
            "math.cosh(x[0] - r)", "torch.cosh(x[0] - r)"
        )
    file = written(tmp_path, text)
    table = {"kind": "dispatch", "file": file, "gradient": gradient, "convexity": 1.0, "demand": 2.6}
    problem = make_problem(world(table).problem, 5, np.random.default_rng(0))
    moved = 2.6 - np.mean(R)
    found = solve_coupled(problem)
    np.testing.assert_allclose(found.x[:, 0], np.array(R) + moved, atol=1e-9)
    assert found.prices[0] == pytest.approx(-np.sinh(moved), rel=1e-6)
    if gradient == "given":
        assert metrics(table, Admm(), rounds=30)["error"] < 0.03 * abs(moved)


def test_answers_to_prices_are_the_least_in_the_box(tmp_path):
    file = written(tmp_path, COSH)
    table = world({"kind": "dispatch", "file": file, "convexity": 1.0, "box": [0.5, 3.5]}).problem
    problem = make_problem(table, 5, np.random.default_rng(0))
    prices = np.array([-5.0, -0.3, 0.0, 0.8, 40.0])[:, None]
    best = problem.respond(prices)
    np.testing.assert_allclose(
        best[:, 0], np.clip(np.array(R) - np.arcsinh(prices[:, 0]), 0.5, 3.5), atol=1e-12
    )
    np.testing.assert_array_equal(problem.rows([3]).respond(prices[3:4])[0], best[3])


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (
            PenaltyConsensus(step=0.01),
            r"round [1-9]\d*, agent 2: gradient\(x, data\) at x = \[0\.\d+\] gave \[nan\]",
        ),
        (
            DualDecomposition(step=0.05),
            r"(round|after) [1-9]\d*.*, agent 2: gradient\(x, data\) at x = \[0\.\d+\]",
        ),
    ],
    ids=["penalty_consensus", "dual_decomposition"],
)
def test_a_fault_in_mid_run_is_told_with_round_and_agent(tmp_path, method, words):
    """Agent 2 fails between 0.3 and 0.6 alone, which neither the start, 0, nor the optimum shows."""
    text = QUADRATIC.replace(
        "    return q * (x - r)", "    return q * (x - r) if not 0.3 < x[0] < 0.6 or r != 2.0 else x * np.nan"
    )
    table = {"kind": "dispatch", "file": written(tmp_path, text), "convexity": min(Q), "box": [0.0, 4.0]}
    start = 0.0 if isinstance(method, PenaltyConsensus) else 2.4
    with pytest.raises(BadInput) as refusal:
        metrics(table, method, start=start, rounds=300)
    assert re.search(words, str(refusal.value)), refusal.value
    assert "cost.py: scenario.problem.file:" in str(refusal.value)


def test_a_convexity_that_the_box_belies_is_refused(tmp_path):
    table = {"kind": "dispatch", "file": written(tmp_path, QUADRATIC), "convexity": 0.7}
    with pytest.raises(BadInput, match=r"agent 0: over the box, 0 to 5, the gradient rises by 0\.6 a unit"):
        metrics(table, PenaltyConsensus())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"convexity": None}, "costs from a file need convexity"),
        ({"curvatures": Q}, "curvatures and targets have no use beside costs from a file"),
        ({"file": None}, "convexity and gradient are for costs from a file"),
    ],
    ids=["convexity", "curvatures", "file"],
)
def test_tables_say_what_a_file_needs(tmp_path, changes, words):
    table = {"kind": "dispatch", "file": written(tmp_path, QUADRATIC), "convexity": 0.5}
    with pytest.raises(ValidationError, match=words):
        world(table | changes)


def test_own_costs_from_a_file_have_no_formula_for_a_solver(tmp_path):
    table = {"kind": "dispatch", "file": written(tmp_path, QUADRATIC), "convexity": 0.5}
    with pytest.raises(ValidationError, match="costs from a file have none"):
        world(table, oracle="cvxpy")


SETS = {"normals": [[1.0], [-1.0], [1.0], [-1.0], [1.0]], "offsets": [1.2, 0.0, 5.0, -0.5, 3.0]}
"""x in [0.5, 1.2]; the sum of QUADRATIC is least at 1.9 without them."""


@pytest.mark.parametrize("method", [ProjectedSubgradient(), Dgd()], ids=lambda method: type(method).__name__)
def test_costs_from_a_file_take_sets(tmp_path, method):
    built_in = metrics(
        {"kind": "quadratic", "curvatures": Q, "targets": [[r] for r in R], "sets": SETS}, method, rounds=200
    )
    own = metrics(
        {"kind": "file", "file": written(tmp_path, QUADRATIC), "smoothness": max(Q), "sets": SETS},
        method,
        rounds=200,
    )
    assert own["cost_optimal"] == pytest.approx(
        sum(q * (1.2 - r) ** 2 / 2 for q, r in zip(Q, R, strict=True))
    )
    assert own.keys() == built_in.keys()
    for name, value in built_in.items():
        assert own[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


def test_an_optimum_in_sets_is_held_to_them(tmp_path):
    table = {"kind": "file", "file": written(tmp_path, QUADRATIC), "sets": SETS}
    assert metrics(table | {"optimum": [1.2]}, Dgd(), rounds=2)["diverged"] == 0
    with pytest.raises(BadInput, match=r"\[1\.9\] is no optimum: it is 0\.7 outside some agent's set"):
        metrics(table | {"optimum": [1.9]}, Dgd())
    with pytest.raises(BadInput, match=r"\[1\.0\] is no optimum: .* at \[1\.[12]\d*\] the costs sum to"):
        metrics(table | {"optimum": [1.0]}, Dgd())


@pytest.mark.full
def test_processes_of_their_own_find_own_decisions_alike(tmp_path):
    table = {"kind": "dispatch", "file": written(tmp_path, QUADRATIC), "convexity": min(Q)}
    arrays, local = (metrics(table, PenaltyConsensus(), agents=how, rounds=40) for how in ("arrays", "local"))
    assert local["error"] == pytest.approx(arrays["error"], rel=1e-9)
