import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.graphs import shapes
from qoslab.graphs.convert import to_networkx
from qoslab.graphs.disjoint import edge_disjoint_paths
from qoslab.graphs.random_graphs import erdos_renyi


@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.floats(0.1, 1), st.booleans())
def test_as_many_as_the_cut_allows_and_none_shares_a_link(seed, n, p, directed):
    network = erdos_renyi(n, p, np.random.default_rng(seed), directed=directed)
    paths = edge_disjoint_paths(network, 0, n - 1)
    assert len(paths) == nx.edge_connectivity(to_networkx(network), 0, n - 1)
    links = [link for path in paths for link in path.links(network).tolist()]
    assert len(links) == len(set(links))
    for path in paths:
        assert (path.nodes[0], path.nodes[-1]) == (0, n - 1)
        assert len(set(path.nodes)) == len(path.nodes)
        assert network.arcs.tails[list(path.arcs)].tolist() == list(path.nodes[:-1])
        assert network.arcs.heads[list(path.arcs)].tolist() == list(path.nodes[1:])
        assert path.cost == path.hops
    assert paths == sorted(paths, key=lambda path: (path.cost, path.hops, path.nodes))
    assert len(edge_disjoint_paths(network, 0, n - 1, limit=1)) == min(1, len(paths))


def test_taking_back_a_unit():
    # The greedy shortest path 0-1-2-5 blocks both others; two paths exist only if its middle is given up.
    from qoslab.graphs.network import Network

    tail, head = [0, 1, 2, 0, 3, 1, 4], [1, 2, 5, 3, 2, 4, 5]
    for directed in (False, True):
        paths = edge_disjoint_paths(Network.from_links(6, tail, head, directed=directed), 0, 5)
        assert [path.nodes for path in paths] == [(0, 1, 4, 5), (0, 3, 2, 5)]


def test_closed_forms():
    assert len(edge_disjoint_paths(shapes.hypercube(5), 0, 31)) == 5
    assert len(edge_disjoint_paths(shapes.complete(8), 2, 5)) == 7
    assert len(edge_disjoint_paths(shapes.ring(9), 0, 3)) == 2
    assert edge_disjoint_paths(shapes.path(3), 0, 2, cost=np.array([0.5, 0.25]))[0].cost == 0.75


def test_ends_must_differ():
    with pytest.raises(ValueError, match="two different ends"):
        edge_disjoint_paths(shapes.ring(4), 1, 1)
