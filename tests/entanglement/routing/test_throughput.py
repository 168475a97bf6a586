"""Expected throughput against enumeration; the search against all paths."""

from itertools import pairwise, product
from math import comb

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.entanglement.routing.throughput import (
    Ends,
    expected_throughput,
    select_paths,
    widest_throughput,
)
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shapes import grid


def binomial(width, p):
    return [comb(width, i) * p**i * (1 - p) ** (width - i) for i in range(width + 1)]


def by_enumeration(successes, width, swaps):
    total = 0.0
    for outcome in product(range(width + 1), repeat=len(successes)):
        chance = np.prod([binomial(width, p)[i] for p, i in zip(successes, outcome, strict=True)])
        total += chance * min(outcome)
    return total * np.prod(swaps)


def by_recursion(successes, width, swaps):
    """Q_k(i) = P_k(i) sum_{l >= i} Q_{k-1}(l) + Q_{k-1}(i) sum_{l > i} P_k(l)."""
    q = binomial(width, successes[0])
    for p in successes[1:]:
        law = binomial(width, p)
        q = [law[i] * sum(q[i:]) + q[i] * sum(law[i + 1 :]) for i in range(width + 1)]
    return sum(i * x for i, x in enumerate(q)) * np.prod(swaps)


@given(st.lists(st.floats(0.05, 1), min_size=1, max_size=4), st.integers(1, 3), st.floats(0.1, 1))
def test_throughput_is_the_mean_over_all_outcomes(successes, width, q):
    swaps = [q] * (len(successes) - 1)
    found = expected_throughput(successes, width, swaps)
    assert found == pytest.approx(by_enumeration(successes, width, swaps), rel=1e-9)
    assert found == pytest.approx(by_recursion(successes, width, swaps), rel=1e-9)


def links_of(network, nodes):
    arcs = network.arcs
    place = {(int(t), int(h)): int(k) for t, h, k in zip(arcs.tails, arcs.heads, arcs.link, strict=True)}
    return [place[a, b] for a, b in pairwise(nodes)]


def best_of_all(network, ends, width, success, swap, channels):
    best = 0.0
    for nodes in nx.all_simple_paths(to_networkx(network), *ends):
        links = links_of(network, nodes)
        if all(channels[k] >= width for k in links):
            inner = [swap[v] for v in nodes[1:-1]]
            best = max(best, expected_throughput([success[k] for k in links], width, inner))
    return best


@pytest.mark.parametrize("seed", range(12))
def test_the_search_finds_the_best_path_where_links_are_alike(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(8, 0.4, rng)
    success, swap = np.full(network.m, 0.6), np.full(network.n, 0.8)
    channels = rng.integers(1, 4, network.m)
    for width in (1, 2):
        found = widest_throughput(network, Ends(0, 7), width, success, swap, channels)
        best = best_of_all(network, Ends(0, 7), width, success, swap, channels)
        assert (found.throughput if found else 0.0) == pytest.approx(best)


def test_width_one_is_exact_on_any_links():
    # With one channel throughputs multiply, and the search is Dijkstra's.
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        network = erdos_renyi(8, 0.4, rng)
        success, swap = rng.uniform(0.1, 1, network.m), rng.uniform(0.3, 1, network.n)
        channels = np.ones(network.m, np.int64)
        found = widest_throughput(network, Ends(0, 7), 1, success, swap, channels)
        best = best_of_all(network, Ends(0, 7), 1, success, swap, channels)
        assert (found.throughput if found else 0.0) == pytest.approx(best)


def test_selection_keeps_to_channels_and_memories():
    network = grid(3, 3)
    channels, memories = np.full(network.m, 3), np.full(network.n, 4)
    requests = [Ends(0, 8), Ends(2, 6)]
    paths = select_paths(
        network, requests, np.full(network.m, 0.5), np.full(network.n, 0.9), channels, memories
    )
    used, held = np.zeros(network.m, np.int64), np.zeros(network.n, np.int64)
    for path in paths:
        assert (path.nodes[0], path.nodes[-1]) == requests[path.request]
        for link, (a, b) in zip(links_of(network, path.nodes), pairwise(path.nodes), strict=True):
            used[link] += path.width
            held[[a, b]] += path.width
    assert paths
    assert (used <= channels).all()
    assert (held <= memories).all()
    assert [p.throughput for p in paths] == sorted((p.throughput for p in paths), reverse=True)


def test_an_isolated_user_gets_no_path():
    network = Network.from_links(3, [0], [1])
    assert select_paths(network, [Ends(0, 2)], np.ones(1), np.ones(3), np.ones(1, np.int64)) == []
