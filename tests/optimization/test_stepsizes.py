"""Steps beside their limits: on the reference instance, and by runs on both sides of a limit."""

import inspect
import re

import numpy as np
import pytest

from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.located import validate_dataclass
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.certificate import certified_step
from qoslab.domains.optimization.instances import a1, c1, ring
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.methods.static_budgets import StaticBudgets
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.settling import largest_step, settling_rate
from qoslab.domains.optimization.stepsizes import judged_steps
from qoslab.domains.optimization.task import make_task, own_of, task_of
from qoslab.graphs.random_graphs import k_in


def judged(method, task):
    return judged_steps(method, task, own_of(task, example(), Seed(), method.decision))


def test_steps_of_the_reference_instance():
    found = judged(RowStochasticTracking(0.01), a1())
    assert found["step"] == 0.01
    assert found["step_limit"] == pytest.approx(0.027257, abs=1e-6)
    assert found["step_certified"] == pytest.approx(2.44e-5, rel=2e-3)


@pytest.mark.parametrize(
    "changes", [{"link_up": 0.5}, {"channel": {"delay": 1}}, {"channel": {"loss": 0.1}}], ids=str
)
@pytest.mark.parametrize("method", [RowStochasticTracking(0.01), PushPull(0.05)], ids=["row", "push_pull"])
def test_nothing_is_proved_where_messages_are_lost_or_late(method, changes):
    """The certificate and the limit of the whole network hold for rounds that are all alike."""
    scenario = OptimizationScenario.model_validate(example().model_dump() | changes)
    task, whole = a1(), judged(method, a1())
    found = judged_steps(method, task, own_of(task, scenario, Seed(), method.decision), scenario)
    assert "step_certified" not in found
    assert "step_limit" in whole
    assert found.get("step_limit") != whole["step_limit"]


def test_a_penalty_method_is_judged_near_its_own_end():
    method = PenaltyConsensus(penalty=5.0, step=0.005)
    assert judged(method, c1()) == {"step": 0.005, "step_limit": largest_step(method, c1()).step}


def test_where_no_limit_is_known_none_is_told():
    assert judged(StaticBudgets(), c1()) == {}
    assert judged(DualDecomposition(), c1()) == {}
    assert set(judged(Admm(), a1())) == {"step"}


def test_nothing_is_proved_for_steps_of_the_agents_own():
    assert set(judged(Frost(), a1())) == {"step", "step_limit"}


NOISY = {
    "network": {
        "generate": {"model": "erdos_renyi", "nodes": 10, "mean_degree": 4.0},
        "connected": "strongly",
    },
    "problem": {"kind": "quadratic"},
    "judge_steps": True,
    "rounds": 1000,
}


@pytest.mark.parametrize("method", [RowStochasticTracking(0.005), PushPull(), Dgd(power=0.0)], ids=str)
def test_nothing_is_told_of_rounds_whose_messages_are_noisy(method):
    """Row-stochastic tracking, at a third of the limit of rounds without noise, is ever farther from the optimum."""
    still = next(iter(run(OptimizationScenario.model_validate(NOISY), method, [Seed()], Context()))).metrics
    assert "step_limit" in still
    noisy = OptimizationScenario.model_validate(NOISY | {"channel": {"noise": 0.05}})
    found = next(iter(run(noisy, method, [Seed()], Context()))).metrics
    assert {name for name in found if name.startswith("step")} == {"step"}
    assert "rate_predicted" not in found
    if type(method) is RowStochasticTracking:
        assert found["step"] < 0.4 * still["step_limit"]
        assert found["error"] > 0.1 > 1e-6 > still["error"]


def test_a_step_past_the_limit_is_refused_with_noise_too():
    noisy = OptimizationScenario.model_validate(NOISY | {"channel": {"noise": 0.05}})
    with pytest.raises(BadInput, match="past the stability limit"):
        next(iter(run(noisy, PushPull(50.0), [Seed()], Context())))


def test_nothing_is_proved_where_gradients_are_noisy():
    scenario = OptimizationScenario.model_validate(example().model_dump() | {"measurement_noise": 0.1})
    task, method = a1(), RowStochasticTracking(0.01)
    found = judged_steps(method, task, own_of(task, scenario, Seed(), "shared"), scenario)
    assert "step_certified" not in found
    assert found["step_limit"] == judged(method, task)["step_limit"]


def test_nothing_is_proved_of_costs_whose_smoothness_is_measured(tmp_path):
    """x^2 / 2 + x^4 / 4 bends the more the farther: with what 0 and the optimum tell, a run from 50 diverges."""
    file = tmp_path / "quartic.py"
    file.write_text(
        "def cost(x, data):\n    return float((0.5 * x**2 + 0.25 * x**4).sum())\n"
        "def gradient(x, data):\n    return x + x**3\n"
    )
    world = {
        "network": {"generate": {"model": "ring", "nodes": 5}},
        "problem": {"kind": "file", "file": str(file), "convexity": 1.0},
        "rounds": 300,
        "start": 50.0,
        "judge_steps": True,
    }

    def metrics(**problem):
        scenario = OptimizationScenario.model_validate(world | {"problem": world["problem"] | problem})
        step = RowStochasticTracking(0.0 if problem else 0.0177)
        return next(iter(run(scenario, step, [Seed()], Context()))).metrics

    measured, given = metrics(), metrics(smoothness=1.0 + 3.0 * 60.0**2)
    assert measured["diverged"] == 1
    assert "step_certified" not in measured
    assert 0 < given["step_certified"] < 1e-4
    assert given["diverged"] == 0


def test_nothing_is_proved_on_a_matrix_that_is_not_diagonalisable():
    """Of the digraphs where everybody hears two others many have such weights; symmetric ones never do."""
    values = [np.linalg.cond(np.linalg.eig(weights_of(seed))[1]) for seed in range(12)]
    proofs = [certified_step(weights_of(seed), 1.0, 1.0) for seed in range(12)]
    assert 2 <= sum(proof is None for proof in proofs) <= 10
    assert all((proof is None) == (value > 1e6) for proof, value in zip(proofs, values, strict=True))
    assert certified_step(np.full((16, 16), 1 / 16), 1.0, 1.0).condition == pytest.approx(1.0)


def weights_of(seed):
    return Weights(k_in(8, 2, np.random.default_rng(seed))).row.toarray()


def test_spreads_past_1_are_refused():
    """Agents' steps are s (1 - u frac(i phi)): u = 7 would turn most of them round."""
    assert validate_dataclass(Frost, {"spread": 1.0}) == Frost(spread=1.0)
    with pytest.raises(BadInput, match="spread"):
        validate_dataclass(Frost, {"spread": 7.0})


def test_of_one_agent_alone_nothing_is_proved_and_a_channel_changes_nothing():
    """No second eigenvalue, no disagreement, no arcs: gradient descent, with or without noise on no messages."""
    assert certified_step(np.ones((1, 1)), 1.0, 1.0) is None
    network = {"generate": {"model": "path", "nodes": 1}}
    world = {"network": network, "problem": {"kind": "quadratic"}, "judge_steps": True}
    errors = []
    for channel in ({}, {"noise": 0.5}, {"loss": 0.5}, {"delay": 2}):
        scenario = OptimizationScenario.model_validate(world | {"channel": channel, "rounds": 200})
        found = next(iter(run(scenario, RowStochasticTracking(), [Seed()], Context()))).metrics
        assert "step_certified" not in found
        errors.append(found["error"])
    assert errors == [errors[0]] * 4
    assert errors[0] < 1e-6


def test_the_limit_that_is_told_is_the_one_that_steps_are_refused_by():
    """A core fifty times as dear from round 50 on: steps are held to the limit from then on."""
    world = {
        "network": {"generate": {"model": "star", "leaves": 3}},
        "problem": {"kind": "qos", "degraded": {"round": 50, "factor": 50.0}},
        "start": 0.4,
        "rounds": 100,
        "judge_steps": True,
    }
    scenario = OptimizationScenario.model_validate(world)

    def outcome(step):
        method = PenaltyConsensus(penalty=100.0, step=step, power=0.0)
        return next(iter(run(scenario, method, [Seed()], Context()))).metrics

    limit = outcome(1e-4)["step_limit"]
    assert outcome(0.999 * limit)["step_limit"] == limit
    with pytest.raises(BadInput, match=f"past the stability limit {limit:.6g} here"):
        outcome(1.001 * limit)


def test_a_certificate_knows_the_scaling_that_no_round_reaches():
    """On undirected networks y_ii falls to pi_i for ever: of a path of three, (2, 3, 2) / 7 with equal shares."""
    path = np.array([[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [0, 1 / 2, 1 / 2]])
    short, long = (certified_step(path, 1.0, 2.0, rounds=rounds) for rounds in (1, 200))
    assert short.worst_scaling == pytest.approx(7 / 2, rel=1e-12)
    assert short.step == pytest.approx(long.step, rel=1e-12)


def test_where_no_step_is_too_large_no_limit_is_told():
    """Goals that nobody has to mind: all budgets are at the ends of their boxes, whatever the step."""
    world = OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "star", "leaves": 3}},
            "problem": {"kind": "qos", "goals": [10.0, 10.0]},
            "rounds": 5,
            "judge_steps": True,
        }
    )
    task = make_task(world, Seed(), Context())
    assert settling_rate(PenaltyConsensus(), task, 1e6) < 1
    assert largest_step(PenaltyConsensus(), task) is None
    found = next(iter(run(world, PenaltyConsensus(), [Seed()], Context()))).metrics
    assert found["step"] > 0
    assert "step_limit" not in found


def test_the_limit_of_dual_ascent_is_that_of_gradient_ascent():
    """2 q / l_max(I - W) where all curvatures are q: 2 (1 / 2) / (4 / 3) on a ring of six with weights 1 / 3."""
    task = task_of(ring(6), Quadratic(None, np.full(6, 0.5), np.zeros((6, 1))))
    assert judged(DualDecomposition(), task)["step_limit"] == pytest.approx(0.75, rel=1e-5)


def test_a_run_tells_its_limit_and_keeps_to_it():
    world = OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "ring", "nodes": 6}},
            "problem": {"kind": "quadratic"},
            "rounds": 3000,
            "judge_steps": True,
            "unstable": "run",
        }
    )

    def metrics(step):
        return next(iter(run(world, PushPull(step), [Seed()], Context()))).metrics

    limit = metrics(0.0)["step_limit"]
    assert metrics(0.97 * limit)["error"] < 1e-6
    assert metrics(1.1 * limit)["diverged"] == 1
    quiet = world.model_copy(update={"judge_steps": False})
    assert "step" not in next(iter(run(quiet, PushPull(), [Seed()], Context()))).metrics


def test_a_limit_that_not_all_eigenvalues_tell_is_named_so():
    """DGD remembers a number an entry: 401 agents are past 400, 399 are not. 1 - s and -1 / 3 - s: s = 4 / 3 / 2."""
    found = {}
    for n in (399, 401):
        costs = Quadratic(None, np.full(n, 1.0), np.ones((n, 2)))
        found[n] = judged(Dgd(0.5, power=0.0), task_of(ring(n), costs, optimum=np.ones(2)))
    assert found[399] == {"step": 0.5, "step_limit": pytest.approx(2.0 / 3.0, rel=1e-3)}
    assert found[401] == {"step": 0.5, "step_limit_about": pytest.approx(2.0 / 3.0, rel=1e-2)}


def test_the_first_line_on_a_parameter_is_whole():
    """`qoslab describe` shows that line alone: it must not end in mid-sentence."""
    cut = []
    for entry in registry.methods("optimization"):
        told = inspect.getdoc(entry.cls).partition("Attributes:")[2].split("\n\n")[0]
        cut += [
            f"{entry.id}: {line}" for line in told.splitlines() if PARAMETER.match(line) and line[-1] != "."
        ]
    assert cut == []


PARAMETER = re.compile(r" {4}\w+: ")
