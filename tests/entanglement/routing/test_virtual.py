"""Ways over virtual links: worked out by hand, held pairs, and what the rules promise on drawn networks."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.links import link_timing
from qoslab.domains.entanglement.methods.local_best_effort import LocalBestEffort
from qoslab.domains.entanglement.methods.modified_greedy import ModifiedGreedy
from qoslab.domains.entanglement.methods.neighbours_of_neighbours import NeighboursOfNeighbours
from qoslab.domains.entanglement.methods.virtual_links import VirtualLinks
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import LivePair, PathPlan, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.virtual import best_effort, greedy_hop, look_ahead
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware, Request
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shortest import hop_counts


def view_of(network, requests, live, **more):
    node = NodeHardware()
    timings = (link_timing(10.0, LinkHardware(), node, node),) * network.m
    asked = tuple(Request(source=a, target=b) for a, b in requests)
    pairs = tuple(LivePair(ident, *ends, 0.9, 0.0) for ident, ends in enumerate(live))
    return View(network, timings, (1,) * network.m, (node,) * network.n, asked, live=pairs, **more)


def decided(method, view):
    swaps = method.decide(view, np.random.default_rng(0), Context())
    return [(swap.node, swap.first, swap.second, swap.request) for swap in swaps]


def line(nodes):
    return Network.from_links(nodes, range(nodes - 1), range(1, nodes))


def test_modified_greedy_keeps_to_its_way():
    # 0-2 is a virtual link: the way is 0, 2, 3, 4 whether it has a pair or not; the way over 1 is not taken.
    virtual = (PathPlan(0, (0, 1, 2)),)
    whole = view_of(line(5), [("0", "4")], [(0, 2), (2, 3), (3, 4)], installed=virtual)
    assert decided(ModifiedGreedy(), whole) == [(2, 0, 1, 0), (3, 1, 2, 0)]
    lacking = view_of(line(5), [("0", "4")], [(0, 1), (1, 2), (2, 3), (3, 4)], installed=virtual)
    # The virtual pair is made out of its path's last pairs, the rest is held.
    assert decided(ModifiedGreedy(), lacking) == [(1, 0, 1, -1)]


def test_local_best_effort_takes_what_is_there():
    virtual = (PathPlan(0, (0, 1, 2)),)
    view = view_of(line(5), [("0", "4")], [(0, 1), (1, 2), (2, 3), (3, 4)], installed=virtual)
    assert decided(LocalBestEffort(), view) == [(1, 0, 1, 0), (2, 1, 2, 0), (3, 2, 3, 0)]


def test_local_best_effort_holds_the_pairs_of_a_way_that_is_not_whole():
    # 2-3 is missing: 0-1 and 1-2 wait for request 0, so that request 1 cannot join 0-1 and 1-2.
    view = view_of(line(5), [("0", "4"), ("0", "2")], [(0, 1), (1, 2), (3, 4)])
    assert decided(LocalBestEffort(), replace(view, delivered=(0, 1))) == []
    assert decided(LocalBestEffort(), replace(view, delivered=(1, 0))) == [(1, 0, 1, 1)]


#      1 - 2
#    /       \
#  0          5     0 to 5: both ways have three hops, and a pair of 3 with 5 shows only to those who look beyond 3.
#    \       /
#      3 - 4
HEXAGON = Network.from_links(6, [0, 1, 2, 0, 3, 4], [1, 2, 5, 3, 4, 5])


def test_a_look_at_the_neighbours_finds_the_longer_pair():
    live = [(0, 1), (0, 3), (3, 5), (1, 2)]
    view = view_of(HEXAGON, [("0", "5")], live)
    assert decided(LocalBestEffort(), view) == []  # to 1, and on to 2, where no pair leads on
    assert decided(NeighboursOfNeighbours(), view) == [(3, 1, 2, 0)]


def test_a_look_at_the_neighbours_may_step_back():
    # From 1 the pair with 0, farther from the target, opens the pair of 0 with 3.
    view = view_of(line(4), [("1", "3")], [(0, 1), (0, 3)])
    assert decided(NeighboursOfNeighbours(), view) == [(0, 0, 1, 0)]
    assert decided(LocalBestEffort(), view) == []


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_every_rule_reaches_the_target_without_passing_a_node_twice(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(int(rng.integers(3, 12)), 0.4, rng)
    far = hop_counts(network, network.n - 1)
    live = [tuple(rng.choice(network.n, 2, replace=False).tolist()) for _ in range(int(rng.integers(0, 14)))]
    reached = far >= 0
    live = [(a, b) for a, b in live if reached[a] and reached[b]]
    view = view_of(network, [(network.nodes[0], network.nodes[-1])], live)
    graph = LiveGraph(view)
    links = set(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    links |= {(b, a) for a, b in links}
    if not reached[0]:
        return
    for hop in (greedy_hop(network, ()), best_effort(network), look_ahead(network)):
        nodes = [0]
        while nodes[-1] != network.n - 1:
            nodes += hop(graph, nodes[-1], far)
        assert max(Counter(nodes).values()) == 1
        assert all(graph.count(a, b) or (a, b) in links for a, b in pairwise(nodes))
        assert sum(graph.count(a, b) == 0 for a, b in pairwise(nodes)) <= far[0]


def grid_scenario(partners_in_reach):
    names = [f"n{k}" for k in range(9)]
    links = [
        {"source": a, "target": b, "length_km": 5.0}
        for k, (a, b) in enumerate(pairwise(names))
        if k < partners_in_reach
    ]
    raw = {
        "network": {"links": links},
        "requests": [{"source": "n0", "target": f"n{partners_in_reach}"}],
        "links": {"pairs": 2},
        "nodes": {"swap_success": 1.0, "coherence_s": 1.0},
        "phases": {"external_s": 0.001},
        "horizon_s": 0.5,
    }
    return EntanglementScenario.model_validate(raw)


def test_without_virtual_links_all_rules_are_one_rule_on_a_line():
    # There is one way; modified greedy, local best effort and the look ahead join it as soon as it is whole.
    scenario = grid_scenario(4)
    metrics = [
        next(iter(run(scenario, method(partners=0), [Seed()], Context()))).metrics
        for method in (ModifiedGreedy, LocalBestEffort, NeighboursOfNeighbours, VirtualLinks)
    ]
    assert metrics[0]["rate_per_s"] > 50
    assert all(each == pytest.approx(metrics[0]) for each in metrics[1:])


@pytest.mark.parametrize("method", [ModifiedGreedy, LocalBestEffort, NeighboursOfNeighbours])
def test_runs_with_virtual_links_deliver(method):
    # Conservation is checked by the run itself.
    outcome = next(iter(run(grid_scenario(8), method(partners=2), [Seed()], Context())))
    assert outcome.metrics["rate_per_s"] > 5
