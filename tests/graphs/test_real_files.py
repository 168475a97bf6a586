"""Files of the data folder, and every topology of the installed topohub."""

import json
import os
from importlib.resources import files
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.graphs.components import component_labels, is_connected
from qoslab.graphs.formats.assemble import Reading
from qoslab.graphs.geo import distance_km
from qoslab.graphs.readers import read_network
from qoslab.graphs.shortest import all_pairs
from qoslab.graphs.spectra import spectral_radius
from qoslab.graphs.topologies import from_topohub, topohub_names

DATA = os.environ.get("QOSLAB_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="QOSLAB_DATA is not set: the data folder is not here")


def graphs():
    return Path(DATA or "") / "graphs"


@pytest.mark.data
@needs_data
def test_autonomous_systems_of_2000():
    path = graphs() / "as20000102-snap.txt"
    with pytest.raises(BadInput, match="self_loops = 'drop'"):
        read_network(path)
    network = read_network(path, Reading(self_loops="drop"))
    assert (network.n, network.m) == (6474, 12572)
    assert is_connected(network)
    assert spectral_radius(network) == pytest.approx(46.318, abs=5e-4)


@pytest.mark.data
@needs_data
def test_c_elegans():
    network = read_network(graphs() / "c-elegans-frontal.txt", Reading(directed=True))
    assert (network.n, network.m) == (131, 764)
    assert component_labels(network, strong=True).max() + 1 == 22
    assert is_connected(network)
    assert network.nodes == tuple(str(v) for v in range(131))


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("name", "nodes", "links"),
    [
        ("facebook-ego-1912.edges", 747, 30025),
        ("cachenet-abilene9.txt", 9, 13),
        ("cachenet-geant22.txt", 22, 33),
        ("cachenet-dtelekom68.txt", 68, 273),
    ],
)
def test_edge_lists(name, nodes, links):
    network = read_network(graphs() / name)
    assert (network.n, network.m) == (nodes, links)


@pytest.mark.data
@needs_data
def test_every_topohub_file_says_what_its_own_statistics_say():
    paths = sorted((Path(DATA or "") / "networks" / "topohub").rglob("*.json"))
    assert len(paths) == 239
    for path in paths:
        network = read_network(path)
        graph = json.loads(path.read_text())["graph"]
        stats, demands = graph["stats"], graph["demands"]
        assert (network.n, network.m) == (stats["nodes"], stats["links"]), path
        # Their count of demands counts a pair that is stated once both ways; the file itself is what we read.
        assert len(network.demands.source) == sum(map(len, demands.values())), path
        assert network.out_degree.max() == stats["max_degree"], path
        assert np.nanmax(network.length_km) == pytest.approx(stats["max_link_len"], abs=0.006), path


def test_names_of_the_installed_package():
    names = topohub_names()
    assert {"topozoo/Abilene", "sndlib/germany50", "gabriel/25/0"} <= set(names)
    assert topohub_names("sndlib") == [name for name in names if name.startswith("sndlib/")]
    assert len(topohub_names("topozoo")) > 200


@pytest.mark.parametrize("name", ["topozoo/Abilene", "sndlib/abilene", "gabriel/25/0", "backbone/africa"])
def test_topologies_by_name(name):
    data = json.loads((files("topohub") / "data" / f"{name}.json").read_text())
    peer = nx.node_link_graph(data, edges="edges")
    network = from_topohub(name)
    assert (network.name, network.n, network.m) == (name, len(peer), peer.number_of_edges())
    assert network.geographic == (not name.startswith("gabriel"))
    if is_connected(network):
        assert all_pairs(network).max() == peer.graph["stats"]["diameter_hops"]
    ends = network.position[network.tail], network.position[network.head]
    measured = distance_km(*ends, geographic=network.geographic)
    # The package's Earth is 0.028 % larger than ours; its lengths come from exact positions, ours from rounded
    # ones: 0.005 degrees at either end, 0.79 km each across both axes.
    assert measured == pytest.approx(network.require("length_km"), rel=4e-4, abs=1.6)


def test_planar_positions_of_sndlib_are_not_taken_for_longitudes():
    network = from_topohub("sndlib/france")
    assert not network.geographic
    assert network.position.max() > 180


def test_demands_of_sndlib_are_directed():
    network = from_topohub("sndlib/abilene")
    matrix = network.demands.matrix(network.n)
    assert len(network.demands.source) == 132
    assert matrix[5, 10] == 3580.0
    assert matrix[10, 5] == 29555.0


@pytest.mark.parametrize(
    "name", ["topozoo/Abilen", "../../../etc/passwd", "topozoo/../sndlib/abilene", "", "/x/y"]
)
def test_names_that_are_none(name):
    with pytest.raises(BadInput, match="topohub has no topology"):
        from_topohub(name)


def test_the_hint_names_the_nearest():
    with pytest.raises(BadInput, match="did you mean 'topozoo/Abilene'"):
        from_topohub("topozoo/Abilen")


@pytest.mark.full
def test_every_topology_of_the_package_is_read():
    for name in topohub_names():
        assert from_topohub(name).n > 0
