import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.graphs import shapes
from qoslab.graphs.components import component_labels, is_connected, is_strongly_connected, period
from qoslab.graphs.convert import from_networkx, to_networkx
from qoslab.graphs.demands import make_demands
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import erdos_renyi
from qoslab.graphs.transform import (
    complete_links,
    keep_component,
    reverse,
    subnetwork,
    undirected,
    without_links,
)

DIGRAPHS = st.builds(
    lambda seed, n, p: erdos_renyi(n, p, np.random.default_rng(seed), directed=True),
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.floats(0, 0.5),
)


def classes(labels):
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in set(labels.tolist())}


@given(DIGRAPHS)
def test_components_are_those_of_networkx(network):
    graph = to_networkx(network)
    weak, strong = component_labels(network), component_labels(network, strong=True)
    assert classes(weak) == set(map(frozenset, nx.weakly_connected_components(graph)))
    assert classes(strong) == set(map(frozenset, nx.strongly_connected_components(graph)))
    for labels in (weak, strong):
        _, first = np.unique(labels, return_index=True)
        assert (np.diff(first) > 0).all()
    assert is_connected(network) == nx.is_weakly_connected(graph)
    assert is_strongly_connected(network) == nx.is_strongly_connected(graph)


@given(DIGRAPHS)
def test_period_is_that_of_networkx(network):
    if is_strongly_connected(network) and network.n > 1:
        assert (period(network) == 1) == nx.is_aperiodic(to_networkx(network))
    elif network.n > 1:
        with pytest.raises(ValueError, match="strongly connected"):
            period(network)


def test_periods_in_closed_form():
    assert period(shapes.ring(6, directed=True)) == 6
    assert period(shapes.ring(6, 2, directed=True)) == 1
    assert period(shapes.hypercube(3)) == 2
    assert period(shapes.ring(5)) == 1
    assert period(Network.from_links(1, [], [])) == 0


def test_nothing_is_not_connected():
    empty = Network.from_links(0, [], [])
    assert not is_connected(empty)
    assert not is_strongly_connected(empty)


@given(DIGRAPHS)
def test_the_largest_component_is_kept(network):
    graph = to_networkx(network)
    kept = keep_component(network, strong=True)
    assert kept.n == max(map(len, nx.strongly_connected_components(graph)))
    assert is_strongly_connected(kept)
    peer = graph.subgraph(int(v) for v in kept.nodes)
    assert kept.m == peer.number_of_edges()


def test_a_part_keeps_all_that_belongs_to_it():
    network = Network.from_links(
        ["a", "b", "c", "d"],
        [0, 1, 2],
        [1, 2, 3],
        length_km=[1.0, 2.0, 3.0],
        position=[[0, 0], [1, 0], [2, 0], [3, 0]],
        attributes={"kind": ["x", "y", "z", None]},
        demands=make_demands([1, 3, 0], [2, 1, 1], [5.0, 6.0, 7.0]),
    )
    part = subnetwork(network, np.array([3, 1, 2]))
    assert part.nodes == ("b", "c", "d")
    assert part.length_km.tolist() == [2.0, 3.0]
    assert part.position[:, 0].tolist() == [1, 2, 3]
    assert part.attributes == {"kind": ("y", "z", None)}
    assert part.demands.matrix(3).tolist() == [[0, 5, 0], [0, 0, 0], [6, 0, 0]]
    assert without_links(network, np.array([1])).length_km.tolist() == [1.0, 3.0]


@given(DIGRAPHS)
def test_reversing_twice_changes_nothing(network):
    assert reverse(reverse(network)) == network
    assert (reverse(network).in_degree == network.out_degree).all()
    both = undirected(network)
    assert both.m == to_networkx(network).to_undirected().number_of_edges()
    assert undirected(both) is both is reverse(both)


def test_opposite_arcs_become_one_link_with_the_lower_node_s_values():
    network = Network.from_links(2, [1, 0], [0, 1], directed=True, length_km=[5.0, 4.0])
    assert undirected(network).length_km.tolist() == [4.0]


def test_links_are_completed_in_order():
    network = Network.from_links(
        4,
        [0, 1, 2],
        [1, 2, 3],
        length_km=[10.0, np.nan, np.nan],
        delay_s=[1.0, np.nan, np.nan],
        position=[[0, 0], [3, 4], [3, 0], [np.nan, np.nan]],
    )
    done = complete_links(
        network, lengths="missing", length_factor=2.0, default_length_km=7.0, speed_km_per_s=2.0
    )
    assert done.length_km.tolist() == [20.0, 8.0, 7.0]
    assert done.delay_s.tolist() == [1.0, 4.0, 3.5]
    assert not done.delay_s.flags.writeable
    assert complete_links(network) == network
    with pytest.raises(BadInput, match="1 links end at a node without a position, such as 2 - 3"):
        complete_links(network, lengths="positions")
    with pytest.raises(BadInput, match="length_km is unknown for 1 - 2, 2 - 3"):
        complete_links(network, speed_km_per_s=1.0)
    assert complete_links(network, default_delay_s=9.0).delay_s.tolist() == [1.0, 9.0, 9.0]


def test_networkx_multigraphs():
    graph = nx.MultiGraph([("a", "b", {"capacity": 1.0}), ("b", "a", {"capacity": 1.0})], name="twice")
    with pytest.raises(BadInput, match="a second link"):
        from_networkx(graph)


def test_networkx_positions_and_attributes():
    graph = nx.random_geometric_graph(10, 0.5, seed=1)
    network = from_networkx(graph, name="geometric")
    assert network.position[3].tolist() == graph.nodes[3]["pos"]
    assert network.name == "geometric"
