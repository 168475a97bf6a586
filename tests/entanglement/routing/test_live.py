"""Rules on live pairs: enumeration of all link states, flows as upper bounds, and percolation."""

from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest

from qoslab.domains.entanglement.routing.live import global_paths, local_paths, max_weight_paths, slot_rate
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.shapes import grid
from qoslab.graphs.shortest import path_from_nodes
from qoslab.graphs.yen import k_shortest_paths


def globally(network, ends):
    return lambda live: [nodes for _, nodes in global_paths(network, live, [ends])]


def locally(network, ends):
    return lambda live: local_paths(network, live, ends)


def live_graph(network, live):
    graph = to_networkx(network)
    graph.remove_edges_from((int(network.tail[k]), int(network.head[k])) for k in np.flatnonzero(live == 0))
    return graph


def greedy_hops(graph, ends):
    """Lengths of the paths that the global rule takes, by networkx; their nodes may differ in ties."""
    lengths = []
    while nx.has_path(graph, *ends):
        path = nx.shortest_path(graph, *ends)
        graph.remove_edges_from(list(pairwise(path)))
        lengths.append(len(path) - 1)
    return lengths


def test_both_rules_over_all_states_of_a_small_grid():
    network, ends = grid(2, 3), Ends(0, 5)
    means = {"global": 0.0, "local": 0.0, "flow": 0.0}
    for state in product((0, 1), repeat=network.m):
        live = np.array(state)
        chance = np.prod(np.where(live, 0.6, 0.4))
        graph = live_graph(network, live)
        most = nx.edge_connectivity(graph, *ends) if nx.has_path(graph, *ends) else 0
        found, chains = globally(network, ends)(live), locally(network, ends)(live)
        assert sorted(len(nodes) - 1 for nodes in found) == sorted(greedy_hops(graph, ends))
        assert len(found) <= most
        assert len(chains) <= most
        for name, count in (("global", len(found)), ("local", len(chains)), ("flow", most)):
            means[name] += chance * count
    assert 0 < means["local"] <= means["global"] <= means["flow"]
    for name, rule in (("global", globally), ("local", locally)):
        drawn = slot_rate(
            network, np.full(7, 0.6), np.ones(6), rule(network, ends), 4000, np.random.default_rng(1)
        )
        # Counts up to 2: standard error below 0.011; five of them.
        assert drawn == pytest.approx(means[name], abs=0.055)


def test_a_swap_costs_each_repeater_its_chance():
    network = grid(1, 4)
    rate = slot_rate(
        network,
        np.ones(3),
        np.array([0.1, 0.5, 0.8, 0.1]),
        globally(network, Ends(0, 3)),
        5,
        np.random.default_rng(0),
    )
    assert rate == pytest.approx(0.4)


def test_above_the_threshold_distance_does_not_matter():
    # Bond percolation on the square grid sets in at 1/2: with sure swaps the rate falls below it only.
    network = grid(12, 12)
    near, far = Ends(5 * 12 + 4, 5 * 12 + 7), Ends(5 * 12 + 1, 5 * 12 + 10)

    def rate(p, ends):
        rng = np.random.default_rng(2)
        return slot_rate(network, np.full(network.m, p), np.ones(144), globally(network, ends), 60, rng)

    assert rate(0.75, far) > 0.75 * rate(0.75, near)
    assert rate(0.35, far) < 0.25 * rate(0.35, near)


def test_requests_take_turns():
    network = grid(3, 3)
    found = global_paths(network, np.full(network.m, 2), [Ends(0, 2), Ends(6, 8)])
    assert [request for request, _ in found[:4]] == [0, 1, 0, 1]
    used = np.zeros(network.m, int)
    for _, nodes in found:
        used[path_from_nodes(network, nodes).links(network)] += 1
    assert used.max() <= 2


@pytest.mark.parametrize("seed", range(8))
def test_max_weight_is_the_best_of_all_choices(seed):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(6, 0.5, rng)
    live, swap = rng.integers(0, 3, network.m), rng.uniform(0.4, 1, 6)
    requests, queues = [Ends(0, 5), Ends(1, 4)], [int(q) for q in rng.integers(0, 3, 2)]
    options = [
        (request, path)
        for request, ends in enumerate(requests)
        for path in k_shortest_paths(network, *ends, 2)
    ]

    def weight(counts):
        used, served, total = np.zeros(network.m), [0, 0], 0.0
        for count, (request, path) in zip(counts, options, strict=True):
            used[path.links(network)] += count
            served[request] += count
            total += count * queues[request] * np.prod(swap[list(path.nodes[1:-1])])
        return total if (used <= live).all() and all(np.array(served) <= queues) else 0.0

    best = max(weight(counts) for counts in product(range(3), repeat=len(options)))
    found = max_weight_paths(network, live, requests, queues, swap, paths=2)
    got = weight([found.count((request, path.nodes)) for request, path in options])
    assert got == pytest.approx(best)
    assert len(found) == 0 or got > 0


def test_a_rule_that_invents_pairs_is_refused():
    network = grid(1, 3)
    with pytest.raises(ValueError, match="does not live"):
        slot_rate(network, np.zeros(2), np.ones(3), lambda live: [(0, 1, 2)], 1, np.random.default_rng(0))
