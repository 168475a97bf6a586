"""End-to-end budgets: closed forms, renegotiation when a core degrades, and budgets that nobody negotiates."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import degraded, make_problem
from qoslab.domains.optimization.instances import c1, d1
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.static_budgets import StaticBudgets
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.multipliers import penalised, solve_coupled
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.tables import QosTable
from qoslab.domains.optimization.task import make_task, own_of, task_of
from qoslab.graphs.random_graphs import erdos_renyi


def table(**changes):
    return QosTable.model_validate({"kind": "qos"} | changes)


def scenario(problem=None, **changes):
    base = {
        "network": {"generate": {"model": "star", "leaves": 3}},
        "problem": {"kind": "qos"} | (problem or {}),
        "start": 0.4,
        "rounds": 3000,
        "tolerance": 0.12,
    }
    return OptimizationScenario.model_validate(base | changes)


def outcome(world, method, context=None):
    return next(iter(run(world, method, [Seed()], context or Context())))


@pytest.mark.parametrize("cores", [1, 3])
def test_budgets_of_several_cores_are_those_of_the_closed_form(cores):
    """x_a = D sqrt(K) / (sqrt(K) + sqrt(k_c)), K the sum of k over the access networks of core c."""
    problem = make_problem(
        table(cores=cores, goals=(1.0, 2.0), box=(1e-3, 3.0)), cores + 7, np.random.default_rng(4)
    )
    weight, found = problem.own.weight, solve_coupled(problem)
    for core in range(cores):
        access = [cores + a for a in range(7) if a % cores == core]
        for s, goal in enumerate((1.0, 2.0)):
            root, own = np.sqrt(weight[access, s].sum()), np.sqrt(weight[core, s])
            np.testing.assert_allclose(found.x[access, s], goal * root / (root + own), rtol=1e-6)
            assert found.x[core, s] == pytest.approx(goal * own / (root + own), rel=1e-6)


def test_losses_and_reliabilities_add_up_in_logarithms():
    """Budgets u = -ln(1 - loss) in units of the goal: what a path loses with both at their share is the goal."""
    negotiated = table(goals=(2.0,), losses=(0.02,), reliabilities=(0.999,))
    assert negotiated.entries == (2.0, 1.0, 1.0)
    problem = make_problem(negotiated, 2, np.random.default_rng(0))
    u = solve_coupled(problem).x[:, 1]
    loss = 1.0 - (1.0 - 0.02) ** u
    assert 1.0 - (1.0 - loss).prod() == pytest.approx(0.02, rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_a_scale_of_delays_leaves_losses_as_they_are(scale):
    """Delays divided by the scale, losses alike: the same problem, of which each entry is solved by itself."""
    plain = table(goals=(10.0,), losses=(0.01,), box=(0.5, 30.0))
    problems = [make_problem(one, 3, np.random.default_rng(0)) for one in (plain, scaled(plain, scale))]
    first, second = (solve_coupled(one).x for one in problems)
    np.testing.assert_allclose(second[:, 0] * scale, first[:, 0], rtol=1e-6)
    np.testing.assert_allclose(second[:, 1], first[:, 1], rtol=1e-6)
    # x_a = sqrt(K) / (sqrt(K) + sqrt(k_c)) of a goal of 1: no end of a box is in the way.
    core, access = np.sqrt(problems[0].own.weight[0, 1]), np.sqrt(problems[0].own.weight[1:, 1].sum())
    np.testing.assert_allclose(first[1:, 1], access / (access + core), rtol=1e-6)


def scaled(one, scale):
    return QosTable.model_validate(one.model_dump() | {"scale": scale})


def test_goals_far_above_those_of_losses_are_no_empty_set():
    """A box from 1 up fits delays of 20 and 50; for losses, whose goal is 1, it would leave nothing."""
    table_ = table(goals=(20.0, 50.0), losses=(0.01, 0.02), box=(1.0, 60.0))
    assert solve_coupled(make_problem(table_, 4, np.random.default_rng(0))).x[:, 2:].max() < 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"share_box": (0.5, 0.1)}, "share_box must be positive, from low to high"),
        ({"losses": (0.1,)}, "losses needs one share between 0 and 1 for each of the 2 classes"),
        ({"reliabilities": (0.9, 1.0)}, "reliabilities needs one share"),
        ({"degraded": {"round": 5, "core": 1}}, "there is no core 1 to degrade"),
    ],
)
def test_what_cannot_be_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        table(**changes)


def test_more_cores_than_agents_and_a_change_after_the_end_are_refused():
    with pytest.raises(BadInput, match="needs 4 cores and at least one access network"):
        make_task(scenario({"cores": 4}), Seed(), Context())
    with pytest.raises(BadInput, match="round 3000 is past the last"):
        make_task(scenario({"degraded": {"round": 3000}}), Seed(), Context())


def renegotiated(method, count, turn, context=None):
    """D1, with the core three times dearer from a round on: the states of a run."""
    task, later = d1(), d1(core=(24.0, 36.0))
    task = replace(task, turn=turn, later=later)
    own = own_of(task, example().model_copy(update={"start": 0.4}), Seed(), method.decision)
    return task, list(rounds(method, own, Wire(method.message(own), task.weights), count))


def test_budgets_are_renegotiated_to_the_new_optimum():
    """Before the change and after it agents stand at the penalised optimum of what then holds."""
    method = PenaltyConsensus(penalty=100.0, step=8e-4, decay=20_000.0)
    task, states = renegotiated(method, 6000, 3000)
    before, after = (penalised(one.coupled, 100.0).x for one in (task, task.later))
    assert np.abs(before - after).max() > 0.05
    assert np.abs(states[3000]["x"] - before).max() < 1e-4
    assert np.abs(states[6000]["x"] - after).max() < 1e-4


def test_the_default_step_goes_by_equal_budgets_wherever_agents_start():
    """2 k / x^3 is 1e5 at the least budget of 0.05, to which a start at 0 is brought; nobody stays there."""
    method, limits = PenaltyConsensus(penalty=100.0), set()
    static = outcome(scenario(rounds=1), StaticBudgets()).metrics["error"]
    for start in (0.0, 0.4):
        found = outcome(scenario(start=start, judge_steps=True), method).metrics
        limits.add(found["step"])
        # The penalised optimum is 0.08 from the optimum; equal halves are 0.22 away.
        assert found["error"] < 0.75 * static
        assert found["step"] > 0.05 * found["step_limit"]
    assert len(limits) == 1


def test_the_default_step_is_that_of_equal_budgets_by_hand():
    """D1's largest bend at budgets (0.5, 1) is 2 * 9 / 0.5^3; its core counts in three constraints of each class."""
    own = own_of(d1(), example().model_copy(update={"start": 0.0}), Seed(), "own")
    assert PenaltyConsensus(penalty=100.0).first_step(own) == pytest.approx(0.1 / (144.0 + 100.0 * 4 * 3))


def test_agents_that_no_goal_bounds_are_taken_to_be_in_the_middle_of_their_box():
    """No constraint has a positive share of entry 0: 2 k / x^3 at the middle of 0.05..3."""
    task = d1()
    share = task.coupled.share.copy()
    share[:, :, 0] *= -1.0
    task = replace(task, coupled=replace(task.coupled, share=share))
    own = own_of(task, example().model_copy(update={"start": 0.0}), Seed(), "own")
    assert own.data.own_smoothness == pytest.approx(max(2.0 * 9.0 / 1.525**3, 2.0 * 12.0 / 1.0**3))


def test_a_degraded_core_is_what_the_table_says():
    world = scenario({"degraded": {"round": 100, "factor": 3.0}})
    task = make_task(world, Seed(), Context())
    plain = make_task(scenario(), Seed(), Context())
    np.testing.assert_array_equal(task.coupled.own.weight, plain.coupled.own.weight)
    np.testing.assert_allclose(task.later.coupled.own.weight[0], 3.0 * plain.coupled.own.weight[0])
    np.testing.assert_array_equal(task.later.coupled.own.weight[1:], plain.coupled.own.weight[1:])
    assert task.at(99) is task
    assert task.at(100) is task.later
    again = degraded(world.problem, plain.coupled)
    np.testing.assert_array_equal(again.own.weight, task.later.coupled.own.weight)


def test_static_budgets_keep_every_goal_and_overpay():
    """Cost of equal halves after the core is three times dearer, by hand, against the renegotiated optimum."""
    for share, factor, over in ((0.0, 0.5, 1.01), (0.4, 0.4, 1.09)):
        task, states = renegotiated(StaticBudgets(first_share=share), 3, 1)
        x = states[-1]["x"]
        np.testing.assert_allclose(x[0], np.array([1.0, 2.0]) * factor)
        np.testing.assert_allclose(x[1:], np.tile(np.array([1.0, 2.0]) * (1 - factor), (3, 1)))
        assert task.later.coupled.violation(x) < 1e-12
        cost = task.later.coupled.own.value(x).sum()
        by_hand = (24 + 36 / 2) / factor + (19 + 19 / 2) / (1 - factor)
        assert cost == pytest.approx(by_hand)
        assert cost > over * task.later.cost


def test_static_budgets_say_nothing_and_need_constraints_that_can_be_divided():
    found = outcome(scenario(rounds=5), StaticBudgets()).metrics
    assert found["messages"] == found["bytes"] == 0
    task = c1()
    mixed = replace(task.coupled, share=-task.coupled.share, equality=True, offset=-task.coupled.offset)
    broken = replace(task, coupled=mixed)
    own = own_of(broken, example(), Seed(), "own")
    with pytest.raises(BadInput, match="cannot be divided beforehand"):
        StaticBudgets().start(own)


def test_a_run_tells_how_long_renegotiation_took_and_keeps_the_budgets():
    world = scenario({"degraded": {"round": 1500}, "core": (8.0, 12.0)}, rounds=4000)
    method = PenaltyConsensus(penalty=100.0, step=8e-4, decay=20_000.0)
    found = outcome(world, method, Context(keep_series=True))
    assert 0 < found.metrics["rounds_to_renegotiate"] < 2500
    assert "rate_predicted" not in found.metrics
    budgets = found.series["decisions"]
    optimal = budgets["optimal"][(budgets["agent"] == 0) & (budgets["entry"] == 0)]
    assert len(np.unique(optimal)) == 2
    still = outcome(world, StaticBudgets(), Context())
    assert "rounds_to_renegotiate" not in still.metrics
    # Within any tolerance budgets of which nothing is said have not been renegotiated.
    wide = outcome(world.model_copy(update={"tolerance": 100.0}), StaticBudgets(), Context())
    assert wide.metrics["rounds_to_tolerance"] == 0.0
    assert "rounds_to_renegotiate" not in wide.metrics


def test_steps_by_curvature_and_pauses_arrive_where_plain_steps_do():
    """Thirty access networks on three cores, the penalised optimum to 1e-3 in 4,000 rounds."""
    problem = make_problem(table(cores=3), 33, np.random.default_rng(1))
    task = task_of(erdos_renyi(33, 0.35, np.random.default_rng(2)), problem)
    target = penalised(problem, 100.0).x
    method = PenaltyConsensus(penalty=100.0, scaling="curvature", pause=20, lag=2.0, decay=1e9)
    own = own_of(task, example().model_copy(update={"start": 0.4}), Seed(), "own")
    wire = Wire(method.message(own), task.weights)
    *_, last = rounds(method, own, wire, 8000)
    assert np.linalg.norm(last["x"] - target) < 1e-3 * np.linalg.norm(target)
    total = last["e"].sum(axis=0)
    np.testing.assert_allclose(total, problem.constraint(last["x"]).sum(axis=0), atol=1e-10)


def test_admm_follows_a_change_of_the_costs():
    """C1's dual on the ring is constrained, so the equality form: prices move to the new optimum."""
    first = replace(c1().coupled, equality=True)
    second = replace(first, own=replace(first.own, wish=first.own.wish + 0.5))
    network = c1().weights.network
    task = replace(task_of(network, first), turn=200, later=task_of(network, second))
    own = own_of(task, example(), Seed(), "shared")
    *_, last = rounds(Admm(), own, Wire(Admm().message(own), task.weights), 600)
    answers = second.respond(last["x"])
    np.testing.assert_allclose(answers, task.later.decisions, atol=1e-6)
