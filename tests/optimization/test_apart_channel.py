"""Noise, delay, loss and links that come and go hit agents on their own just as they hit arrays."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from qoslab.agents import ray as on_ray
from qoslab.agents.agent import Agent, seats
from qoslab.agents.channel import Channel
from qoslab.agents.local import work_locally
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.instances import c1
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.task import changing, own_of, task_of
from qoslab.graphs.network import Network

ALL = Channel(noise=0.05, loss=0.3, delay=2)
CHANNELS = [Channel(noise=0.05), Channel(loss=0.3), Channel(delay=2), ALL]


def digraph(n=5):
    """A directed ring with two chords: agents hear one or two, and speak to one to three."""
    tails, heads = [*range(n), 0, 0], [*((i + 1) % n for i in range(n)), 2, 3]
    i = np.arange(n)
    costs = Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)]))
    return task_of(Network.from_links(n, tails, heads, directed=True), costs)


def knowledge(task, method):
    """What agents know, with noise on what they measure: a loss must not shift that either."""
    scenario = example().model_copy(update={"measurement_noise": 0.1})
    own = own_of(task, scenario, Seed(replication=4), method.decision)
    return replace(own, data=replace(own.data, steady=False))


def singles(task, own):
    return [Own(np.array([i]), task.n, own.data.rows([i])) for i in range(task.n)]


def stream(name):
    return Seed(replication=4).generator(name)


def links(task, up):
    return task.weights if up == 1 else changing(task, up, stream("links"))


def on_arrays(task, method, count, channel=None, up=1.0, taps=()):
    own = knowledge(task, method)
    wire = Wire(method.message(own), links(task, up), channel, stream("channel"), taps)
    return np.stack([state["x"] for state in rounds(method, own, wire, count)])


def apart(task, method, count, channel=None, up=1.0, *, on=work_locally, **more):
    own = knowledge(task, method)
    air = {"channel": channel, "rng": stream("channel")}
    return on(method, singles(task, own), method.message(own), links(task, up), count, **air, **more)


def agents_of(task, method, count, channel=None, up=1.0):
    own = knowledge(task, method)
    kind = method.message(own)
    places = seats(links(task, up), kind, count, channel, stream("channel"))
    return [Agent(method, *each, kind, count) for each in zip(singles(task, own), places, strict=True)]


def step(agents):
    for speaker in agents:
        for hearer, box in speaker.outbox.items():
            for k, frame in box.items():
                agents[hearer].receive(speaker.seat.agent, k, frame)
    for agent in agents:
        agent.step()


METHODS = [RowStochasticTracking(0.01), PushDiging(0.01), PushPull(0.01)]


@pytest.mark.parametrize("channel", CHANNELS, ids=str)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_agents_alone_meet_the_channel_that_arrays_meet(method, channel):
    task = digraph()
    agents, whole = agents_of(task, method, 60, channel), on_arrays(task, method, 60, channel)
    for k in range(60):
        step(agents)
        got = np.concatenate([agent.state["x"] for agent in agents])
        np.testing.assert_allclose(got, whole[k + 1], rtol=1e-12, atol=1e-12)
    assert np.abs(whole - on_arrays(task, method, 60)).max() > 1e-3


@pytest.mark.parametrize(
    ("make", "method"),
    [*((digraph, one) for one in METHODS), (c1, PenaltyConsensus(step=0.005))],
    ids=lambda one: getattr(one, "__name__", None) or type(one).__name__,
)
def test_agents_alone_meet_the_links_that_arrays_meet(make, method):
    task = make()
    agents, whole = agents_of(task, method, 60, up=0.6), on_arrays(task, method, 60, up=0.6)
    for k in range(60):
        step(agents)
        got = np.concatenate([agent.state["x"] for agent in agents])
        np.testing.assert_allclose(got, whole[k + 1], rtol=1e-12, atol=1e-12)


def test_nothing_is_sent_over_a_link_that_is_down():
    task, method = digraph(), RowStochasticTracking(0.01)
    weights, agents = links(task, 0.5), agents_of(task, method, 20, up=0.5)
    for k in range(20):
        arcs = weights(k).network.arcs
        up = set(zip(arcs.tails.tolist(), arcs.heads.tolist(), strict=True))
        for agent in agents:
            for hearer, box in agent.outbox.items():
                assert any(box[k]) == ((agent.seat.agent, hearer) in up)
        step(agents)


@pytest.mark.parametrize("channel", CHANNELS, ids=str)
def test_a_checkpoint_holds_what_is_on_the_way(tmp_path, channel):
    """The agent made anew from it ends in the very same state, bit for bit."""
    task, method = digraph(), PushDiging(0.01)
    agents = agents_of(task, method, 40, channel)
    for k in range(40):
        if k == 17:
            agents[2].save(tmp_path / "2.npz")
        step(agents)
    fresh = agents_of(task, method, 40, channel)[2]
    fresh.load(tmp_path / "2.npz")
    for speaker in fresh.seat.speakers:
        for k, frame in agents[speaker].outbox[2].items():
            fresh.receive(speaker, k, frame)
    while fresh.ready:
        fresh.step()
    assert fresh.done
    np.testing.assert_array_equal(fresh.state["x"], agents[2].state["x"])


@pytest.mark.parametrize(("channel", "up"), [(ALL, 1.0), (None, 0.6)], ids=["channel", "link_up"])
def test_killed_processes_start_again_and_lose_what_they_would_have_lost(channel, up):
    task, method, count, killed = digraph(), PushPull(0.01), 800, {}

    def kill(pids, done):
        for agent, after in ((1, 40), (3, 150)):
            if agent not in killed and after <= done[agent] < count - 150:
                killed[agent] = done[agent]
                os.kill(pids[agent], signal.SIGKILL)

    walk = apart(task, method, count, channel, up, every=50, watch=kill)
    assert walk.restarts == len(killed) >= 1
    np.testing.assert_allclose(walk.x, on_arrays(task, method, count, channel, up), rtol=1e-12, atol=1e-12)


def outcome(**changes):
    base = {
        "network": {"generate": {"model": "k_in", "nodes": 5, "in_degree": 2}},
        "problem": {"kind": "quadratic"},
        "rounds": 80,
    }
    scenario = OptimizationScenario.model_validate(base | changes)
    return next(iter(run(scenario, PushPull(0.05), [Seed()], Context())))


@pytest.mark.parametrize(
    "changes", [{"channel": {"noise": 0.01, "loss": 0.2, "delay": 1}}, {"link_up": 0.6}], ids=str
)
def test_a_run_with_processes_tells_what_one_on_arrays_tells(changes):
    arrays, local = outcome(**changes), outcome(agents="local", **changes)
    assert local.metrics == pytest.approx(arrays.metrics, rel=1e-9, abs=1e-12)
    assert local.counters == arrays.counters


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channel": {"noise": 0.01, "loss": 0.2}},
        {"privacy": {"epsilon": 0.9}},
        {"eavesdropper": {"agent": 3, "interception": 0.4, "knows": "all but the targets"}},
    ],
    ids=str,
)
def test_an_eavesdropper_learns_as_much_of_processes_as_of_arrays(changes):
    tapped = {"eavesdropper": {"agent": 3, "interception": 0.4}} | changes
    arrays, local = outcome(**tapped), outcome(agents="local", **tapped)
    assert arrays.metrics["protection_of_states"] > 0
    assert local.metrics == pytest.approx(arrays.metrics, rel=1e-9, abs=1e-12)


# Not of row-stochastic tracking: it diverges under this channel, and what grows without bound magnifies rounding.
@pytest.mark.parametrize("method", METHODS[1:], ids=lambda method: type(method).__name__)
def test_a_tap_records_what_was_said_also_of_an_agent_that_was_killed(method):
    task, count, killed = digraph(), 700, {}

    def kill(pids, done):
        if not killed and 60 <= done[3] < count - 150:
            killed[3] = done[3]
            os.kill(pids[3], signal.SIGKILL)

    whole, part = Tap((3, 0)), Tap((3, 0))
    kind = method.message(knowledge(task, method))
    on_arrays(task, method, count, ALL, taps=[whole])
    walk = apart(task, method, count, ALL, every=50, watch=kill, taps=[part])
    assert walk.restarts == len(killed) == 1
    assert len(part.said) == len(whole.said) == count
    for one in kind.parts:
        np.testing.assert_allclose(part.history(one.name), whole.history(one.name), rtol=1e-12, atol=1e-12)


def test_a_channel_on_links_that_come_and_go_is_refused_as_on_arrays():
    for agents in ("arrays", "local"):
        with pytest.raises(BadInput, match="not offered together with links that come and go"):
            outcome(agents=agents, link_up=0.5, channel={"delay": 1})


def test_an_agent_that_hears_nobody_keeps_to_itself():
    method = RowStochasticTracking()
    kind = method.message(knowledge(digraph(), method))
    alone = Weights(Network.from_links(2, [0], [1], directed=True))
    places = seats(alone, kind, 1, ALL, stream("channel"))
    assert places[0].speakers == ()
    assert places[1].speakers == (0,)
    assert [len(place.inlet.rows) for place in places] == [0, 1]


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("channel", "up"), [(ALL, 1.0), (None, 0.6)], ids=["channel", "link_up"])
def test_actors_meet_what_arrays_meet(channel, up):
    """One of five Ray actors is killed after its first checkpoint."""
    ray = pytest.importorskip("ray")
    task, method, count, killed = digraph(), PushPull(0.01), 3000, {}

    def kill(pids, done):
        if not killed and 60 <= done[1] < count - 500:
            killed[1] = done[1]
            os.kill(pids[1], signal.SIGKILL)

    heard, whole = Tap((1,)), Tap((1,))
    on_ray._begin(ray)
    try:
        more = {"on": on_ray.work_on_ray, "every": 50, "watch": kill, "taps": [heard]}
        walk = apart(task, method, count, channel, up, **more)
    finally:
        ray.shutdown()
    assert walk.restarts == len(killed) == 1
    expected = on_arrays(task, method, count, channel, up, taps=[whole])
    np.testing.assert_allclose(walk.x, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(heard.history("x"), whole.history("x"), rtol=1e-12, atol=1e-12)
