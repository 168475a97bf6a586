"""Decisions on live pairs: worked out by hand, and against the rules on link states."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.entanglement.links import link_timing
from qoslab.domains.entanglement.methods.continuous_distribution import ContinuousDistribution
from qoslab.domains.entanglement.methods.max_weight import MaxWeight
from qoslab.domains.entanglement.methods.opportunistic import Opportunistic
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.reactive_local import ReactiveLocal
from qoslab.domains.entanglement.methods.stock_balancing import StockBalancing
from qoslab.domains.entanglement.protocol import LivePair, View
from qoslab.domains.entanglement.routing.live import global_paths, local_paths
from qoslab.domains.entanglement.routing.pairs import LiveGraph, fidelity_of
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.scenario import LinkHardware, NodeHardware, Request
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shapes import grid


def view_of(network, requests, live, fidelity=0.25, gate=1.0, **more):
    node = NodeHardware(gate_fidelity=gate)
    timings = (link_timing(10.0, LinkHardware(), node, node),) * network.m
    asked = tuple(
        request
        if isinstance(request, Request)
        else Request(source=request[0], target=request[1], fidelity=fidelity)
        for request in requests
    )
    pairs = tuple(LivePair(ident, *rest) for ident, rest in enumerate(live))
    return View(network, timings, (1,) * network.m, (node,) * network.n, asked, live=pairs, **more)


def decided(method, view, seed=0):
    return list(method.decide(view, np.random.default_rng(seed), Context()))


def joined(view, swaps):
    """Pairs after swaps that all succeed, as ends by the set of their parts; each end is used once."""
    ends = {pair.ident: (pair.first, pair.second) for pair in view.live}
    used = Counter((swap.node, ident) for swap in swaps for ident in (swap.first, swap.second))
    assert all(swap.node in ends[ident] for swap in swaps for ident in (swap.first, swap.second))
    assert not used or max(used.values()) == 1
    groups = {ident: {ident} for ident in ends}
    for swap in swaps:
        union = groups[swap.first] | groups[swap.second]
        for ident in union:
            groups[ident] = union
    found = []
    for parts in {frozenset(group) for group in groups.values()}:
        free = Counter(node for ident in parts for node in ends[ident])
        for swap in swaps:
            if swap.first in parts:
                free[swap.node] -= 2
        found.append(tuple(sorted(free.elements())))
    return Counter(found)


DIAMOND = Network.from_links(4, [0, 1, 0, 2, 0], [1, 3, 2, 3, 3])
SQUARE = [(0, 1, 0.9, 0.001), (1, 3, 0.9, 0.001), (0, 2, 0.99, 0.002), (2, 3, 0.99, 0.002)]


def test_the_graph_gives_the_best_pair_first():
    view = view_of(DIAMOND, [("0", "3")], [(0, 1, 0.7, 0.0), (1, 0, 0.9, 0.0), (1, 3, 0.8, 0.0)])
    graph = LiveGraph(view)
    assert graph.count(1, 0) == 2
    assert graph.best(0, 1).ident == 1
    assert graph.take(0, 1).ident == 1
    assert graph.take(1, 0).ident == 0
    assert graph.at(0) == []
    assert graph.path(Ends(0, 3), lambda pair: 1.0) is None


def test_fidelity_of_a_chain():
    view = view_of(DIAMOND, [("0", "3")], SQUARE, gate=0.98)
    chain = LiveGraph(view).seen((0, 1, 3))
    w = ((4 * 0.9 - 1) / 3) ** 2 * 0.98
    assert fidelity_of(chain, [0.98] * 4) == pytest.approx((3 * w + 1) / 4)


@pytest.mark.parametrize(
    ("metric", "wanted", "order"),
    [("hops", 0.25, [1, 2]), ("fidelity", 0.25, [2, 1]), ("hops", 0.9, [2]), ("fidelity", 0.99, [])],
)
def test_central_control_takes_good_paths(metric, wanted, order):
    view = view_of(DIAMOND, [("0", "3")], SQUARE, fidelity=wanted)
    assert [swap.node for swap in decided(ReactiveCentral(metric=metric), view)] == order


def test_central_control_serves_who_got_least():
    live = [(0, 1, 0.9, 0.0), (1, 3, 0.9, 0.0), (1, 2, 0.9, 0.0)]
    view = view_of(DIAMOND, [("0", "3"), ("2", "3")], live)
    for delivered, served in (((5, 2), 1), ((2, 5), 0)):
        swaps = decided(ReactiveCentral(), replace(view, delivered=delivered))
        assert [swap.request for swap in swaps] == [served]
    sated = Request(source="2", target="3", rate_per_s=1.0)
    view = view_of(DIAMOND, [("0", "3"), sated], live, delivered=(5, 2), now_s=1.0)
    assert [swap.request for swap in decided(ReactiveCentral(), view)] == [0]


@pytest.mark.parametrize("seed", range(10))
def test_central_control_is_the_global_rule_on_link_states(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(9, 0.4, rng)
    counts = rng.integers(0, 3, network.m)
    live = [
        (int(network.tail[k]), int(network.head[k]), 0.9, 0.0)
        for k in range(network.m)
        for _ in range(counts[k])
    ]
    requests = [("0", "8"), ("1", "7")]
    expected = global_paths(network, counts, [Ends(0, 8), Ends(1, 7)])
    view = view_of(network, requests, live)
    found = joined(view, decided(ReactiveCentral(), view))
    lengths = sorted(len(nodes) - 1 for _, nodes in expected)
    swaps = decided(ReactiveCentral(), view)
    assert len(swaps) == sum(lengths) - len(lengths)
    assert found[0, 8] == sum(request == 0 for request, _ in expected)


@pytest.mark.parametrize("seed", range(10))
def test_local_control_is_the_local_rule_on_link_states(seed):
    rng = np.random.default_rng(seed)
    network = grid(3, 4)
    live = (rng.random(network.m) < 0.75).astype(int)
    pairs = [(int(network.tail[k]), int(network.head[k]), 0.9, 0.0) for k in np.flatnonzero(live)]
    view = view_of(network, [(network.nodes[0], network.nodes[11])], pairs)
    found = joined(view, decided(ReactiveLocal(), view))
    assert found[0, 11] == len(local_paths(network, live, Ends(0, 11)))


def test_local_control_keeps_to_its_window():
    live = [(0, 1, 0.9, 0.001), (1, 3, 0.9, 0.004)]
    view = view_of(DIAMOND, [("0", "3")], live)
    assert decided(ReactiveLocal(window_s=0.002), view) == []
    assert len(decided(ReactiveLocal(window_s=0.004), view)) == 1


LINE = Network.from_links(5, range(4), range(1, 5))


def moved(method, live, requests=(("0", "4"),)):
    view = view_of(LINE, requests, live)
    installed = method.plan(view, np.random.default_rng(0), Context()).paths
    return [
        (swap.node, swap.first, swap.second) for swap in decided(method, replace(view, installed=installed))
    ]


@pytest.mark.parametrize(
    ("live", "swaps"),
    [
        (
            [(0, 1, 0.9, 0.0), (1, 2, 0.9, 0.0), (3, 4, 0.9, 0.0)],
            [(1, 0, 1)],
        ),  # as far as it goes, not beyond
        (
            [(2, 0, 0.9, 0.0), (2, 3, 0.9, 0.0), (3, 4, 0.9, 0.0)],
            [(2, 0, 1), (3, 1, 2)],
        ),  # from where it stands
        ([(1, 2, 0.9, 0.0), (2, 3, 0.9, 0.0)], []),  # nothing has left the source
        ([(0, 2, 0.9, 0.0), (3, 4, 0.9, 0.0)], []),  # the next pair is missing
    ],
)
def test_a_request_moves_on_as_soon_as_it_can(live, swaps):
    assert moved(Opportunistic(), live) == swaps


def test_who_moves_first():
    # Two pairs of the source, one way on from node 2: the farther one has it, or the older one.
    live = [(0, 2, 0.9, 0.001), (0, 1, 0.9, 0.005), (1, 2, 0.9, 0.0), (2, 3, 0.9, 0.0)]
    assert moved(Opportunistic(first="remaining"), live) == [(2, 0, 3), (1, 1, 2)]
    assert moved(Opportunistic(first="age"), live) == [(1, 1, 2), (2, 2, 3)]


def test_max_weight_serves_the_longer_queue():
    live = [(0, 1, 0.9, 0.0), (1, 3, 0.9, 0.0), (1, 2, 0.9, 0.0)]
    for rates, served in (((1.0, 9.0), 1), ((9.0, 1.0), 0)):
        requests = [
            Request(source=a, target="3", rate_per_s=rate) for a, rate in zip(("0", "2"), rates, strict=True)
        ]
        view = view_of(
            Network.from_links(4, [0, 1, 1], [1, 3, 2]), requests, live, delivered=(0, 0), now_s=1.0
        )
        assert [swap.request for swap in decided(MaxWeight(), view)] == [served]
        assert decided(MaxWeight(), replace(view, delivered=(9, 9))) == []


def test_stocks_are_levelled_out():
    # 0-1 and 1-2 have three pairs each, 0-2 has none: two swaps leave 1, 1 and 2.
    live = [(0, 1, 0.95, 0.0)] * 3 + [(1, 2, 0.95, 0.0)] * 3
    view = view_of(LINE, [("0", "4")], live)
    assert joined(view, decided(StockBalancing(), view)) == {(0, 1): 1, (1, 2): 1, (0, 2): 2}
    assert len(decided(StockBalancing(margin=2), view)) == 1
    assert decided(StockBalancing(margin=4), view) == []
    assert decided(StockBalancing(least_fidelity=0.95), view) == []


def test_random_swaps_keep_to_their_bounds():
    live = [(k, k + 1, 0.9, 0.0) for k in range(4)]
    view = view_of(LINE, [("0", "4")], live)
    assert decided(ContinuousDistribution(probability=0.0), view) == []
    assert decided(ContinuousDistribution(probability=1.0, most_hops=1), view) == []
    seen = set()
    for seed in range(30):
        swaps = decided(ContinuousDistribution(probability=1.0), view, seed)
        assert 1 <= len(swaps) <= 2
        assert sum(joined(view, swaps).values()) == 4 - len(swaps)
        seen |= {swap.node for swap in swaps}
    assert seen == {1, 2, 3}
