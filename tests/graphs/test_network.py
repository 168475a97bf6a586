import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.graphs.demands import Demands, make_demands
from qoslab.graphs.network import LINK_FIELDS, Network

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda p: p[0] != p[1]), max_size=20)


def simple(pairs, directed):
    return sorted({p if directed else tuple(sorted(p)) for p in pairs})


@given(PAIRS, st.booleans(), st.randoms(use_true_random=False))
def test_order_of_links_and_of_their_ends_does_not_matter(pairs, directed, random):
    pairs = simple(pairs, directed)
    lengths = {pair: float(i) for i, pair in enumerate(pairs)}
    shuffled = random.sample(pairs, len(pairs))
    flipped = [p if directed or random.random() < 0.5 else p[::-1] for p in shuffled]
    a = Network.from_links(8, *_ends(pairs), directed=directed, length_km=list(lengths.values()))
    b = Network.from_links(8, *_ends(flipped), directed=directed, length_km=[lengths[p] for p in shuffled])
    assert a == b
    assert hash(a) == hash(b)
    assert list(zip(a.tail.tolist(), a.head.tolist(), strict=True)) == pairs


def _ends(pairs):
    return [p[0] for p in pairs], [p[1] for p in pairs]


@given(PAIRS, st.booleans())
def test_arcs_say_what_the_links_say(pairs, directed):
    pairs = simple(pairs, directed)
    network = Network.from_links(8, *_ends(pairs), directed=directed)
    arcs, incoming = network.arcs, network.incoming
    wanted = sorted(pairs if directed else pairs + [p[::-1] for p in pairs])
    assert list(zip(arcs.tails.tolist(), arcs.heads.tolist(), strict=True)) == wanted
    for v in range(8):
        assert (arcs.tails[arcs.indptr[v] : arcs.indptr[v + 1]] == v).all()
        span = slice(incoming.indptr[v], incoming.indptr[v + 1])
        assert (arcs.heads[incoming.arc[span]] == v).all()
        assert (arcs.tails[incoming.arc[span]] == incoming.tails[span]).all()
        assert sorted(incoming.tails[span].tolist()) == incoming.tails[span].tolist()
    for arc, (link, twin) in enumerate(zip(arcs.link.tolist(), arcs.twin.tolist(), strict=True)):
        ends = {int(arcs.tails[arc]), int(arcs.heads[arc])}
        assert ends == {int(network.tail[link]), int(network.head[link])}
        if directed:
            assert twin == -1
        else:
            assert arcs.link[twin] == link
            assert (arcs.tails[twin], arcs.heads[twin]) == (arcs.heads[arc], arcs.tails[arc])
            assert arcs.twin[twin] == arc
    assert network.out_degree.sum() == network.in_degree.sum() == len(wanted)


def test_arrays_are_read_only_and_inputs_are_left_alone():
    tail, lengths = np.array([1, 0]), np.array([3.0, 4.0])
    network = Network.from_links(3, tail, np.array([2, 1]), length_km=lengths)
    tail[0], lengths[0] = 0, 9.0
    assert network.tail.tolist() == [0, 1]
    assert network.length_km.tolist() == [4.0, 3.0]
    arrays = [network.tail, network.head, network.position, network.arcs.heads, network.incoming.arc]
    for array in [*arrays, *map(network.column, LINK_FIELDS), *network.demands]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_every_problem_is_told_at_once():
    with pytest.raises(BadInput) as caught:
        Network.from_links(
            ["a", "b", "b", " c"],
            [0, 1, 0, 5, 1],
            [1, 1, 1, 0, 0],
            length_km=[1, 1, 1, 1, -2],
            delay_s=np.inf,
            weight=np.nan,
            position=np.zeros((2, 2)),
            attributes={"lon": [1, 2, 3, 4], "kind": ["x"], "odd": [1, 2, 3, float("nan")]},
            demands=make_demands([0, 0, 9, 2], [0, 1, 1, 1], [1, -1, 1, np.nan]),
        )
    text = str(caught.value)
    for words in (
        "node 'b' stands 2 times",
        "' c' cannot be an identifier",
        "names a node outside 0..3",
        "links[1]: node 'b' is linked to itself",
        "links[4].length_km: -2 is not finite and not negative",
        "links[0].delay_s: inf",
        "links[0].weight: nan",
        "position: has the shape (2, 2), not (4, 2)",
        "attributes.lon",
        "attributes.kind: has 1 values for 4 nodes",
        "attributes.odd",
        "demand of a node to itself",
        "volume -1",
        "volume nan",
        "node 9 does not exist",
    ):
        assert words in text


@pytest.mark.parametrize(("directed", "fails"), [(False, True), (True, False)])
def test_opposite_links_are_parallel_only_where_undirected(directed, fails):
    if fails:
        with pytest.raises(BadInput, match="a second link between '0' and '1'"):
            Network.from_links(2, [0, 1], [1, 0], directed=directed)
    else:
        assert Network.from_links(2, [0, 1], [1, 0], directed=directed).m == 2


def test_geographic_positions_lie_on_the_globe():
    with pytest.raises(BadInput, match="beyond 180"):
        Network.from_links(1, [], [], position=[[0, 91]], geographic=True)


def test_nodes_are_found_by_identifier_then_by_label():
    columns = {"name": ["Berlin", "Bonn", "Bonn", None, "0"]}
    network = Network.from_links(5, [0], [1], attributes=columns, name="net")
    assert network.labels == ("Berlin", "Bonn", "Bonn", "3", "0")
    assert [network.index(name) for name in ("Berlin", "0", "3")] == [0, 0, 3]
    assert network.link_name(0) == "Berlin - Bonn"
    with pytest.raises(BadInput, match=r"several nodes are called 'Bonn'\n  use one of '1', '2'"):
        network.index("Bonn")
    with pytest.raises(BadInput, match=r"no node 'Berlim'\n  did you mean 'Berlin'\?"):
        network.index("Berlim")


def test_require_names_the_links_and_the_remedy():
    network = Network.from_links(5, [0, 1, 2, 3], [1, 2, 3, 4], capacity=[1.0, 2.0, np.nan, 4.0], name="net")
    assert np.isnan(network.capacity[2])
    with pytest.raises(BadInput, match="capacity is unknown for 2 - 3 of network 'net'") as caught:
        network.require("capacity")
    assert "default_capacity" in str(caught.value)
    with pytest.raises(BadInput, match="0 - 1, 1 - 2, 2 - 3 and 1 more"):
        network.require("length_km")
    assert network.require("weight").tolist() == [1.0] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"directed": True},
        {"length_km": 2.0},
        {"weight": 2.0},
        {"position": [[0, 0], [1, 1]]},
        {"geographic": True},
        {"attributes": {"a": [1, 2]}},
        {"demands": make_demands([0], [1], [1.0])},
        {"name": "other"},
        {"nodes": ["a", "b"]},
    ],
)
def test_equality_sees_every_part(change):
    base = {"nodes": 2, "tail": [0], "head": [1]}
    assert Network.from_links(**base) == Network.from_links(**base)
    assert Network.from_links(**base) != Network.from_links(**base | change)


def test_one_and_true_are_different_attributes_but_minus_zero_is_zero():
    def make(value, x):
        return Network.from_links(1, [], [], attributes={"a": [value]}, position=[[x, 0.0]])

    assert make(1, 0.0) != make(True, 0.0)
    assert make(1, 0.0) == make(1, -0.0)


def test_networks_travel_between_processes():
    network = Network.from_links(3, [0, 1], [1, 2], length_km=1.5, demands=make_demands([2], [0], [1.0]))
    _ = network.arcs
    assert pickle.loads(pickle.dumps(network)) == network


def test_demands_to_a_matrix_and_back():
    matrix = np.array([[0, 1.5, 0], [0, 0, 2], [3, 0, 0]])
    demands = Demands.from_matrix(matrix)
    assert (demands.matrix(3) == matrix).all()
    assert demands.source.tolist() == [0, 1, 2]
