"""Metrics against cases worked by hand, and the reference instance's inequalities."""

import numpy as np
import polars as pl
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation import metrics
from qoslab.domains.federation.bases import BASES
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.figures import accuracy_over_alpha, rounds_over_alpha
from qoslab.domains.federation.instance import LATER, LINES, baseline, digits_instance, gains, levels
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.theory import verify
from qoslab.domains.federation.training import Step, _drift


def test_jain():
    assert metrics.jain(np.array([0.5, 0.5])) == 1.0
    assert metrics.jain(np.array([1.0, 0.0, 0.0, 0.0])) == 0.25
    assert metrics.jain(np.zeros(3)) == 1.0


def test_rounds_to_a_target():
    course = np.array([0.1, 0.9, 0.8, 0.9])
    assert metrics.rounds_to(course, 0.85) == 2
    assert metrics.rounds_to(course, 0.1) == 1
    assert metrics.rounds_to(course, 0.95) is None


def test_drift_of_worked_cases():
    assert _drift(np.array([[1.0, 0.0], [1.0, 0.0]])) == 0.0
    assert _drift(np.array([[1.0, 0.0], [-1.0, 0.0]])) == 1.0
    assert _drift(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan(_drift(np.ones((1, 2))))


def test_traffic_counts_models_and_updates():
    # 4 features, 4 hidden, 3 classes: 35 parameters; 5 rounds of 4 models down and 4 updates up, 4 bytes each
    scenario = FederationScenario.model_validate(example().model_dump() | {"faults": {}})
    (outcome,) = run(scenario, FedAvg(), [Seed()], Context())
    assert outcome.metrics["traffic_mb"] == pytest.approx(5 * 8 * 35 * 4 / 1e6)


def test_who_drops_out_sends_nothing():
    scenario = FederationScenario.model_validate(example().model_dump() | {"faults": {"dropout": 1.0}})
    (outcome,) = run(scenario, FedAvg(), [Seed()], Context())
    assert outcome.metrics["traffic_mb"] == pytest.approx(5 * 4 * 35 * 4 / 1e6)
    assert outcome.counters["answers"] == 0


def test_a_run_that_ended_early_tells_no_traffic():
    """Steps of 1e300 overflow in the first rounds: what was sent by then would win against every whole run."""
    base = example().model_dump() | {"faults": {}, "training": {"rate": 1e300}}
    (outcome,) = run(FederationScenario.model_validate(base), FedAvg(), [Seed()], Context())
    assert outcome.counters["rounds"] < 5
    assert not {"traffic_mb", "traffic_to_target_mb", "loss"} & set(outcome.metrics)


@pytest.mark.filterwarnings("error")
def test_scores_of_a_model_that_is_finite_but_only_just_warn_nobody():
    """Parameters of 1e300 overflow in the first layer; what they predict is measured all the same."""
    scenario = FederationScenario.model_validate(example().model_dump() | {"faults": {}})
    task = make_task(scenario, Seed())
    model = np.full_like(task.start, 1e300)
    assert 0.0 <= metrics.accuracies(task, [Step(model, 0.0, 4)], 1)[0] <= 1.0
    assert (
        (metrics.client_accuracies(task, model) >= 0.0) & (metrics.client_accuracies(task, model) <= 1.0)
    ).all()


def test_traffic_to_the_target_is_that_of_the_rounds_before_it():
    """4 clients a round, 35 numbers down and up; and none where the target is never reached."""
    scenario = FederationScenario.model_validate(
        example().model_dump() | {"faults": {}, "target": 0.2, "rounds": 8}
    )
    (outcome,) = run(scenario, FedAvg(), [Seed()], Context())
    reached = outcome.metrics["rounds_to_target"]
    assert outcome.metrics["traffic_to_target_mb"] == pytest.approx(reached * 8 * 35 * 4 / 1e6)
    (outcome,) = run(scenario.model_copy(update={"target": 1.0}), FedAvg(), [Seed()], Context())
    assert "traffic_to_target_mb" not in outcome.metrics


def test_figures_over_alpha_need_a_grid_of_alphas():
    pytest.importorskip("matplotlib")
    rows = {"partition.alpha": [0.1, 1.0] * 2, "method": ["a", "a", "b", "b"]}
    rows |= {"accuracy_early": [0.5, 0.9, 0.6, 0.8], "rounds_to_target": [None, 7.0, 9.0, 5.0]}
    table = pl.DataFrame(rows)
    for figure, expected in (
        (accuracy_over_alpha, {"a": [0.5, 0.9], "b": [0.6, 0.8]}),
        (rounds_over_alpha, {"b": [9.0, 5.0]}),
    ):
        drawn = figure(table, {})
        lines = {line.get_label(): list(line.get_ydata()) for line in drawn.axes[0].lines}
        for label, values in expected.items():
            assert values in lines.values(), label
        assert figure(table.head(1), {}) is None
        assert figure(table.drop("partition.alpha"), {}) is None


def test_figures_over_alpha_hold_what_else_varies():
    """Without attackers 0.8 and 0.9, with them 0.2 and 0.1: no mean over both is drawn, and the axis says which."""
    pytest.importorskip("matplotlib")
    table = pl.DataFrame(
        {
            "scenario": ["a", "b", "c", "d"],
            "partition.alpha": [0.1, 0.1, 1.0, 1.0],
            "faults": ["none", "scaled"] * 2,
            "method": ["fedavg"] * 4,
            "accuracy_early": [0.8, 0.2, 0.9, 0.1],
        }
    )
    (axes,) = accuracy_over_alpha(table, {}).axes
    assert [0.8, 0.9] in [list(line.get_ydata()) for line in axes.lines]
    assert axes.get_xlabel() == "concentration alpha\n(faults = none)"


def test_verify_passes():
    pytest.importorskip("sklearn")
    checks = list(verify(quick=True, context=Context()))
    assert [check.name for check in checks if check.status != "pass"] == []
    # Every method below; four gains of each of the two lines of the quick form.
    assert len(checks) == len(BASES) + 8


def prototype(line, seeds=20, factor=1.0):
    """Seeds that all have the prototype's figures, or these times a factor."""
    return {what: np.full(seeds, factor * value) for what, value in line.found.items()}


def test_the_prototypes_own_figures_are_inside_all_margins():
    for line in LINES:
        base = baseline(line)
        checks = list(gains(line, prototype(line), base, prototype(base)))
        assert [check.status for check in checks] == ["pass"] * len(line.gains)
        assert [check.got for check in checks] == pytest.approx([check.expected for check in checks])


def test_where_server_learning_gains_nothing_checks_fail():
    """Federated averaging's own figures in server learning's place, with clients that differ much."""
    for line in LINES:
        if isinstance(line.method, ServerLearning) and "alpha = 1," not in line.name:
            base = baseline(line)
            failed = [one.status for one in gains(line, prototype(base), base, prototype(base))]
            assert failed[:2] == ["fail", "fail"]
            assert failed[3] == "fail"


def test_levels_are_held_to_the_spread_of_seeds():
    """With a deviation of a tenth over seeds, ours is off by 5.5 or 6 standard errors of the difference of means."""
    line, what = LINES[0], LATER
    values = 0.1 * np.array([1.0, -1.0] * 10)
    values /= values.std(ddof=1) / 0.1
    error = 0.1 * np.sqrt(1 / 5 + 1 / 20)
    for away, status in ((5.5, "pass"), (6.0, "fail"), (-5.5, "pass"), (-6.0, "fail")):
        ours = prototype(line) | {what: line.found[what] + away * error + values}
        (check,) = [one for one in levels(line, ours) if what in one.name]
        assert check.status == status
    assert {one.status for one in levels(line, prototype(line))} == {"pass"}


def test_server_learning_reaches_the_target_sooner():
    pytest.importorskip("sklearn")
    scenario = digits_instance(0.1)
    seeds = [Seed(replication=k) for k in range(3)]
    reached = {
        type(one): np.median([o.metrics["rounds_to_target"] for o in run(scenario, one, seeds, Context())])
        for one in (FedAvg(), ServerLearning())
    }
    assert reached[ServerLearning] < 0.75 * reached[FedAvg]


@pytest.mark.full
def test_full_verify_passes():
    pytest.importorskip("sklearn")
    assert all(check.status == "pass" for check in verify(quick=False, context=Context()))
