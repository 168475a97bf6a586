"""Every shape against networkx or its closed form."""

import networkx as nx
import numpy as np
import pytest

from qoslab.graphs import shapes
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.spectra import spectral_radius


def same(network, peer):
    peer = nx.convert_node_labels_to_integers(peer, ordering="sorted")
    mine = {tuple(sorted(edge)) for edge in to_networkx(network).edges}
    return network.n == len(peer) and mine == {tuple(sorted(edge)) for edge in peer.edges}


@pytest.mark.parametrize(
    ("network", "peer"),
    [
        (shapes.path(7), nx.path_graph(7)),
        (shapes.path(1), nx.path_graph(1)),
        (shapes.ring(8), nx.cycle_graph(8)),
        (shapes.ring(9, 3), nx.circulant_graph(9, [1, 2, 3])),
        (shapes.star(6), nx.star_graph(6)),
        (shapes.complete(5), nx.complete_graph(5)),
        (shapes.grid(3, 4), nx.grid_2d_graph(3, 4)),
        (shapes.grid(3, 4, wrap=True), nx.grid_2d_graph(3, 4, periodic=True)),
        (shapes.tree(4, 4), nx.balanced_tree(4, 4)),
        (shapes.tree(1, 3), nx.path_graph(4)),
        (shapes.lollipop(10, 20), nx.lollipop_graph(10, 20)),
    ],
)
def test_shapes_are_those_of_networkx(network, peer):
    assert same(network, peer)


def test_hypercube_and_expander_up_to_names():
    assert same(shapes.hypercube(4), nx.hypercube_graph(4))
    peer = nx.Graph(nx.margulis_gabber_galil_graph(5))
    peer.remove_edges_from(list(nx.selfloop_edges(peer)))
    assert same(shapes.margulis(5), peer)


def test_directed_shapes():
    ring = shapes.ring(5, 2, directed=True)
    assert {(int(b) - int(a)) % 5 for a, b in zip(ring.tail, ring.head, strict=True)} == {1, 2}
    assert (ring.m, shapes.complete(5, directed=True).m) == (10, 20)


def test_dumbbell():
    network = shapes.dumbbell(3, 2, 4)
    assert network.nodes[:4] == ("s0", "s1", "s2", "r0")
    assert network.m == 3 + 3 + 2
    degree = dict(zip(network.nodes, network.out_degree.tolist(), strict=True))
    assert degree == {"s0": 1, "s1": 1, "s2": 1, "r0": 4, "r1": 2, "r2": 2, "r3": 3, "d0": 1, "d1": 1}
    assert shapes.dumbbell(3).n == 8


def test_grid_has_lengths_and_places():
    network = shapes.grid(2, 3, spacing_km=50)
    assert set(network.length_km.tolist()) == {50.0}
    assert network.position[4].tolist() == [50.0, 50.0]


def test_karate():
    network = shapes.karate()
    assert (network.n, network.m) == (34, 78)
    assert network.weight.sum() == 231
    assert network.attributes["club"].count("Mr. Hi") == 17


@pytest.mark.parametrize(
    ("network", "radius"),
    [
        (shapes.complete(9), 8.0),
        (shapes.star(16), 4.0),
        (shapes.ring(11), 2.0),
        (shapes.path(6), 2 * np.cos(np.pi / 7)),
        (shapes.hypercube(5), 5.0),
        (shapes.ring(7, directed=True), 1.0),
    ],
)
def test_spectral_radius_in_closed_form(network, radius):
    assert spectral_radius(network) == pytest.approx(radius, rel=1e-12)
