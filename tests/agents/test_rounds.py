"""Rounds between agents: what may be said, how it is mixed, what the channel does to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.agents.agent import Agent, seats
from qoslab.agents.averaging import Averaging
from qoslab.agents.channel import Channel
from qoslab.agents.message import MessageType, Part
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Rules, Weights, require_strong
from qoslab.core.errors import BadInput
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import k_in
from qoslab.graphs.spectra import perron


def ring(n):
    return Network.from_links(n, list(range(n)), [(i + 1) % n for i in range(n)], name="ring")


def averaged(network, count, *, mixing="doubly", channel=None, taps=(), weights=None, seed=0):
    x = np.arange(1.0, network.n + 1)[:, None]
    own, program = Own(np.arange(network.n), network.n, x), Averaging(mixing)
    rng = np.random.default_rng(seed)
    wire = Wire(program.message(own), weights or Weights(network), channel, rng, taps)
    return [state["x"][:, 0] for state in rounds(program, own, wire, count)], wire


def test_rounds_are_powers_of_the_mixing_matrix():
    states, wire = averaged(ring(7), 5)
    w = Weights(ring(7)).doubly.toarray()
    np.testing.assert_allclose(states[5], np.linalg.matrix_power(w, 5) @ np.arange(1.0, 8.0), atol=1e-14)
    assert wire.messages == 5 * 14
    assert wire.bytes == 5 * 14 * 8


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 12), st.integers(0, 10_000))
def test_row_weights_lead_to_the_mean_by_the_perron_vector(n, seed):
    network = k_in(n, 2, np.random.default_rng(seed))
    states, _ = averaged(network, 3000, mixing="row")
    mean = perron(Weights(network).row) @ np.arange(1.0, n + 1)
    np.testing.assert_allclose(states[-1], mean, rtol=1e-9)


def test_column_weights_keep_the_sum():
    network = k_in(9, 3, np.random.default_rng(1))
    states, _ = averaged(network, 50, mixing="column")
    assert states[-1].sum() == pytest.approx(45.0, abs=1e-12)


def test_a_channel_that_does_nothing_changes_nothing():
    """Noise too small to see takes the path over single arcs; it must give what the matrices give."""
    plain, _ = averaged(ring(6), 20)
    arcs, _ = averaged(ring(6), 20, channel=Channel(noise=1e-300))
    np.testing.assert_allclose(arcs[-1], plain[-1], atol=1e-13)


def test_delayed_messages_are_those_of_earlier_rounds():
    """By hand on two agents: 1/2 each; until the first message arrives, the weight stays at home."""
    states, _ = averaged(Network.from_links(2, [0], [1]), 3, channel=Channel(delay=1))
    np.testing.assert_allclose(states[1], [1.0, 2.0])
    np.testing.assert_allclose(states[2], [1.5, 1.5])
    np.testing.assert_allclose(states[3], [1.75, 1.25])


def test_a_lost_message_leaves_the_last_one_standing():
    """All but one in a hundred lost: agents still agree, for what was heard once is kept."""
    states, _ = averaged(ring(4), 4000, channel=Channel(loss=0.9))
    assert np.ptp(states[-1]) < 1e-6
    none, _ = averaged(ring(4), 5, channel=Channel(loss=1.0))
    np.testing.assert_allclose(none[-1], [1.0, 2.0, 3.0, 4.0])


def test_noise_has_the_declared_size():
    """24,000 mean squares: relative error of their mean 1 / sqrt(12,000), 5 sigma."""
    network, kind = ring(6), MessageType((Part("x", (), "doubly"),))
    wire = Wire(kind, Weights(network), Channel(noise=0.5), np.random.default_rng(3))
    heard = np.array([wire.exchange({"x": np.zeros(6)}, k)["x"] for k in range(4000)])
    assert (heard**2).mean() == pytest.approx(2 * 0.25 / 9, rel=5 / np.sqrt(12_000))


def test_a_tap_hears_what_its_agent_says_and_nothing_else():
    tap = Tap((2,))
    states, _ = averaged(ring(5), 8, taps=(tap,))
    np.testing.assert_array_equal(tap.history("x")[:, 0, 0], [state[2] for state in states[:8]])


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({}, "part 'x' is missing"),
        ({"x": np.zeros((3, 1)), "gradient": np.zeros(3)}, "round 0: part 'gradient' is not in the declared"),
        ({"x": [[0.0], [0.0], [0.0]]}, "part 'x' is a list, not an array"),
        ({"x": np.zeros(3)}, r"has the shape \(3,\), not \(3, 1\)"),
        ({"x": np.zeros((3, 1), np.int64)}, "holds int64"),
    ],
)
def test_what_is_not_declared_cannot_be_sent(message, words):
    wire = Wire(MessageType((Part("x", (1,), "row"),)), Weights(ring(3)))
    with pytest.raises(BadInput, match=words):
        wire.exchange(message, 0)


def test_rows_that_do_not_sum_to_one_are_named():
    with pytest.raises(BadInput, match=r"row 1 sums to 0\.9"):
        _ = Weights(ring(3), np.array([[0.5, 0.5, 0], [0.4, 0.5, 0], [0, 0.5, 0.5]])).row


def test_a_network_without_a_way_back_is_refused():
    with pytest.raises(BadInput, match="'1' hears '0', but there is no way back"):
        require_strong(Network.from_links(2, [0], [1], directed=True, name="one way"))
    with pytest.raises(BadInput, match="no way between"):
        require_strong(Network.from_links(2, [], [], name="apart"))


def test_undirected_weights_on_a_digraph_are_refused():
    with pytest.raises(BadInput, match="undirected"):
        averaged(k_in(5, 2, np.random.default_rng(0)), 1)


def test_a_directed_network_without_weights_for_it_is_told_what_takes_one():
    one_way = Network.from_links(3, [0, 1, 2], [1, 2, 0], directed=True, name="one way")
    with pytest.raises(
        BadInput, match="metropolis weights, which this method needs, take an undirected"
    ) as caught:
        _ = Weights(one_way).doubly
    assert "sinkhorn" in str(caught.value.problems[0].hint)
    matrix = Weights(one_way, rules=Rules(doubly="sinkhorn")).doubly.toarray()
    np.testing.assert_allclose([matrix.sum(axis=0), matrix.sum(axis=1)], 1.0, atol=1e-9)


def test_a_nan_is_refused_with_round_and_agent():
    """Whether all agents speak at once or one alone; the type alone lets it pass, for it is a number to NumPy."""
    wire = Wire(MessageType((Part("x", (2,), "doubly"),)), Weights(ring(4)))
    said = np.ones((4, 2))
    wire.exchange({"x": said}, 6)
    said[2, 1] = np.nan
    with pytest.raises(BadInput, match=r"round 7, agent 2: part 'x' is \[1\.0, nan\]"):
        wire.exchange({"x": said}, 7)


@pytest.mark.parametrize("large", [np.inf, -np.inf, 1e150])
def test_infinities_and_what_comes_of_them_pass(large):
    """Rounds that grow without bound end in inf - inf: that is for the caller to tell, not for the wire."""
    wire = Wire(MessageType((Part("x", (), "doubly"),)), Weights(ring(4)))
    wire.exchange({"x": np.array([1.0, large, 1.0, 1.0])}, 0)
    with np.errstate(invalid="ignore"):
        assert np.isnan(wire.exchange({"x": np.full(4, np.nan)}, 1)["x"]).all()


class Slip(Averaging):
    """Averaging whose agent 1 makes a NaN in round 2."""

    def hear(self, state, heard, own, k):
        x = heard["x"].copy()
        x[(own.agents == 1) & (k == 2)] = np.nan
        return {"x": x}


def test_an_agent_alone_refuses_its_own_nan():
    program, network = Slip("doubly"), ring(3)
    owns = [Own(np.array([i]), 3, np.full((1, 1), float(i))) for i in range(3)]
    kind = program.message(owns[0])
    crew = [
        Agent(program, own, seat, kind, 10)
        for own, seat in zip(owns, seats(Weights(network), kind, 10), strict=True)
    ]

    def work(k):
        for one in crew:
            for j, box in one.outbox.items():
                crew[j].receive(one.seat.agent, k, box[k])
        for one in crew:
            one.step()

    work(0)
    work(1)
    with pytest.raises(BadInput, match=r"round 3, agent 1: part 'x' is \[nan\]"):
        work(2)
