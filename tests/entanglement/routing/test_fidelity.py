"""Purified paths against all paths with all rounds, and against closed forms."""

from itertools import product

import networkx as nx
import numpy as np
import pytest

from qoslab.domains.entanglement.routing.fidelity import (
    Step,
    cheapest_path,
    greedy_rounds,
    leap_path,
    purification_steps,
)
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shapes import grid
from qoslab.graphs.shortest import path_from_nodes


def all_ways(network, ends, steps, gates, free):
    """Every path with every choice of rounds that its free memories allow: (memories, Werner, nodes, rounds)."""
    for nodes in nx.all_simple_paths(to_networkx(network), *ends):
        links = path_from_nodes(network, tuple(nodes)).links(network)
        gate = np.prod([gates[v] for v in nodes[1:-1]])
        for rounds in product(*(range(len(steps[link])) for link in links)):
            chosen = [steps[link][r] for link, r in zip(links, rounds, strict=True)]
            if all(step.memories <= free[link] for step, link in zip(chosen, links, strict=True)):
                memories = sum(step.memories for step in chosen)
                yield memories, gate * np.prod([step.werner for step in chosen]), tuple(nodes), rounds


def world(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(6, 0.4, rng)
    steps = [purification_steps(float(w), 1.0, 4, 2) for w in rng.uniform(0.7, 0.98, network.m)]
    return network, steps, rng.uniform(0.95, 1.0, 6), rng.integers(1, 5, network.m)


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("least", [0.5, 0.8, 0.9])
def test_the_cheapest_of_all_paths_and_rounds(seed, least):
    network, steps, gates, free = world(seed)
    ways = [way for way in all_ways(network, Ends(0, 5), steps, gates, free) if way[1] >= least]
    found = cheapest_path(network, Ends(0, 5), steps, gates, free, least)
    if not ways:
        assert found is None
        return
    cheapest = min(memories for memories, *_ in ways)
    assert found.memories == cheapest
    assert found.werner == pytest.approx(max(werner for memories, werner, *_ in ways if memories == cheapest))
    assert any(way[2:] == (found.nodes, found.rounds) for way in ways)


@pytest.mark.parametrize("seed", range(15))
def test_the_leap_takes_the_purest_path_and_keeps_its_word(seed):
    network, steps, gates, free = world(seed)
    fresh = [way for way in all_ways(network, Ends(0, 5), steps, gates, free) if not any(way[3])]
    best = max((way[1] for way in fresh), default=None)
    found = leap_path(network, Ends(0, 5), steps, gates, free, 0.0)
    assert (found is None) == (best is None)
    if found is not None:
        assert found.werner == pytest.approx(best)
    for least in (0.6, 0.8, 0.9):
        found = leap_path(network, Ends(0, 5), steps, gates, free, least)
        if found is not None:
            assert found.werner >= least - 1e-9
            assert all(1 << r <= free[link] for r, link in zip(found.rounds, found.links, strict=True))
            exact = cheapest_path(network, Ends(0, 5), steps, gates, free, least)
            assert exact is not None
            assert exact.memories <= found.memories


def test_the_leap_shares_the_need_alike():
    # Three hops of 0.9: 0.729 in all; 0.79 asks 0.924 of each, and one round makes 0.926 of 0.9.
    steps = [purification_steps(0.9, 1.0, 8, 3)] * 3
    found = leap_path(grid(1, 4), Ends(0, 3), steps, [1.0] * 4, np.full(3, 8), 0.79)
    assert found.rounds == (1, 1, 1)
    assert leap_path(grid(1, 4), Ends(0, 3), steps, [1.0, 0.0, 1.0, 1.0], np.full(3, 8), 0.79) is None


def test_steps_are_bbpssw():
    f = 0.85
    steps = purification_steps((4 * f - 1) / 3, 1.0, 4, 3)
    success = f * f + 2 * f * (1 - f) / 3 + 5 * (1 - f) ** 2 / 9
    after = (f * f + ((1 - f) / 3) ** 2) / success
    assert [step.memories for step in steps] == [1, 2, 4]
    assert (3 * steps[1].werner + 1) / 4 == pytest.approx(after)
    assert steps[1].pairs == pytest.approx(2 / success)


def test_what_gets_no_better_has_one_step():
    assert len(purification_steps(1 / 3, 1.0, 8, 3)) == 1  # F = 1/2
    assert len(purification_steps(0.95, 0.9, 8, 3)) == 1  # gates worse than the pair


@pytest.mark.parametrize("seed", range(20))
def test_greedy_rounds_reach_the_need_when_it_can_be_reached(seed):
    rng = np.random.default_rng(seed)
    steps = [purification_steps(float(w), 1.0, 8, 3) for w in rng.uniform(0.75, 0.98, 3)]
    ways = {}
    for rounds in product(*(range(len(step)) for step in steps)):
        chosen = [step[r] for step, r in zip(steps, rounds, strict=True)]
        ways[rounds] = np.prod([s.werner for s in chosen]), sum(s.memories for s in chosen)
    for least in (0.6, 0.75, 0.85, 0.99):
        enough = [memories for werner, memories in ways.values() if werner >= least]
        found = greedy_rounds(steps, 1.0, least)
        assert (found is None) == (not enough)
        if found is not None:
            assert ways[found][0] >= least - 1e-9
            assert ways[found][1] <= 2 * min(enough)


def test_greedy_takes_the_largest_gain():
    # Link 1 gains ln(0.9 / 0.5) for one memory, link 0 ln(0.9 / 0.8).
    steps = [(Step(1, 0.8, 1.0), Step(2, 0.9, 2.2)), (Step(1, 0.5, 1.0), Step(2, 0.9, 2.2))]
    assert greedy_rounds(steps, 1.0, 0.7) == (0, 1)
    assert greedy_rounds(steps, 1.0, 0.8) == (1, 1)
    assert greedy_rounds(steps, 0.9, 0.8) is None
