import networkx as nx
import numpy as np
import pytest

from qoslab.graphs import shapes
from qoslab.graphs.centrality import betweenness, closeness, degree, pagerank
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.transform import reverse


def test_closed_forms_of_a_star_and_a_path():
    star, path = shapes.star(6), shapes.path(5)
    assert betweenness(star).tolist() == [1.0] + [0.0] * 6
    assert closeness(star) == pytest.approx([1.0] + [6 / 11] * 6)
    assert degree(star).tolist() == [6.0] + [1.0] * 6
    assert betweenness(path) == pytest.approx(np.array([0, 3, 4, 3, 0]) / 6)
    assert pagerank(shapes.ring(8, directed=True)) == pytest.approx(np.full(8, 1 / 8))


def test_pagerank_solves_its_equation():
    network = erdos_renyi(30, 0.1, np.random.default_rng(1), directed=True)
    out = network.out_degree
    step = np.zeros((30, 30))
    step[network.tail, network.head] = 1 / out[network.tail]
    step[out == 0] = 1 / 30
    rank = pagerank(network)
    assert rank == pytest.approx(0.85 * rank @ step + 0.15 / 30, abs=1e-9)


def test_degrees_and_directions():
    network = Network.from_links(3, [0, 1], [2, 2], directed=True)
    assert degree(network, "in").tolist() == [0, 0, 2]
    assert degree(network, "out").tolist() == [1, 1, 0]
    assert pagerank(network).argmax() == 2
    assert pagerank(reverse(network)).argmin() == 2
    assert closeness(network).tolist() == [0, 0, 1]


def test_costs_change_the_paths():
    network = Network.from_links(4, [0, 1, 2, 0], [1, 2, 3, 3], length_km=[1, 1, 1, 9])
    assert betweenness(network, "length_km").tolist() == pytest.approx([0, 2 / 3, 2 / 3, 0])
    graph = nx.Graph([(0, 1, {"w": 1}), (1, 2, {"w": 1}), (2, 3, {"w": 1}), (0, 3, {"w": 9})])
    wanted = nx.closeness_centrality(graph, distance="w")
    assert closeness(network, "length_km").tolist() == pytest.approx([wanted[v] for v in range(4)])


def test_estimated_betweenness_is_repeatable_and_exact_from_all_sources():
    network = erdos_renyi(20, 0.3, np.random.default_rng(2))
    assert (betweenness(network, sources=5) == betweenness(network, sources=5)).all()
    assert betweenness(network, sources=20) == pytest.approx(betweenness(network))
