"""Swapping trees against all trees on all paths."""

import networkx as nx
import numpy as np
import pytest

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.trees import best_tree, tree_on_path
from qoslab.domains.entanglement.swaporder.tree import all_trees, ranks
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.random_graphs import erdos_renyi

NO_TIME = np.zeros(6)


def time_of(tree, nodes, i, j, link_s, delay_s, swap, swap_s=NO_TIME):
    if tree is None:
        return link_s[nodes[i], nodes[j]]
    left, k, right = tree
    a = time_of(left, nodes, i, k, link_s, delay_s, swap, swap_s)
    b = time_of(right, nodes, k, j, link_s, delay_s, swap, swap_s)
    news = max(delay_s[nodes[k], nodes[i]], delay_s[nodes[k], nodes[j]])
    return (1.5 * max(a, b) + swap_s[nodes[k]] + news) / swap[nodes[k]]


def world(seed, news):
    rng = np.random.default_rng(seed)
    network = erdos_renyi(6, 0.5, rng)
    link_s = np.full((6, 6), np.inf)
    link_s[network.tail, network.head] = link_s[network.head, network.tail] = rng.uniform(1, 10, network.m)
    places = rng.uniform(0, 1, (6, 2))
    delay_s = news * np.linalg.norm(places[:, None] - places[None], axis=2)
    return network, link_s, delay_s, rng.uniform(0.3, 1, 6)


@pytest.mark.parametrize("seed", range(12))
def test_the_best_of_all_trees_on_all_paths(seed):
    network, link_s, delay_s, swap = world(seed, news=0.0)
    best = min(
        (
            time_of(tree, nodes, 0, len(nodes) - 1, link_s, delay_s, swap)
            for nodes in nx.all_simple_paths(to_networkx(network), 0, 5)
            for tree in all_trees(0, len(nodes) - 1)
        ),
        default=None,
    )
    found = best_tree(link_s, delay_s, swap, NO_TIME, Ends(0, 5), 5)
    assert (found is None) == (best is None)
    if found is not None:
        assert found.time_s == pytest.approx(best)
        assert len(set(found.nodes)) == len(found.nodes)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("news", "slow"), [(0.0, 0.0), (3.0, 0.0), (1.0, 4.0)])
def test_the_best_tree_of_a_path_with_its_ranks(seed, news, slow):
    _, _, delay_s, swap = world(seed, news)
    swap_s = slow * np.random.default_rng(50 + seed).uniform(0, 1, 6)
    link_s = np.full((6, 6), np.inf)
    hops = np.random.default_rng(seed).uniform(1, 10, 5)
    link_s[np.arange(5), np.arange(1, 6)] = hops
    times = {tree: time_of(tree, range(6), 0, 5, link_s, delay_s, swap, swap_s) for tree in all_trees(0, 5)}
    found = tree_on_path(tuple(range(6)), link_s, delay_s, swap, swap_s)
    assert found.time_s == pytest.approx(min(times.values()))
    assert any(
        tuple(ranks(tree, 5)) == found.ranks and time == pytest.approx(found.time_s)
        for tree, time in times.items()
    )


def test_the_way_round_a_repeater_whose_swaps_take_long():
    # 0-1-3 takes (3/2 + t_1) / 1, 0-2-3 takes 3.
    link_s = np.full((4, 4), np.inf)
    for a, b, time in ((0, 1, 1.0), (1, 3, 1.0), (0, 2, 2.0), (2, 3, 2.0)):
        link_s[a, b] = link_s[b, a] = time
    for slow_s, nodes, best_s in ((1.4, (0, 1, 3), 2.9), (1.6, (0, 2, 3), 3.0)):
        swap_s = np.array([9.0, slow_s, 0.0, 9.0])
        found = best_tree(link_s, np.zeros((4, 4)), np.ones(4), swap_s, Ends(0, 3), 3)
        assert (found.nodes, found.time_s) == (nodes, pytest.approx(best_s))


def test_height_bounds_the_hops():
    link_s = np.full((6, 6), np.inf)
    link_s[np.arange(5), np.arange(1, 6)] = link_s[np.arange(1, 6), np.arange(5)] = 1.0
    still, swap = np.zeros((6, 6)), np.ones(6)
    assert best_tree(link_s, still, swap, NO_TIME, Ends(0, 5), 2) is None
    found = best_tree(link_s, still, swap, NO_TIME, Ends(0, 5), 3)
    assert found.time_s == pytest.approx(1.5**3)
    assert max(found.ranks) == 3


def test_users_do_not_swap_and_dead_repeaters_neither():
    # 0-1-3 is fast, but 1 never succeeds; 0-2-3 is slow.
    link_s = np.full((4, 4), np.inf)
    for a, b, time in ((0, 1, 1.0), (1, 3, 1.0), (0, 2, 5.0), (2, 3, 5.0)):
        link_s[a, b] = link_s[b, a] = time
    found = best_tree(link_s, np.zeros((4, 4)), np.array([1.0, 0.0, 0.5, 1.0]), NO_TIME[:4], Ends(0, 3), 4)
    assert (found.nodes, found.time_s) == ((0, 2, 3), pytest.approx(15.0))
