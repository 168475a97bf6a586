"""What each format reads, and what it says about files that are wrong: file, line and field."""

import json

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.graphs.formats import files
from qoslab.graphs.formats.assemble import Reading
from qoslab.graphs.formats.json_lines import JsonError, parse_object
from qoslab.graphs.readers import FORMATS, read_network


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def errors(path, reading=None):
    with pytest.raises(BadInput) as caught:
        read_network(path, reading or Reading())
    assert all(problem.path == path for problem in caught.value.problems)
    return [(problem.line, problem.field, problem.message) for problem in caught.value.problems]


def pairs(network):
    return {
        (network.nodes[a], network.nodes[b])
        for a, b in zip(network.tail.tolist(), network.head.tolist(), strict=True)
    }


# --- lists ---------------------------------------------------------------------------------------------------


def test_snap_list_with_comments_and_both_directions(tmp_path):
    path = write(tmp_path, "net.txt", "# Directed graph\n% more\n10 2\n2 10  # again\n\n2\t3\n3 11\n")
    network = read_network(path)
    assert network.nodes == ("2", "3", "10", "11")
    assert pairs(network) == {("2", "3"), ("2", "10"), ("3", "11")}
    assert read_network(path, Reading(directed=True)).m == 4


def test_names_keep_the_order_of_their_first_appearance(tmp_path):
    assert read_network(write(tmp_path, "net.edges", "b a\n7 b\n")).nodes == ("b", "a", "7")


def test_weighted_list(tmp_path):
    network = read_network(write(tmp_path, "net.edgelist", "a b 2.5\nb c -1\n"))
    assert network.weight.tolist() == [2.5, -1.0]


def test_list_errors_name_the_line(tmp_path):
    path = write(tmp_path, "net.txt", "a b\nc\na b x\na b 1 2\na a\nb a 3\nb a\na\x01 b\n")
    found = errors(path)
    assert [line for line, _, _ in found] == [2, 3, 4, 8, 3, 5, 6]
    assert "1 words" in found[0][2]
    assert "'x' is no finite number" in found[1][2]
    assert "4 words" in found[2][2]
    assert "linked to itself" in found[5][2]


def test_self_loops_and_parallel_links_on_demand(tmp_path):
    path = write(
        tmp_path, "net.csv", "source,target,capacity,length_km\na,a,1,1\na,b,1,5\nb,a,2,4\na,b,4,9\n"
    )
    assert {message for _, _, message in errors(path)} == {
        "node 'a' is linked to itself",
        "a second link between 'a' and 'b' (first in line 3)",
    }
    merged = read_network(path, Reading(self_loops="drop", parallel="merge"))
    assert (merged.capacity[0], merged.length_km[0], merged.weight[0]) == (7.0, 4.0, 3.0)
    first = read_network(path, Reading(self_loops="drop", parallel="first"))
    assert (first.capacity[0], first.length_km[0], first.weight[0]) == (1.0, 5.0, 1.0)


def test_csv(tmp_path):
    text = 'source,target,delay_s, length_km\nKöln,"a, b",0.5,12\n lone ,,,\n"a, b",c,,\n'
    network = read_network(write(tmp_path, "net.csv", "\ufeff" + text))
    assert network.nodes == ("lone", "Köln", "a, b", "c")
    assert pairs(network) == {("Köln", "a, b"), ("a, b", "c")}
    assert network.delay_s[0] == 0.5
    assert np.isnan(network.length_km[1])


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("", 1, None, "is empty"),
        ("a,b\n", 1, "source", "this column is missing"),
        ("source,target,lenght_km\n", 1, "lenght_km", "no such column"),
        ("source,target,target\na,b,c\n", 1, "target", "stands twice"),
        ("source,target\na,b,c\n", 2, "row", "3 cells under 2 columns"),
        ("source,target,length_km\na,b,1\n\nc,d,-1\n", 4, "link.length_km", "-1 is negative"),
        ("source,target,capacity\na,b,nan\n", 2, "link.capacity", "'nan' is no finite number"),
        ("source,target,capacity\na,b,1_0\n", 2, "link.capacity", "'1_0' is no finite number"),
        ('source,target\n"a\nb",c\n', 2, "link", "cannot be the identifier"),
        ('source,target\na,"b\n', 2, None, "is no CSV"),
        ("source,target\n,b\n", 2, "link", "'' cannot be the identifier"),
    ],
)
def test_csv_errors(tmp_path, text, line, field, words):
    found = errors(write(tmp_path, "net.csv", text))
    assert any((line, field) == (at, name) and words in message for at, name, message in found), found


# --- JSON ----------------------------------------------------------------------------------------------------


def test_node_link_json_of_networkx(tmp_path):
    graph = nx.les_miserables_graph()
    path = write(tmp_path, "net.json", json.dumps(nx.node_link_data(graph, edges="edges"), indent=1))
    network = read_network(path)
    assert (network.n, network.m) == (77, 254)
    weights = {frozenset((a, b)): float(d["weight"]) for a, b, d in graph.edges(data=True)}
    for k in range(network.m):
        ends = frozenset((network.nodes[network.tail[k]], network.nodes[network.head[k]]))
        assert network.weight[k] == weights[ends]


def test_json_with_links_demands_and_positions(tmp_path):
    data = {
        "directed": True,
        "graph": {"name": "n", "demands": {"1": {"2": 3}}},
        "nodes": [
            {"id": 1, "pos": [10, 50], "name": "A", "size": 3, "odd": {}},
            {"id": 2, "lon": 11, "lat": 51},
        ],
        "links": [{"source": 1, "target": 2, "dist": 7}],
    }
    network = read_network(write(tmp_path, "net.json", json.dumps(data)))
    assert (network.directed, network.geographic, network.name) == (True, True, "n")
    assert network.position.tolist() == [[10, 50], [11, 51]]
    assert network.attributes == {"name": ("A", None), "size": (3, None)}
    assert network.length_km.tolist() == [7.0]
    assert network.demands.matrix(2).tolist() == [[0, 3], [0, 0]]


BAD_JSON = """{
 "directed": false,
 "graph": {"demands": {"a": {"z": 1, "b": "x", "a": 2}, "b": {"a": -1}}},
 "nodes": [
  {"id": "a", "pos": [1]},
  {"id": "b", "pos": ["x", 1]},
  {"id": true},
  {"id": "a"},
  7
 ],
 "edges": [
  {"source": "a", "target": "zz"},
  {"source": "a", "target": "b", "dist": -1},
  {"source": "b",
   "target": "b"},
  {"target": "b"}
 ]
}"""


def test_json_errors_name_line_and_field(tmp_path):
    found = errors(write(tmp_path, "net.json", BAD_JSON))
    wanted = [
        (5, "nodes[0].pos", "no pair"),
        (6, "nodes[1].pos", "no pair of finite numbers"),
        (7, "nodes[2].id", "True is neither"),
        (8, "node", "node 'a' stands twice (first in line 5)"),
        (9, "nodes[4]", "is no object"),
        (12, "links[0].target", "there is no node 'zz'"),
        (13, "edges[1].dist", "-1 is negative"),
        (14, "links[2]", "linked to itself"),
        (16, "edges[3].source", "is missing"),
        (None, "graph.demands.a.b", "'x' is no finite number"),
        (None, "demands", "there is no node 'z'"),
        (None, "demands", "'a' -> 'a' is a demand"),
        (None, "demands", "'b' -> 'a' has the negative volume -1"),
    ]
    for line, field, words in wanted:
        assert any((line, field) == (a, b) and words in message for a, b, message in found), (
            line,
            field,
            found,
        )
    assert len(found) == len(wanted)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the file ends"),
        ("[]", 1, "'[' stands where { should"),
        ('{"nodes": [\n{"id": 1},\n{"id": 2}', 3, "the file ends where , or ] should stand"),
        ('{"nodes": [\n{"id": 1},\n{"id": ', 3, "Expecting value"),
        ('{"nodes": [],\n"nodes": []}', 2, "the key 'nodes' stands twice"),
        ('{"nodes": [], "edges": []}\n!', 2, "something follows"),
        ('{"nodes": [],\n}', 2, "'}' stands where \" should stand"),
        ('{"nodes": [{"id": NaN}], "edges": []}', 1, "NaN is no JSON number"),
        ('{"graph": ' + "[" * 100_000, 1, "nests too deeply"),
        ('{"graph": ' + "9" * 10_000 + "}", 1, "digits"),
    ],
)
def test_json_that_is_broken(tmp_path, text, line, words):
    ((found, _, message),) = errors(write(tmp_path, "net.json", text))
    assert found == line
    assert words in message


def test_json_without_its_arrays(tmp_path):
    assert {field for _, field, _ in errors(write(tmp_path, "net.json", "{}"))} == {"nodes", "edges"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=3) | st.just("nodes"), JSON), st.sampled_from([None, 2]))
def test_our_json_is_the_standard_library_s(data, indent):
    text = json.dumps(data, indent=indent)
    assert parse_object(text, ("nodes",)) == json.loads(text)


@given(st.text(alphabet='{}[]",:\n a1\\', max_size=40))
def test_json_or_its_error(text):
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    try:
        mine, error = parse_object(text, ("a", "")), None
    except JsonError as caught:
        mine, error = None, caught
    if error is None:
        assert mine == found
    else:
        assert 1 <= error.line <= text.count("\n") + 1
        # The one thing we refuse that the standard library takes: a key that stands twice.
        assert not isinstance(found, dict) or "stands twice" in str(error)


# --- GraphML -------------------------------------------------------------------------------------------------

ZOO = """<?xml version="1.0" encoding="ISO-8859-1"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="LinkSpeedRaw" attr.type="double" for="edge" id="d36" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d35" />
  <key attr.name="id" attr.type="int" for="node" id="d30" />
  <key attr.name="Latitude" attr.type="double" for="node" id="d29" />
  <key attr.name="Longitude" attr.type="double" for="node" id="d32" />
  <key attr.name="Internal" attr.type="int" for="node" id="d31"><default>1</default></key>
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="Network" attr.type="string" for="graph" id="d2" />
  <graph edgedefault="undirected">
    <data key="d2">Abilene</data>
    <node id="0"><data key="d29">40.71</data><data key="d32">-74.0</data><data key="d33">New York</data></node>
    <node id="1"><data key="d30">1</data><data key="d31">0</data><data key="d33">Zürich &amp; Co</data></node>
    <edge source="0" target="1"><data key="d36">1e10</data><data key="d35">OC-192c</data></edge>
  </graph>
</graphml>
"""


def test_graphml_of_the_topology_zoo(tmp_path):
    network = read_network(write(tmp_path, "net.graphml", ZOO))
    assert (network.name, network.labels) == ("Abilene", ("New York", "Zürich & Co"))
    assert network.attributes["Internal"] == (1, 0)
    assert "id" not in network.attributes
    assert network.geographic
    assert network.position[0].tolist() == [-74.0, 40.71]
    assert np.isnan(network.position[1]).all()
    assert network.capacity.tolist() == [1e10]


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph])
def test_graphml_of_networkx(tmp_path, kind):
    graph = nx.gnp_random_graph(20, 0.2, seed=1, directed=kind is nx.DiGraph)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = a + b / 100
    nx.write_graphml_xml(graph, tmp_path / "net.graphml")
    network = read_network(tmp_path / "net.graphml")
    assert network.directed == graph.is_directed()
    assert {(int(a), int(b)) for a, b in pairs(network)} == {tuple(edge) for edge in graph.edges}
    assert network.weight.sum() == pytest.approx(sum(w for *_, w in graph.edges.data("weight")))


BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>
<graphml><graph edgedefault="directed"><node id="&lol2;"/></graph></graphml>"""

OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE graphml SYSTEM "file:///etc/passwd">
<graphml><graph edgedefault="directed"/></graphml>"""


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_xml_entities_are_refused_before_they_expand(tmp_path, text):
    ((line, _, message),) = errors(write(tmp_path, "net.graphml", text))
    assert line == 2
    assert "DOCTYPE" in message


def graphml(body, keys=""):
    return f'<graphml>\n{keys}\n<graph edgedefault="undirected">\n{body}\n</graph></graphml>'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("<graphml>\n<graph>\n<node id='a'", 3, "is no XML: unclosed token"),
        ("<gexf/>", 1, "begins with <gexf>"),
        ("<graphml/>", None, "holds no <graph>"),
        (graphml("<node/>"), 4, "this node has no id"),
        (graphml("<node id='a'/>\n<edge source='a'/>"), 5, "needs both"),
        (graphml("<node id='a'/>\n<edge source='a' target='b'/>"), 5, "there is no node 'b'"),
        (
            graphml("<node id='a'/><node id='b'/>\n<edge source='a' target='b' directed='true'/>"),
            5,
            "differs",
        ),
        (graphml("<node id='a'><data key='x'>1</data></node>"), 4, "no <key> with the id 'x'"),
        (graphml("<node id='a'>\n<graph/></node>"), 5, "second or nested graph"),
        (graphml("<hyperedge/>"), 4, "<hyperedge> cannot be read"),
        (graphml("", "<key id='x' for='node' attr.type='blob'/>"), 2, "'blob' is no GraphML type"),
        (
            graphml(
                "<node id='a'/><node id='b'/>\n<edge source='a' target='b'><data key='l'>-3</data></edge>",
                "<key id='l' for='edge' attr.name='length_km' attr.type='double'/>",
            ),
            5,
            "-3 is negative",
        ),
        (
            graphml(
                "<node id='a'/><node id='b'/>\n<edge source='a' target='b'><data key='l'>far</data></edge>",
                "<key id='l' for='edge' attr.name='length_km' attr.type='double'/>",
            ),
            5,
            "'far' is not of the type",
        ),
    ],
)
def test_graphml_errors(tmp_path, text, line, words):
    found = errors(write(tmp_path, "net.graphml", text))
    assert any(at == line and words in message for at, _, message in found), found


# --- GML -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directed", [False, True])
def test_gml_of_networkx(tmp_path, directed):
    graph = nx.gnp_random_graph(15, 0.3, seed=2, directed=directed)
    nx.set_node_attributes(graph, {v: {"pos": [v, v + 0.5]} for v in graph})
    for k, (a, b) in enumerate(graph.edges):
        graph.edges[a, b]["length_km"] = k * 1.5
        graph.edges[a, b]["weight"] = 1e-20
    for v in graph:
        graph.nodes[v].clear()
        graph.nodes[v]["Longitude"], graph.nodes[v]["Latitude"] = float(v), -2.5
    nx.write_gml(graph, tmp_path / "net.gml")
    network = read_network(tmp_path / "net.gml")
    assert network.directed == directed
    assert {(int(a), int(b)) for a, b in pairs(network)} == {tuple(edge) for edge in graph.edges}
    assert network.length_km.tolist() == [graph.edges[e]["length_km"] for e in sorted(graph.edges)]
    assert set(network.weight.tolist()) == {1e-20}
    assert network.position[3].tolist() == [3.0, -2.5]
    assert network.geographic


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("graph [\n node [ id 1\n", 3, "the end of the file where a key"),
        ("graph [\n node [ id ] ]", 2, "] where a value should stand"),
        ("graph [\n 5 node ]", 2, "5 where a key should stand"),
        ("graph [ ]\ngraph [ ]", None, "holds 2 graphs"),
        ('graph [\nnode [ label "a\nb" ]\n]', 2, "is missing"),
        ("graph [\nnode [ id 1 ] node [ id 1 ]\n]", 2, "node '1' stands twice"),
        ("graph [\nnode [ id 1 ]\nedge [ source 1 target 2 ]\n]", 3, "there is no node '2'"),
        ("graph [\nnode 3 ]", 2, "holds no list"),
        ("graph [\n ยง ]", 2, "nothing begins with"),
        ("a [ " * 100, 1, "nests deeper than 50"),
        ("graph [\nversion " + "9" * 5000 + "]", 2, "more than 40 digits"),
    ],
)
def test_gml_errors(tmp_path, text, line, words):
    found = errors(write(tmp_path, "net.gml", text))
    assert any(at == line and words in message for at, _, message in found), found


# --- any file ------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    assert "no format of a network file" in errors(tmp_path / "net.xlsx")[0][2]
    assert "No such file" in errors(tmp_path / "none.gml")[0][2]
    (tmp_path / "latin.csv").write_bytes("source,target\na,b\nKöln,c\n".encode("latin-1"))
    assert errors(tmp_path / "latin.csv")[0][::2] == (3, "is not UTF-8 text")
    path = write(tmp_path, "net.txt", "a b\n" * 1000)
    monkeypatch.setattr("qoslab.graphs.formats.edge_list.MAX_LIST_BYTES", 2000)
    assert "is larger than" in errors(path)[0][2]


def test_too_many_links_stop_the_reading(tmp_path, monkeypatch):
    monkeypatch.setattr("qoslab.graphs.formats.edge_list.MAX_LINKS", 2)
    assert errors(write(tmp_path, "net.txt", "a b\nb c\nc d\nd e\n"))[0][0] == 3


@settings(max_examples=300)
@given(st.sampled_from(sorted(FORMATS)), st.binary(max_size=200))
def test_any_bytes_give_a_network_or_a_clear_error(tmp_path_factory, extension, data):
    path = tmp_path_factory.getbasetemp() / f"fuzz{extension}"
    path.write_bytes(data)
    try:
        network = read_network(path)
    except BadInput as error:
        problems = error.problems
    else:
        problems = (network.fingerprint,)
    assert problems


SEEDS = {
    ".graphml": ZOO.replace("ISO-8859-1", "UTF-8"),
    ".json": BAD_JSON,
    ".gml": 'graph [ directed 1 node [ id 0 label "a" ] node [ id 1 ] edge [ source 0 target 1 weight 2.5 ] ]',
    ".csv": "source,target,length_km\na,b,1\nb,c,2\n",
}


@settings(max_examples=300)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_files_cut_short_or_altered_give_a_network_or_a_clear_error(tmp_path_factory, extension, data):
    text = SEEDS[extension]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(["", "<", "]", '"', "9", "-", "\x00", "é"]))
    altered = text[:at] + other + (text[at + 1 :] if data.draw(st.booleans()) else "")
    path = tmp_path_factory.getbasetemp() / f"altered{extension}"
    path.write_text(altered, encoding="utf-8")
    try:
        network = read_network(path)
    except BadInput as error:
        problems = error.problems
    else:
        problems = (network.fingerprint,)
    assert problems


def test_reading_limits_are_finite():
    assert files.MAX_TREE_BYTES <= files.MAX_LIST_BYTES <= 2**30
