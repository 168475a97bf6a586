"""Agents in processes of their own do what they do on arrays, also when they are killed and started again."""

import importlib
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from qoslab.agents.agent import Agent, seats
from qoslab.agents.local import AgentsFail, work_locally
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput
from qoslab.core.method import method
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.apart import follow_apart
from qoslab.domains.optimization.instances import a1, c1, d1, ring
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.methods.static_budgets import StaticBudgets
from qoslab.domains.optimization.methods.subgradient_push import SubgradientPush
from qoslab.domains.optimization.model import follow, run
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.task import own_of, task_of


def on_ring(n=6):
    i = np.arange(n)
    costs = Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)]))
    return task_of(ring(n), costs)


CASES = [
    (a1, RowStochasticTracking(0.01)),
    (a1, Frost(0.01)),
    (a1, PushDiging(0.01)),
    (a1, Dextra(0.1)),
    (a1, PushPull(0.01)),
    (a1, SubgradientPush()),
    (a1, ProjectedSubgradient()),
    (on_ring, Extra()),
    (on_ring, Dgd()),
    (on_ring, Admm()),
    (c1, PenaltyConsensus(step=0.005)),
    (d1, PenaltyConsensus(step=1e-4, measure="zeroth")),
    (d1, StaticBudgets()),
]
NAMES = [type(method).__name__ + "-" + make.__name__ for make, method in CASES]


def knowledge(task, method, noise=0.0):
    """What all agents know, made afresh: noise is drawn from it."""
    scenario = example().model_copy(update={"measurement_noise": noise})
    return own_of(task, scenario, Seed(replication=4), method.decision)


def on_arrays(task, method, count, noise=0.0):
    own = knowledge(task, method, noise)
    wire = Wire(method.message(own), task.weights)
    return np.stack([state["x"] for state in rounds(method, own, wire, count)])


def singles(task, own):
    return [Own(np.array([i]), task.n, own.data.rows([i])) for i in range(task.n)]


def agents_of(task, method, count, noise=0.0):
    own = knowledge(task, method, noise)
    kind = method.message(own)
    pairs = zip(singles(task, own), seats(task.weights, kind), strict=True)
    return [Agent(method, one, seat, kind, count) for one, seat in pairs]


def deliver(agents):
    """Hand every frame that is not yet forgotten to its hearer."""
    for speaker in agents:
        for hearer, box in speaker.outbox.items():
            for k, frame in box.items():
                agents[hearer].receive(speaker.seat.agent, k, frame)


@pytest.mark.parametrize(("make", "method"), CASES, ids=NAMES)
def test_agents_alone_do_what_they_do_on_arrays(make, method):
    task, noise = make(), 0.0 if isinstance(method, Admm) else 0.1
    agents, whole = agents_of(task, method, 60, noise), on_arrays(task, method, 60, noise)
    for k in range(60):
        deliver(agents)
        for agent in agents:
            agent.step()
            for speaker in agent.seat.speakers:
                agents[speaker].forget(agent.seat.agent, agent.round)
        got = np.concatenate([agent.state["x"] for agent in agents])
        np.testing.assert_allclose(got, whole[k + 1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("make", "method"), CASES, ids=NAMES)
def test_processes_do_what_arrays_do(make, method):
    task, count = make(), 150
    own = knowledge(task, method)
    walk = work_locally(method, singles(task, own), method.message(own), task.weights, count)
    assert walk.restarts == 0
    np.testing.assert_allclose(walk.x, on_arrays(task, method, count), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "method"), [(a1, RowStochasticTracking(0.01)), (c1, PenaltyConsensus(step=0.005))]
)
def test_killed_agents_start_again_and_nothing_changes(make, method):
    """Two kills, one of an agent that had a checkpoint; noise goes on where it was."""
    task, count, killed = make(), 700, {}
    own = knowledge(task, method, noise=0.1)

    def kill(pids, done):
        for agent, after in ((1, 40), (3, 150)):
            if agent not in killed and after <= done[agent] < count - 200:
                killed[agent] = done[agent]
                os.kill(pids[agent], signal.SIGKILL)

    walk = work_locally(
        method, singles(task, own), method.message(own), task.weights, count, every=50, watch=kill
    )
    assert walk.restarts == len(killed) == 2
    np.testing.assert_allclose(walk.x, on_arrays(task, method, count, 0.1), rtol=1e-12, atol=1e-12)


def test_an_agent_that_goes_on_from_a_checkpoint_says_the_same(tmp_path):
    """A checkpoint in mid-run; the agent made anew from it ends in the very same state, bit for bit."""
    task, method = c1(), PenaltyConsensus(step=0.005)
    agents = agents_of(task, method, 40, noise=0.5)
    for k in range(40):
        deliver(agents)
        if k == 17:
            agents[2].save(tmp_path / "2.npz")
        for agent in agents:
            agent.step()
    fresh = agents_of(task, method, 40, noise=0.5)[2]
    fresh.load(tmp_path / "2.npz")
    assert fresh.round == fresh.durable == 17
    for speaker in fresh.seat.speakers:
        for k, frame in agents[speaker].outbox[2].items():
            fresh.receive(speaker, k, frame)
    while fresh.ready:
        fresh.step()
    assert fresh.done
    np.testing.assert_array_equal(fresh.state["x"], agents[2].state["x"])
    assert fresh.outbox == agents[2].outbox


def test_frames_are_kept_until_their_hearer_has_them_on_disk(tmp_path):
    agents = agents_of(on_ring(), Dgd(), 10)
    for _ in range(5):
        deliver(agents)
        for agent in agents:
            agent.step()
    assert agents[0].durable == 0
    assert sorted(agents[1].outbox[0]) == [0, 1, 2, 3, 4, 5]
    agents[0].save(tmp_path / "0.npz")
    agents[1].forget(0, agents[0].durable)
    assert sorted(agents[1].outbox[0]) == [5]


def test_a_frame_of_another_size_or_from_a_stranger_is_refused():
    agents = agents_of(on_ring(), Dgd(), 10)
    with pytest.raises(BadInput, match="agent 0 got 8 bytes from 1, not 16"):
        agents[0].receive(1, 0, bytes(8))
    with pytest.raises(BadInput, match="from 3"):
        agents[0].receive(3, 0, bytes(16))


@pytest.fixture
def rogues(monkeypatch):
    """A module that processes can import, as an installed one."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "rogues"))
    return importlib.import_module("qoslab_test_rogues")


def test_a_process_cannot_say_what_is_not_declared(rogues):
    task = on_ring()
    own = knowledge(task, rogues.Chatty())
    with pytest.raises(BadInput, match="'gradient' is not in the declared message type"):
        follow_apart(rogues.Chatty(), task, own, 100, Context())


def test_what_is_no_number_is_told_with_round_and_agent(rogues):
    task = on_ring()
    broken = replace(task, costs=rogues.Broken(None, task.costs.curvature, task.costs.target))
    own = knowledge(broken, Dgd(decay=1e6))
    with pytest.raises(BadInput, match=r"round \d+, agent 0: the gradient at"):
        follow_apart(Dgd(decay=1e6), broken, own, 400, Context())


def test_an_agent_that_always_dies_ends_the_run(rogues):
    task = on_ring()
    own = knowledge(task, rogues.Dying())
    with pytest.raises(AgentsFail, match="agent 2's process died 6 times in round 5, last with exit code 3"):
        work_locally(rogues.Dying(), singles(task, own), rogues.Dying().message(own), task.weights, 50)


def test_a_divergence_is_told_as_on_arrays():
    task, method = on_ring(), Extra(10.0)
    own = knowledge(task, method)
    arrays = follow(method, task, own, Wire(method.message(own), task.weights), 100, Context())
    apart = follow_apart(method, task, own, 100, Context())
    assert arrays.diverged
    assert apart.diverged
    assert len(apart.errors) == len(arrays.errors)
    assert apart.messages == arrays.messages


def world(**changes):
    base = {
        "network": {"generate": {"model": "k_in", "nodes": 5, "in_degree": 2}},
        "problem": {"kind": "quadratic"},
        "rounds": 80,
        "measurement_noise": 0.01,
    }
    return OptimizationScenario.model_validate(base | changes)


def outcome(scenario, method):
    return next(iter(run(scenario, method, [Seed()], Context())))


def test_a_run_with_processes_gives_the_metrics_of_one_on_arrays():
    arrays = outcome(world(), PushPull()).metrics
    local = outcome(world(agents="local"), PushPull()).metrics
    assert local.keys() == arrays.keys()
    for name, value in arrays.items():
        assert local[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_a_method_that_no_process_can_import_is_refused():
    with registry.collecting():

        @method("optimization", "my_own", summary="of a user's file", origin="ours")
        @dataclass(frozen=True)
        class Mine(PushPull):
            """Made in a function."""

    with pytest.raises(BadInput, match="my_own cannot be imported by a process of its own"):
        outcome(world(agents="local"), Mine())


def test_the_time_limit_holds_while_the_weights_of_all_rounds_are_made():
    """A limit that was over at the beginning: no more than the first round's weights are asked for."""
    task, method = on_ring(), Dgd()
    asked = []

    def weights(k):
        asked.append(k)
        return task.weights

    late = Context(time_limit_s=0.0)
    with pytest.raises(TimeLimitExceeded):
        follow_apart(method, task, own_of(task, example(), Seed(), "shared"), 10**6, late, weights=weights)
    assert len(asked) <= 1
