"""Searches against networkx and against the list of all simple paths."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.graphs import shapes
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import barabasi_albert, erdos_renyi
from qoslab.graphs.shortest import (
    all_pairs,
    diameter,
    distances,
    hop_counts,
    next_arcs,
    path_from_nodes,
    shortest_path,
)
from qoslab.graphs.yen import k_shortest_paths, paths_by_cost


@st.composite
def networks(draw, top=7):
    """Small networks with small whole lengths, zero among them, so that there are ties."""
    n, directed = draw(st.integers(2, top)), draw(st.booleans())
    ends = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    pairs = draw(st.lists(ends, max_size=14, unique_by=lambda p: p if directed else frozenset(p)))
    lengths = draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)))
    tail, head = [a for a, _ in pairs], [b for _, b in pairs]
    return Network.from_links(n, tail, head, directed=directed, length_km=np.array(lengths, float))


def brute_force(network, source, target):
    """All simple paths in the order that Yen promises."""
    graph = to_networkx(network)
    found = []
    for nodes in nx.all_simple_paths(graph, source, target) if source != target else [[source]]:
        cost = sum(graph.edges[pair]["length_km"] for pair in pairwise(nodes))
        found.append((cost, len(nodes) - 1, tuple(nodes)))
    return sorted(found)


@given(networks())
def test_k_shortest_paths_are_all_paths_in_order(network):
    wanted = brute_force(network, 0, 1)
    found = list(paths_by_cost(network, 0, 1, "length_km"))
    assert [(path.cost, path.hops, path.nodes) for path in found] == wanted
    assert k_shortest_paths(network, 0, 1, 3, "length_km") == found[:3]
    best = shortest_path(network, 0, 1, "length_km")
    assert best == (found[0] if found else None)


@given(networks())
def test_paths_are_paths(network):
    arcs = network.arcs
    for path in k_shortest_paths(network, 0, 1, 5):
        assert arcs.tails[list(path.arcs)].tolist() == list(path.nodes[:-1])
        assert arcs.heads[list(path.arcs)].tolist() == list(path.nodes[1:])
        assert path == path_from_nodes(network, path.nodes)
        assert path.cost == path.hops
        assert path.links(network).tolist() == arcs.link[list(path.arcs)].tolist()


@given(networks())
def test_distances_are_those_of_networkx(network):
    graph = to_networkx(network)
    matrix, hops = all_pairs(network, "length_km"), all_pairs(network)
    for v in range(network.n):
        peer = nx.single_source_dijkstra_path_length(graph, v, weight="length_km")
        wanted = [peer.get(w, np.inf) for w in range(network.n)]
        assert matrix[v].tolist() == distances(network, v, "length_km").tolist() == wanted
        counts = hop_counts(network, v)
        assert np.where(counts < 0, np.inf, counts).tolist() == hops[v].tolist()
    assert diameter(network, "length_km") == matrix.max()


@given(networks())
def test_routing_tables_lead_along_the_shortest_paths(network):
    table = next_arcs(network, "length_km")
    for source in range(network.n):
        for target in range(network.n):
            nodes, arcs = [source], []
            while table[nodes[-1], target] >= 0:
                arcs.append(int(table[nodes[-1], target]))
                nodes.append(int(network.arcs.heads[arcs[-1]]))
            path = shortest_path(network, source, target, "length_km")
            if path is None:
                assert nodes == [source] != [target]
            else:
                assert (tuple(nodes), tuple(arcs)) == (path.nodes, path.arcs)


def test_larger_networks_with_real_costs():
    rng = np.random.default_rng(1)
    network = barabasi_albert(150, 2, rng)
    cost = rng.random(network.m)
    graph = nx.Graph()
    for k in range(network.m):
        graph.add_edge(int(network.tail[k]), int(network.head[k]), weight=cost[k])
    found = k_shortest_paths(network, 0, 149, 30, cost)
    peer = nx.shortest_simple_paths(graph, 0, 149, weight="weight")
    for path, nodes in zip(found, peer, strict=False):
        assert path.nodes == tuple(nodes)
        assert path.cost == pytest.approx(nx.path_weight(graph, nodes, "weight"), rel=1e-12)
    assert len(found) == 30


def test_ties_do_not_depend_on_the_order_of_the_links():
    rng = np.random.default_rng(2)
    grid = shapes.grid(5, 5)
    order = rng.permutation(grid.m)
    again = Network.from_links(25, grid.head[order], grid.tail[order])
    assert k_shortest_paths(grid, 0, 24, 70) == k_shortest_paths(again, 0, 24, 70)
    # All 70 = C(8, 4) monotone lattice paths come first, in the order of their nodes.
    paths = k_shortest_paths(grid, 0, 24, 71)
    assert [path.hops for path in paths] == [8] * 70 + [10]
    nodes = [path.nodes for path in paths[:70]]
    assert nodes == sorted(nodes)


def test_metrics_by_link_by_arc_and_by_function():
    ring = shapes.ring(4)
    by_link = np.where((ring.tail == 0) & (ring.head == 1), 10.0, 1.0)
    assert shortest_path(ring, 0, 1, by_link).nodes == (0, 3, 2, 1)
    assert shortest_path(ring, 0, 1, lambda network: by_link).nodes == (0, 3, 2, 1)
    one_way = np.where((ring.arcs.tails == 0) & (ring.arcs.heads == 1), 10.0, 1.0)
    assert shortest_path(ring, 0, 1, one_way).nodes == (0, 3, 2, 1)
    assert shortest_path(ring, 1, 0, one_way).nodes == (1, 0)
    closed = np.where((ring.tail == 0) & (ring.head == 1), np.inf, 1.0)
    assert shortest_path(ring, 0, 1, closed).hops == 3
    assert [path.hops for path in paths_by_cost(ring, 0, 1, closed)] == [3]
    assert all_pairs(ring, closed)[0, 1] == 3
    # A product of success probabilities is a sum of minus their logarithms.
    p = np.array([0.5, 0.9, 0.9, 0.9])
    path = shortest_path(ring, int(ring.tail[0]), int(ring.head[0]), -np.log(p))
    assert np.exp(-path.cost) == pytest.approx(0.9**3)


@pytest.mark.parametrize("cost", [-np.ones(4), np.full(4, np.nan), np.ones(3), "delay_s"])
def test_costs_that_are_none(cost):
    with pytest.raises(BadInput):
        shortest_path(shapes.ring(4), 0, 1, cost)


def test_no_arc_no_path():
    with pytest.raises(ValueError, match="no arc from '0' to '2'"):
        path_from_nodes(shapes.ring(5), (0, 2))
    with pytest.raises(ValueError, match="no arc from '5' to '4'"):
        path_from_nodes(Network.from_links(6, [4], [5], directed=True), (4, 5, 4))


@pytest.mark.parametrize(
    ("network", "hops"),
    [
        (shapes.path(9), 8),
        (shapes.ring(9), 4),
        (shapes.ring(9, directed=True), 8),
        (shapes.hypercube(6), 6),
        (shapes.grid(4, 7), 9),
        (shapes.complete(5), 1),
        (shapes.tree(3, 3), 6),
        (Network.from_links(2, [], []), np.inf),
        (Network.from_links(1, [], []), 0),
    ],
)
def test_diameters_in_closed_form(network, hops):
    assert diameter(network) == hops


def test_reading_costs_leaves_the_network_alone():
    network = erdos_renyi(20, 0.3, np.random.default_rng(3))
    before = network.fingerprint
    all_pairs(network)
    k_shortest_paths(network, 0, 5, 5)
    del network.__dict__["fingerprint"]
    assert network.fingerprint == before
