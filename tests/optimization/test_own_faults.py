"""What a user's file gives that is no number, no optimum or no curvature: told with file, moment, agent and value."""

import re

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.scenario import OptimizationScenario

GOOD_COST = "def cost(x, d): return 0.5 * float(((x - d) ** 2).sum())\n"
GOOD_GRADIENT = "def gradient(x, d): return x - d\n"

LATE = """
import numpy as np

def cost(x, agent):
    return 0.5 * float(((x - agent) ** 2).sum())

def gradient(x, agent):
    return np.array([np.nan]) if agent == 2 and LOW < x[0] < HIGH else x - agent
"""


def told(tmp_path, text, method=None, dimension=1, **changes):
    """What the refusal of a run of six agents on a ring says."""
    file = tmp_path / "cost.py"
    file.write_text(text)
    problem = {"kind": "file", "file": str(file), "dimension": dimension} | changes.pop("problem", {})
    base = {"network": {"generate": {"model": "ring", "nodes": 6}}, "problem": problem, "rounds": 60}
    scenario = OptimizationScenario.model_validate(base | changes)
    with pytest.raises(BadInput) as refusal:
        list(run(scenario, method or Extra(0.1), [Seed()], Context()))
    return str(refusal.value)


def late(low, high):
    return LATE.replace("LOW", str(low)).replace("HIGH", str(high))


KNOWN = {"optimum": [2.5], "smoothness": 1.0}


@pytest.mark.parametrize(
    ("method", "first"), [(Extra(0.1), r"[1-9]\d*"), (Admm(), "0")], ids=["extra", "admm"]
)
def test_a_gradient_that_is_no_number_in_mid_run_is_told_with_round_agent_and_place(tmp_path, method, first):
    """Agent 2 fails between 1 and 2 alone: neither the start, 0, nor the optimum, 2.5, shows it.

    ADMM's own minimisation of (x - 2)^2 / 2 + (x - 0)^2 / 2 or so comes there in its first round.
    """
    words = told(tmp_path, late(1.0, 2.0), method, problem=KNOWN)
    pattern = rf"cost\.py: .*round {first}, agent 2: gradient\(x, data\) at x = \[1\.\d+\] gave \[nan\]"
    assert re.search(pattern, words), words


class Slip(Extra):
    """A method of one's own that divides 0 by 0 at agent 3 in round 5."""

    def hear(self, state, heard, own, k):
        found = super().hear(state, heard, own, k)
        found["x"] = np.where((own.agents == 3)[:, None] & (k == 5), np.nan, found["x"])
        return found


WORLD = {
    "network": {"generate": {"model": "ring", "nodes": 6}},
    "problem": {"kind": "quadratic"},
    "rounds": 60,
}


def test_a_method_that_gives_no_number_is_told_with_round_and_agent():
    world = OptimizationScenario.model_validate(WORLD)
    with pytest.raises(BadInput, match=r"round 5, agent 3: its state x became \[nan\]"):
        list(run(world, Slip(0.1), [Seed()], Context()))


def test_numbers_that_grow_without_bound_are_no_fault_but_a_divergence():
    world = OptimizationScenario.model_validate(WORLD | {"unstable": "run"})
    for step in (10.0, 1e200, 1e307):
        (outcome,) = run(world, Extra(step), [Seed()], Context())
        assert outcome.metrics["diverged"] == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start": 1e300}, "start: agents start at a distance of inf from the optimum"),
        (
            {"problem": {"kind": "quadratic", "targets": [[1e200 * (-1) ** i] for i in range(6)]}},
            "problem: the least cost is inf: numbers of this size overflow",
        ),
    ],
    ids=["start", "targets"],
)
def test_numbers_that_overflow_before_the_first_round_are_refused_with_their_field(changes, words):
    world = OptimizationScenario.model_validate(WORLD | changes)
    with pytest.raises(BadInput, match=words):
        list(run(world, Extra(0.1), [Seed()], Context()))


@pytest.mark.parametrize("method", [Admm(), DualDecomposition()], ids=["admm", "dual_decomposition"])
def test_a_refusal_of_noise_says_what_to_set(method):
    world = OptimizationScenario.model_validate(WORLD | {"measurement_noise": 0.5})
    with pytest.raises(BadInput) as refusal:
        list(run(world, method, [Seed()], Context()))
    assert refusal.value.problems[0].hint == "measurement_noise = 0"


@pytest.mark.full
def test_a_process_of_its_own_tells_the_same(tmp_path):
    words = told(tmp_path, late(1.0, 2.0), problem=KNOWN, agents="local")
    said = r"round [1-9]\d*, agent 2: gradient\(x, data\) at x = \[1\.\d+\] gave \[nan\]"
    assert re.search(rf"cost\.py: .*{said}", words), words


@pytest.mark.parametrize("known", [{}, {"optimum": [2.5]}, KNOWN], ids=str)
def test_a_gradient_that_is_no_number_at_the_optimum_is_told_before_the_first_round(tmp_path, known):
    words = told(tmp_path, late(2.0, 3.0), problem=known)
    assert "before the first round, agent 2: gradient(x, data) at x = [2." in words
    assert "gave [nan], not one finite number" in words


def test_what_only_a_second_derivative_meets_is_told_of_its_agent(tmp_path):
    words = told(tmp_path, late(2.50001, 2.6), problem={"optimum": [2.5]})
    assert (
        "before the first round, for second derivatives, agent 2: gradient(x, data) at x = [2.50003" in words
    )


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("float('nan')", "nan"),
        ("float('inf')", "inf"),
        ("'a'", "'a'"),
        ("'1.5'", "'1.5'"),
        ("None", "None"),
        ("x.repeat(2)", "[2.5, 2.5]"),
        ("1j", "1j"),
    ],
)
@pytest.mark.parametrize("known", [{}, {"optimum": [2.5]}], ids=["searched", "known"])
def test_a_cost_that_is_not_one_finite_number_is_told(tmp_path, body, shown, known):
    bad = f"def cost(x, d): return {body} if d == 3 else {GOOD_COST.split('return')[1]}"
    place = "[2.5]" if known else "[0.0]"
    words = told(tmp_path, bad + GOOD_GRADIENT, problem=known)
    seen = shown if known else shown.replace("2.5", "0.0")
    expected = (
        f"before the first round, agent 3: cost(x, data) at x = {place} gave {seen}, not one finite number"
    )
    assert expected in words


@pytest.mark.parametrize(
    ("body", "shown"), [("'abc'", "'abc'"), ("None", "None"), ("np.inf * x", "[inf]"), ("x[0]", "0.0")]
)
def test_a_gradient_of_another_kind_is_told(tmp_path, body, shown):
    bad = f"import numpy as np\n{GOOD_COST}def gradient(x, d): return {body} if d == 4 else x - d\n"
    where = "1.0" if "inf" in body else "0.0"
    words = told(tmp_path, bad.replace("inf * x", "inf * (x + 1)"))
    assert f"agent 4: gradient(x, data) at x = [0.0] gave {shown}, not one finite number" in words, where


def test_what_torch_gives_is_no_more_trusted(tmp_path):
    pytest.importorskip("torch")
    by_torch = {"gradient": "torch", "optimum": [2.5]}
    nothing = "def cost(x, d): return ((x - d) ** 2).sum() / 0.0 * 0.0\n"
    assert "agent 0: cost(x, data) at x = [2.5] gave nan, not one finite number" in told(
        tmp_path, nothing, problem=by_torch
    )
    # A cost of 0 whose slope is 0 / 0.
    slope = "def cost(x, d): return 0.5 * ((x - d) ** 2).sum() + (0.0 * (x - 2.5)).abs().sqrt().sum()\n"
    words = told(tmp_path, slope, problem=by_torch)
    assert (
        "agent 0: torch's gradient of cost(x, data) at x = [2.5] gave [nan], not one finite number" in words
    )
    words = told(tmp_path, "def cost(x, d): return 1.0\n", problem=by_torch | {"optimum": [0.0]})
    assert (
        "agent 0: cost(x, data) at x = [0.0] gave 1.0, not one number that torch can differentiate" in words
    )


def test_a_search_may_step_where_a_cost_does_not_exist(tmp_path):
    """-ln x + d x / 6: the sum is least at 6 / 2.5; Newton's method from 0 starts where the gradient is kept finite."""
    text = "import math\n\ndef cost(x, d): return float((x[0] + 1) * (d + 1) - 9 * math.log(x[0] + 1))\n"
    text += "def gradient(x, d): return (d + 1) - 9 / (x + 1)\n"
    file = tmp_path / "cost.py"
    file.write_text(text)
    problem = {"kind": "file", "file": str(file)}
    base = {"network": {"generate": {"model": "ring", "nodes": 6}}, "problem": problem, "rounds": 400}
    scenario = OptimizationScenario.model_validate(base | {"start": 1.5})
    [outcome] = run(scenario, Extra(0.1), [Seed()], Context())
    optimum = 9 / 3.5 - 1
    cost = sum((optimum + 1) * (d + 1) - 9 * np.log(optimum + 1) for d in range(6))
    assert outcome.metrics["cost_optimal"] == pytest.approx(cost, rel=1e-12)
    assert outcome.metrics["error"] < 1e-6


def test_costs_without_one_optimum_are_told(tmp_path):
    linear = "import numpy as np\ndef cost(x, d): return float((d - 7) * x[0])\n"
    linear += "def gradient(x, d): return np.array([d - 7.0])\n"
    words = told(tmp_path, linear)
    assert "no single optimum: from x = [0.0] in the direction [1.0] the sum of the costs falls" in words
    flat = "import numpy as np\ndef cost(x, d): return 0.5 * float((x[0] - d) ** 2)\n"
    flat += "def gradient(x, d): return np.array([x[0] - d, 0.0])\n"
    words = told(tmp_path, flat, dimension=2)
    assert "in the direction [0.0, 1.0] the sum of the costs does not change" in words


def test_an_optimum_that_is_none_is_refused_with_a_better_point(tmp_path):
    words = told(tmp_path, GOOD_COST + GOOD_GRADIENT, problem={"optimum": [7.0]})
    assert (
        "scenario.problem.optimum: [7.0] is no optimum: the costs sum to 69.5 there, the gradients to [27.0]"
        in words
    )
    better, cost = re.search(r"at \[([-\d.]+)\] the costs sum to ([\d.]+)", words).groups()
    assert float(cost) == pytest.approx(sum(0.5 * (float(better) - d) ** 2 for d in range(6)))
    assert float(cost) < 69.5
    assert "is no optimum" in told(tmp_path, GOOD_COST + GOOD_GRADIENT, problem={"optimum": [2.501]})


def test_an_optimum_that_is_one_is_taken_where_gradients_do_not_sum_to_zero(tmp_path):
    """Distances have kinks: at their median subgradients sum to something, and no point costs less."""
    file = tmp_path / "cost.py"
    text = "import numpy as np\ndef cost(x, d): return float(abs(x[0] - d) * (5 if d == 2 else 1))\n"
    file.write_text(text + "def gradient(x, d): return np.where(x >= d, 1.0, -1.0) * (5 if d == 2 else 1)\n")
    problem = {"kind": "file", "file": str(file), "optimum": [2.0], "smoothness": 1.0}
    base = {"network": {"generate": {"model": "ring", "nodes": 6}}, "problem": problem, "rounds": 2}
    [outcome] = run(OptimizationScenario.model_validate(base), Dgd(0.1), [Seed()], Context())
    assert outcome.metrics["cost_optimal"] == pytest.approx(2 + 1 + 0 + 1 + 2 + 3)


FLAT = """
import numpy as np

def cost(x, d):
    return 0.5 * float(((x - d) ** 2).sum()) if d != 3 else BENT

def gradient(x, d):
    return x - d if d != 3 else SLOPE
"""


def test_a_convexity_that_is_not_there_at_the_optimum_is_refused(tmp_path):
    """Agent 3's cost is flat; that of the others is least at 2.4."""
    bad = FLAT.replace("BENT", "0.0").replace("SLOPE", "np.zeros(1)")
    words = told(tmp_path, bad, DualDecomposition(0.1), problem={"convexity": 1.0})
    assert "cost.py: scenario.problem.convexity: agent 3: at the optimum, [2.4" in words
    assert "the second derivative of its cost is 0, less than the convexity 1" in words


def test_a_convexity_that_is_not_there_elsewhere_is_told_by_who_looks_for_its_minimum(tmp_path):
    """Agent 3's cost is a parabola from 2 on, and flat below: its own minimisation starts at 0."""
    bent, slope = "0.5 * float((np.maximum(x - 2, 0) ** 2).sum())", "np.maximum(x - 2, 0)"
    bad = FLAT.replace("BENT", bent).replace("SLOPE", slope)
    words = told(tmp_path, bad, DualDecomposition(0.1), problem={"convexity": 1.0})
    assert "round 0, agent 3: its own minimisation met no curvature" in words, words
    assert "costs as convex as problem.convexity says" in words
