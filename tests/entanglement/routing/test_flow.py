"""Bounded flow against a programme over all simple paths and against maximum flow."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from qoslab.domains.entanglement.routing.flow import bounded_flow
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi


def link_places(network):
    arcs = network.arcs
    return {(int(t), int(h)): int(k) for t, h, k in zip(arcs.tails, arcs.heads, arcs.link, strict=True)}


def by_paths(network, requests, capacity, q, most_hops, wanted=None):
    """The same optimum with one variable per simple path."""
    place, graph = link_places(network), to_networkx(network)
    paths = [
        (request, nodes)
        for request, ends in enumerate(requests)
        for nodes in nx.all_simple_paths(graph, *ends, cutoff=most_hops)
    ]
    if not paths:
        return 0.0
    rows = np.zeros((network.m, len(paths)))
    value = np.array([q ** (len(nodes) - 2) for _, nodes in paths])
    for column, (_, nodes) in enumerate(paths):
        rows[[place[a, b] for a, b in pairwise(nodes)], column] = 1
    limits = list(capacity)
    if wanted is not None:
        shares = np.array(
            [[v * (r == k) for v, (r, _) in zip(value, paths, strict=True)] for k in range(len(requests))]
        )
        rows, limits = np.vstack([rows, shares]), limits + list(wanted)
    return -linprog(-value, A_ub=rows, b_ub=limits).fun


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("q", [1.0, 0.6])
def test_the_optimum_is_that_of_all_paths(seed, q):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(7, 0.45, rng)
    capacity, requests = rng.uniform(1, 10, network.m), [Ends(0, 6), Ends(1, 5)]
    for most_hops, wanted in ((2, None), (4, None), (3, (2.0, 3.0))):
        paths = bounded_flow(network, requests, capacity, np.full(network.n, q), most_hops, wanted)
        best = by_paths(network, requests, capacity, q, most_hops, wanted)
        assert sum(path.rate for path in paths) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_without_a_bound_it_is_the_maximum_flow(seed):
    rng = np.random.default_rng(50 + seed)
    network = erdos_renyi(9, 0.35, rng)
    capacity = rng.uniform(1, 10, network.m)
    graph = to_networkx(network)
    for (a, b), link in link_places(network).items():
        graph[a][b]["capacity"] = capacity[link]
    expected = nx.maximum_flow_value(graph, 0, 8)
    paths = bounded_flow(network, [Ends(0, 8)], capacity, np.ones(9), 8)
    assert sum(path.rate for path in paths) == pytest.approx(expected, abs=1e-6)


def test_paths_are_paths_and_keep_to_capacities():
    rng = np.random.default_rng(3)
    network = erdos_renyi(12, 0.3, rng)
    capacity, requests = rng.uniform(1, 5, network.m), [Ends(0, 11), Ends(3, 7), Ends(2, 9)]
    place, used = link_places(network), np.zeros(network.m)
    paths = bounded_flow(network, requests, capacity, np.full(12, 0.9), 5)
    for path in paths:
        assert len(set(path.nodes)) == len(path.nodes) <= 6
        assert (path.nodes[0], path.nodes[-1]) == requests[path.request]
        used[[place[a, b] for a, b in pairwise(path.nodes)]] += path.load
    assert paths
    assert (used <= capacity + 1e-6).all()


def test_nobody_can_be_served():
    network = Network.from_links(4, [0, 2], [1, 3])
    assert bounded_flow(network, [Ends(0, 3)], np.ones(2), np.ones(4), 3) == []
