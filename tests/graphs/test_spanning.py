"""Spanning trees: networkx, Kirchhoff and Cayley; statistical tests err with probability 1e-6, seeds fixed."""

from collections import Counter
from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from qoslab.core.errors import BadInput
from qoslab.graphs import shapes
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import barabasi_albert, random_tree
from qoslab.graphs.spanning import (
    is_spanning_tree,
    log_spanning_trees,
    minimum_spanning_tree,
    random_spanning_tree,
)


def trees_of(network):
    sets = combinations(range(network.m), network.n - 1)
    return [links for links in sets if is_spanning_tree(network, np.array(links))]


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(0, 30))
def test_the_lightest_tree_weighs_what_networkx_says(seed, n, extra):
    rng = np.random.default_rng(seed)
    network = random_tree(n, rng, extra_links=extra)
    cost = rng.integers(0, 5, network.m).astype(float)
    tree = minimum_spanning_tree(network, cost)
    assert is_spanning_tree(network, tree)
    graph = to_networkx(network)
    for k in range(network.m):
        graph.edges[int(network.tail[k]), int(network.head[k])]["weight"] = cost[k]
    assert cost[tree].sum() == nx.minimum_spanning_tree(graph).size("weight")


def test_ties_go_to_the_earlier_link():
    assert minimum_spanning_tree(shapes.complete(4), "hops").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (shapes.complete(6), 6**4),
        (shapes.ring(9), 9),
        (shapes.tree(2, 3), 1),
        (shapes.grid(3, 3), 192),
        (shapes.hypercube(3), 384),
    ],
)
def test_number_of_trees(network, count):
    assert np.exp(log_spanning_trees(network)) == pytest.approx(count, rel=1e-9)


def test_kirchhoff_counts_what_there_is():
    network = shapes.lollipop(4, 2)
    assert len(trees_of(network)) == round(np.exp(log_spanning_trees(network))) == 16
    assert log_spanning_trees(Network.from_links(2, [], [])) == -np.inf


@pytest.mark.parametrize("weighted", [False, True])
def test_random_trees_have_the_probabilities_they_should(weighted):
    network = Network.from_links(4, [0, 0, 1, 1, 2], [1, 2, 2, 3, 3])
    weight = np.array([1.0, 2.0, 0.5, 3.0, 1.5]) if weighted else np.ones(5)
    rng, draws = np.random.default_rng(11), 2500
    counts = Counter(
        tuple(random_spanning_tree(network, rng, weight if weighted else None)) for _ in range(draws)
    )
    trees = trees_of(network)
    mass = np.array([weight[list(tree)].prod() for tree in trees])
    assert np.log(mass.sum()) == pytest.approx(log_spanning_trees(network, weight))
    expected = draws * mass / mass.sum()
    observed = np.array([counts[tree] for tree in trees])
    assert observed.sum() == draws
    assert ((observed - expected) ** 2 / expected).sum() < chi2.isf(1e-6, len(trees) - 1)


def test_random_trees_of_a_larger_network():
    network = barabasi_albert(500, 3, np.random.default_rng(1))
    tree = random_spanning_tree(network, np.random.default_rng(2))
    assert is_spanning_tree(network, tree)
    assert (tree == random_spanning_tree(network, np.random.default_rng(2))).all()
    assert random_spanning_tree(Network.from_links(1, [], []), np.random.default_rng(0)).size == 0


def test_what_is_no_spanning_tree():
    ring = shapes.ring(4)
    assert not is_spanning_tree(ring, np.arange(4))
    assert not is_spanning_tree(ring, np.arange(2))


@pytest.mark.parametrize("network", [shapes.ring(4, directed=True), Network.from_links(3, [0], [1])])
def test_networks_without_spanning_trees(network):
    with pytest.raises(BadInput):
        minimum_spanning_tree(network, "hops")
    with pytest.raises(BadInput):
        random_spanning_tree(network, np.random.default_rng(0))


@pytest.mark.parametrize("weight", [np.ones(3), np.array([1, 1, 1, 0.0]), np.array([1, 1, 1, np.nan])])
def test_weights_must_be_positive(weight):
    with pytest.raises(BadInput, match="one finite positive weight"):
        random_spanning_tree(shapes.ring(4), np.random.default_rng(0), weight)
