"""Broken paths and how they are mended: rings by hand, against networkx, and whole methods on small networks."""

from dataclasses import replace
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.entanglement.links import link_timing
from qoslab.domains.entanglement.methods.power_of_two import PowerOfTwo, Ring, greedy_chain, ring_of
from qoslab.domains.entanglement.methods.q_cast import QCast
from qoslab.domains.entanglement.methods.q_pass import QPass
from qoslab.domains.entanglement.protocol import LivePair, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.recovery import edges_of, ring_path, segments
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.scenario import LinkHardware, NodeHardware, Request
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shapes import grid
from qoslab.graphs.shortest import path_from_nodes


def view_of(network, requests, pairs=1, **more):
    node, link = NodeHardware(), LinkHardware(pairs=pairs)
    lengths = [float(km) if np.isfinite(km) else 10.0 for km in network.length_km]
    timings = tuple(link_timing(km, link, node, node) for km in lengths)
    asked = tuple(Request(source=a, target=b) for a, b in requests)
    return View(
        network, timings, (pairs,) * network.m, (node,) * network.n, asked, links=(link,) * network.m, **more
    )


def with_live(view, ends, installed=()):
    live = tuple(LivePair(ident, a, b, 0.9, 0.0) for ident, (a, b) in enumerate(ends))
    return replace(view, live=live, installed=installed)


def chains(view, swaps):
    """Node paths that swaps join, by the ends of live pairs."""
    graph, by_ident = nx.Graph(), {pair.ident: (pair.first, pair.second) for pair in view.live}
    graph.add_nodes_from(by_ident)
    graph.add_edges_from((swap.first, swap.second) for swap in swaps)
    found = []
    for parts in nx.connected_components(graph):
        if len(parts) > 1:
            degree = {}
            for node in (node for ident in parts for node in by_ident[ident]):
                degree[node] = degree.get(node, 0) + 1
            found.append(tuple(sorted(node for node, count in degree.items() if count == 1)))
    return sorted(found)


MAJOR = (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("broken", "recoveries", "path"),
    [
        ([], [], MAJOR),
        ([], [(1, 5, 2)], MAJOR),  # nothing to mend
        ([(1, 2)], [(1, 5, 2)], (0, 1, 5, 2, 3, 4)),
        ([(1, 2)], [(0, 5, 2)], (0, 5, 2, 3, 4)),
        ([(1, 2)], [], None),
        ([(1, 2), (5, 2)], [(1, 5, 2)], None),  # the detour is broken, too
        ([(1, 2), (3, 4)], [(1, 5, 2), (3, 6, 4)], (0, 1, 5, 2, 3, 6, 4)),
        (
            [(1, 2), (2, 3)],
            [(0, 5, 2), (1, 6, 3)],
            (0, 5, 2, 1, 6, 3, 4),
        ),  # two rings that overlap in a broken hop
        ([(1, 2)], [(3, 5, 1)], (0, 1, 5, 3, 4)),  # a recovery path that was written backwards
    ],
)
def test_rings_by_hand(broken, recoveries, path):
    dead = {frozenset(edge) for edge in broken}
    if path == (0, 5, 2, 1, 6, 3, 4):
        # The second ring takes 1-2 back in: it is dead, and no path is left.
        assert ring_path(MAJOR, recoveries, lambda edge: edge not in dead) is None
    else:
        assert ring_path(MAJOR, recoveries, lambda edge: edge not in dead) == path


@pytest.mark.parametrize("seed", range(20))
def test_what_rings_give_lives(seed):
    rng = np.random.default_rng(seed)
    network = grid(3, 5)
    graph = nx.Graph(list(zip(network.tail.tolist(), network.head.tolist(), strict=True)))
    major = tuple(nx.shortest_path(graph, 0, 14))
    recoveries = []
    for a, b in pairwise(major):
        rest = graph.copy()
        rest.remove_edge(a, b)
        recoveries.append(tuple(nx.shortest_path(rest, a, b)))
    dead = {frozenset(edge) for edge in graph.edges if rng.random() < 0.25}
    found = ring_path(major, recoveries, lambda edge: edge not in dead)
    alive = graph.copy()
    alive.remove_edges_from(map(tuple, dead))
    if found is None:
        return
    assert (found[0], found[-1]) == (0, 14)
    assert len(set(found)) == len(found)
    assert not edges_of(found) & dead
    assert nx.has_path(alive, 0, 14)


def test_segments_meet_and_are_short():
    for hops in range(1, 12):
        for reach in range(4):
            found = segments(tuple(range(hops + 1)), reach)
            assert len(found) == -(-hops // (reach + 1))
            assert [node for part in found for node in part[1:]] == list(range(1, hops + 1))
            assert max(len(part) - 1 for part in found) <= reach + 1


# 0-1-2-3 with detours 1-4-2 and 0-5-...: the major path is the line, links all alike.
LADDER = Network.from_links(5, [0, 1, 2, 1, 2], [1, 2, 3, 4, 4], length_km=10.0)


def planned(method, view):
    return method.plan(view, np.random.default_rng(0), Context()).paths


def test_q_cast_keeps_recovery_paths_ready_and_uses_them():
    view = view_of(LADDER, [("0", "3")])
    paths = planned(QCast(), view)
    assert [path.nodes for path in paths] == [(0, 1, 2, 3), (1, 4, 2)]
    for missing, expected in (((), [(0, 3)]), ((1, 2), [(0, 3)]), ((2, 3), [])):
        live = [ends for ends in [(0, 1), (1, 2), (2, 3), (1, 4), (2, 4)] if ends != missing]
        seen = with_live(view, live, paths)
        swaps = QCast().decide(seen, np.random.default_rng(0), Context())
        assert chains(seen, swaps) == expected
        assert len(swaps) == {(): 2, (1, 2): 3, (2, 3): 0}[missing]


@pytest.mark.parametrize("reach", [0, 1, 2])
def test_q_pass_mends_segments(reach):
    view = view_of(LADDER, [("0", "3")])
    method = QPass(candidates=1, reach=reach)
    paths = planned(method, view)
    assert [path.nodes for path in paths] == [(0, 1, 2, 3)]
    seen = with_live(view, [(0, 1), (2, 3), (1, 4), (2, 4)], paths)
    swaps = method.decide(seen, np.random.default_rng(0), Context())
    # Node 4 is two hops away from node 0, where the segment begins.
    assert chains(seen, swaps) == ([(0, 3)] if reach == 2 else [])


def test_q_pass_ranks_by_its_metric():
    # Over 1 shorter in sum, over 2 better balanced; over 3 wider.
    tail, head, km = [0, 1, 0, 2, 0, 3], [1, 4, 2, 4, 3, 4], [3.0, 34.0, 19.0, 19.0, 22.0, 22.0]
    network = Network.from_links(5, tail, head, length_km=km)
    view = view_of(network, [("0", "4")])
    wide = tuple(2 if 3 in ends else 1 for ends in zip(network.tail, network.head, strict=True))
    view = replace(view, pairs=wide)
    for metric, middle in (("sum_dist", 1), ("creation_rate", 2), ("bottleneck", 3)):
        assert planned(QPass(metric=metric, slot_s=0.0005), view)[0].nodes[1] == middle


@pytest.mark.parametrize("method", [QCast(), QPass()], ids=["q_cast", "q_pass"])
@pytest.mark.parametrize("seed", range(4))
def test_plans_keep_to_memories_and_decisions_to_pairs(method, seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(9, 0.4, rng)
    network = Network.from_links(9, network.tail, network.head, length_km=10.0)
    view = view_of(network, [("0", "8"), ("1", "7")], pairs=2)
    paths, used = planned(method, view), np.zeros(network.m)
    for path in paths:
        used[path_from_nodes(network, path.nodes).links(network)] += path.width
    assert (used <= 2).all()
    ends = list(zip(network.tail.tolist(), network.head.tolist(), strict=True))
    seen = with_live(view, [each for each in ends * 2 if rng.random() < 0.7], paths)
    swaps = method.decide(seen, rng, Context())
    uses = [(swap.node, ident) for swap in swaps for ident in (swap.first, swap.second)]
    assert len(set(uses)) == len(uses)
    assert set(chains(seen, swaps)) <= {(0, 8), (1, 7)}


def ring(n):
    return Network.from_links(n, range(n), [(k + 1) % n for k in range(n)], length_km=5.0)


def test_a_ring_and_a_line_have_an_order():
    assert ring_of(ring(5)) == Ring((0, 1, 2, 3, 4), closed=True)
    assert ring_of(Network.from_links(4, [2, 0, 0], [3, 3, 1])) == Ring((1, 0, 3, 2), closed=False)
    for network in (grid(2, 3), Network.from_links(4, [0, 2], [1, 3]), grid(3, 3)):
        with pytest.raises(BadInput, match="a ring or a line"):
            ring_of(network)


def test_full_stocks_route_in_logarithmically_many_pairs():
    n = 32
    stocks = [(k, (k + d) % n) for k in range(n) for d in (1, 2, 4, 8, 16)]
    # 0 to 21 is 11 links backwards: 8, then 4 to one too far, then 1.
    view = with_live(view_of(ring(n), [("0", "21")]), stocks)
    swaps = PowerOfTwo().decide(view, np.random.default_rng(0), Context())
    assert [swap.node for swap in swaps if swap.request == 0] == [24, 20]
    for target in range(1, n):
        chain = greedy_chain(LiveGraph(view), Ends(0, target), ring_of(ring(n)))
        assert (chain.nodes[0], chain.nodes[-1]) == (0, target)
        assert len(chain.pairs) <= 5  # log2(32)


def test_stocks_are_rebuilt_out_of_halves():
    view = with_live(view_of(ring(8), [("0", "4")]), [(0, 1), (0, 1), (1, 2), (1, 2), (2, 3)])
    swaps = PowerOfTwo(keep=1).decide(view, np.random.default_rng(0), Context())
    assert [(swap.node, swap.request) for swap in swaps] == [(1, -1)]
    assert len(PowerOfTwo(keep=0, stock=2).decide(view, np.random.default_rng(0), Context())) == 2
    full = with_live(view, [(0, 1), (0, 1), (1, 2), (1, 2), (0, 2)])
    assert PowerOfTwo().decide(full, np.random.default_rng(0), Context()) == []
