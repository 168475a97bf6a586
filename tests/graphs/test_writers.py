import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.core.files import DiskFull
from qoslab.graphs.demands import make_demands
from qoslab.graphs.formats.assemble import Reading
from qoslab.graphs.network import Network
from qoslab.graphs.readers import read_network
from qoslab.graphs.validation import RESERVED, clean_name, clean_text
from qoslab.graphs.writers import write_network

NAMES = st.text(min_size=1, max_size=6).filter(clean_name)
TEXTS = st.text(max_size=8).filter(clean_text)
FIGURES = st.floats(0, 1e300) | st.just(float("nan"))
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS


@st.composite
def networks(draw, names=NAMES, rich=True):
    nodes = draw(st.lists(names, min_size=2, max_size=6, unique=True))
    n, directed = len(nodes), draw(st.booleans())
    ends = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    pairs = draw(st.lists(ends, max_size=8, unique_by=lambda p: p if directed else frozenset(p)))
    asked = draw(st.lists(ends, max_size=4, unique=True)) if rich else []
    m = len(pairs)
    column = st.lists(FIGURES, min_size=m, max_size=m)
    point = st.tuples(st.floats(-180, 180), st.floats(-90, 90)) | st.just((np.nan, np.nan))
    attributes = st.dictionaries(
        NAMES.filter(lambda name: name.lower() not in RESERVED),
        st.lists(VALUES, min_size=n, max_size=n),
        max_size=3,
    )
    return Network.from_links(
        nodes,
        [a for a, _ in pairs],
        [b for _, b in pairs],
        directed=directed,
        length_km=draw(column),
        capacity=draw(column),
        delay_s=draw(column),
        weight=draw(st.lists(st.floats(-1e300, 1e300), min_size=m, max_size=m)),
        position=draw(st.lists(point, min_size=n, max_size=n)) if rich else None,
        geographic=draw(st.booleans()) if rich else False,
        attributes=draw(attributes) if rich else {},
        demands=make_demands(
            [a for a, _ in asked], [b for _, b in asked], [draw(st.floats(0, 1e300)) for _ in asked]
        ),
        name=draw(TEXTS) if rich else "",
    )


@settings(max_examples=200)
@given(networks(), st.sampled_from([".json", ".graphml"]))
def test_nothing_is_lost(tmp_path_factory, network, extension):
    path = tmp_path_factory.getbasetemp() / f"trip{extension}"
    write_network(network, path)
    assert read_network(path) == network


@settings(max_examples=100)
@given(networks(rich=False))
def test_csv_keeps_nodes_and_links(tmp_path_factory, network):
    path = tmp_path_factory.getbasetemp() / "trip.csv"
    write_network(network, path)
    found = read_network(path, Reading(directed=network.directed))
    assert links(found) == links(network)
    assert set(found.nodes) == set(network.nodes)


def links(network):
    fields = [np.nan_to_num(x, nan=-1.0) for x in (network.length_km, network.capacity, network.delay_s)]
    rows = {}
    for k in range(network.m):
        ends = (network.nodes[network.tail[k]], network.nodes[network.head[k]])
        key = ends if network.directed else frozenset(ends)
        rows[key] = (*(column[k] for column in fields), network.weight[k])
    return rows


@settings(max_examples=30)
@given(networks())
def test_networkx_reads_what_we_write(tmp_path_factory, network):
    # networkx hands attributes on as keywords, beside two parameters of its own.
    assume(not {"self", "node_for_adding"} & set(network.attributes))
    path = tmp_path_factory.getbasetemp() / "peer.graphml"
    write_network(network, path)
    graph = nx.read_graphml(path)
    assert set(graph.nodes) == set(network.nodes)
    assert graph.is_directed() == network.directed
    assert graph.number_of_edges() == network.m


def test_csv_refuses_to_lose_things_in_silence(tmp_path):
    network = Network.from_links(
        3,
        [0],
        [1],
        position=[[0, 0], [1, 1], [2, 2]],
        attributes={"kind": ["a", "b", "c"]},
        demands=make_demands([0], [1], [1.0]),
    )
    with pytest.raises(BadInput, match="cannot carry the positions and attributes and demands"):
        write_network(network, tmp_path / "net.csv")
    assert not list(tmp_path.iterdir())
    write_network(network, tmp_path / "net.csv", links_only=True)
    assert read_network(tmp_path / "net.csv").n == 3


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    network = Network.from_links(2, [0], [1])
    path = tmp_path / "net.json"
    write_network(network, path)
    before = path.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DiskFull, match="no space left"):
        write_network(Network.from_links(5, [0], [1]), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.json"]


def test_places_and_formats_that_cannot_be_written(tmp_path):
    network = Network.from_links(2, [0], [1])
    with pytest.raises(BadInput, match="No such file"):
        write_network(network, tmp_path / "none" / "net.json")
    with pytest.raises(BadInput, match=r"known: \.json"):
        write_network(network, tmp_path / "net.gml")
