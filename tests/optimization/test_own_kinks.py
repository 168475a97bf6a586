"""Costs of a file whose gradients jump, or do not change where they are looked at: no step is made of nothing."""

import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.methods.subgradient_push import SubgradientPush
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.scenario import OptimizationScenario

KINK = "import numpy as np\ndef cost(x, d): return abs(x[0] - d)\ndef gradient(x, d): return np.sign(x - d)\n"
BESIDE = KINK.replace("x - d", "x - d - 0.5").replace("x[0] - d", "x[0] - d - 0.5")
QUARTIC = "def cost(x, d): return x[0] ** 4\ndef gradient(x, d): return 4 * x ** 3\n"
SQUARE = "def cost(x, d): return 1.5 * (x[0] - d) ** 2\ndef gradient(x, d): return 3 * (x - d)\n"


def metrics(tmp_path, text, method, nodes, optimum, start=0.0, **more):
    file = tmp_path / "cost.py"
    file.write_text(text)
    problem = {"kind": "file", "file": str(file), "optimum": [optimum]} | more
    table = {"network": {"generate": {"model": "ring", "nodes": nodes}}, "problem": problem, "rounds": 500}
    scenario = OptimizationScenario.model_validate(table | {"start": start, "judge_steps": True})
    return next(iter(run(scenario, method, [Seed()], Context()))).metrics


@pytest.mark.parametrize("kind", [Dgd, SubgradientPush, ProjectedSubgradient])
def test_kinks_of_a_file_take_the_step_of_built_in_kinks(tmp_path, kind):
    found = metrics(tmp_path, KINK, kind(), 5, 2.0)
    assert found["step"] == 0.1
    assert found["error"] < 0.5
    assert "rate_predicted" not in found


@pytest.mark.parametrize("method", [Extra(), Extra(0.1), RowStochasticTracking()], ids=str)
def test_methods_for_smooth_costs_refuse_kinks_of_a_file(tmp_path, method):
    with pytest.raises(BadInput, match="needs smooth costs, and agent 0's has kinks") as refusal:
        metrics(tmp_path, KINK, method, 5, 2.0)
    assert "admm" not in str(refusal.value)


@pytest.mark.parametrize("method", [Dgd(), Extra(), RowStochasticTracking(), Admm()], ids=str)
@pytest.mark.parametrize(("text", "optimum"), [(BESIDE, 3.0), (QUARTIC, 0.0)], ids=["beside", "quartic"])
def test_no_default_step_is_made_of_gradients_that_do_not_change(tmp_path, text, optimum, method):
    name = "penalty" if isinstance(method, Admm) else "step"
    with pytest.raises(BadInput, match=f"method.{name}: no default to be had") as refusal:
        metrics(tmp_path, text, method, 6, optimum, start=1.0)
    assert f"give problem.smoothness, or method.{name}" in str(refusal.value)


def test_what_is_given_stands(tmp_path):
    assert metrics(tmp_path, QUARTIC, Dgd(0.05), 6, 0.0, start=1.0)["error"] < 0.9
    assert metrics(tmp_path, QUARTIC, Dgd(), 6, 0.0, start=1.0, smoothness=12.0)["step"] == 0.5 / 12.0


def test_smooth_costs_are_measured_as_before(tmp_path):
    assert metrics(tmp_path, SQUARE, Extra(), 6, 2.5)["step"] == pytest.approx(0.5 / 3.0, rel=1e-6)
