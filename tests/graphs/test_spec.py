import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.core.errors import BadInput, MissingData
from qoslab.core.scenario import dataset_names, input_files
from qoslab.graphs.spec import NetworkTable, build


def table(base=".", **values):
    return NetworkTable.model_validate(values, context={"base": str(base)})


def rng(seed=0):
    return np.random.default_rng(seed)


MODELS = [
    ({"model": "erdos_renyi", "nodes": 20, "p": 0.2}, 20),
    ({"model": "erdos_renyi", "nodes": 20, "mean_degree": 3.0, "directed": True}, 20),
    ({"model": "watts_strogatz", "nodes": 20}, 20),
    ({"model": "barabasi_albert", "nodes": 20}, 20),
    ({"model": "scale_free", "nodes": 20}, 20),
    ({"model": "power_law", "nodes": 20}, 20),
    ({"model": "random_regular", "nodes": 20}, 20),
    ({"model": "random_tree", "nodes": 20, "extra_links": 3}, 20),
    ({"model": "k_in", "nodes": 20}, 20),
    ({"model": "random_geometric", "nodes": 20, "radius_km": 0.4}, 20),
    ({"model": "waxman", "nodes": 20}, 20),
    ({"model": "path", "nodes": 20}, 20),
    ({"model": "ring", "nodes": 20}, 20),
    ({"model": "star", "leaves": 19}, 20),
    ({"model": "complete", "nodes": 20}, 20),
    ({"model": "grid", "rows": 4, "columns": 5}, 20),
    ({"model": "tree", "branching": 3, "depth": 2}, 13),
    ({"model": "dumbbell", "senders": 4}, 10),
    ({"model": "hypercube", "dimension": 4}, 16),
    ({"model": "lollipop", "clique": 4, "tail": 3}, 7),
    ({"model": "margulis", "side": 4}, 16),
    ({"model": "karate"}, 34),
]


@pytest.mark.parametrize(("model", "nodes"), MODELS, ids=lambda x: x["model"] if isinstance(x, dict) else "")
def test_every_model(model, nodes):
    found = build(table(generate=model), rng())
    assert found.n == nodes
    assert found == build(table(generate=model), rng())


def test_the_seed_of_a_table_fixes_its_network():
    values = {"model": "erdos_renyi", "nodes": 30, "p": 0.2}
    assert build(table(generate=values), rng(1)) != build(table(generate=values), rng(2))
    fixed = table(generate=values, seed=7)
    assert build(fixed, rng(1)) == build(fixed, rng(2))
    assert not fixed.random
    assert table(generate=values).random


def test_a_file_is_found_beside_the_study(tmp_path):
    (tmp_path / "net.csv").write_text("source,target,length_km\na,b,100\nb,c,50\nd,e,1\n")
    found = table(
        tmp_path,
        file="net.csv",
        component="largest",
        length_factor=1.5,
        default_capacity=10.0,
        propagation_speed_km_per_s=200_000.0,
    )
    assert input_files(found) == [tmp_path / "net.csv"]
    network = build(found, rng())
    assert network.nodes == ("a", "b", "c")
    assert network.length_km.tolist() == [150.0, 75.0]
    assert network.capacity.tolist() == [10.0, 10.0]
    assert network.delay_s.tolist() == pytest.approx([7.5e-4, 3.75e-4])


def test_inline_links():
    network = build(
        table(links=[{"source": "a", "target": "b", "capacity": 2.0}, {"source": "b", "target": "c"}]), rng()
    )
    assert network.nodes == ("a", "b", "c")
    assert np.isnan(network.capacity[1])


def test_topohub_with_lengths_from_positions():
    given = build(table(topohub="topozoo/Abilene"), rng())
    measured = build(table(topohub="topozoo/Abilene", lengths="positions"), rng())
    assert given != measured
    assert measured.length_km == pytest.approx(given.length_km, rel=0.01)


def test_datasets_are_resolved_by_the_caller(tmp_path):
    (tmp_path / "net.edges").write_text("1 2\n")
    found = table(dataset="snap/net.edges")
    assert dataset_names(found) == ["snap/net.edges"]
    assert build(found, rng(), dataset=lambda name: tmp_path / name.split("/")[1]).m == 1
    with pytest.raises(MissingData, match=r"snap/net\.edges"):
        build(found, rng())


@pytest.mark.parametrize("kind", ["weakly", "strongly"])
def test_models_are_drawn_until_they_are_connected(kind):
    from qoslab.graphs.transform import connected

    model = {"model": "erdos_renyi", "nodes": 12, "mean_degree": 2.5, "directed": True}
    for seed in range(5):
        network = build(table(generate=model, connected=kind), rng(seed))
        assert connected(network, strong=kind == "strongly")


def test_networks_that_are_not_connected():
    model = {"model": "erdos_renyi", "nodes": 12, "p": 0.0}
    with pytest.raises(BadInput, match="not weakly connected in any of 100 draws"):
        build(table(generate=model, connected="weakly"), rng())
    links = [{"source": "a", "target": "b"}, {"source": "c", "target": "d"}]
    with pytest.raises(BadInput, match="is not weakly connected"):
        build(table(links=links, connected="weakly"), rng())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "given: none"),
        ({"topohub": "a/b", "links": [{"source": "a", "target": "b"}]}, "given: topohub and links"),
        ({"file": "none.csv"}, "there is no file 'none.csv'"),
        ({"file": "net.xlsx"}, "no format of a network file"),
        ({"topohub": "a/b", "directd": True}, "directd"),
        ({"topohub": "a/b", "default_delay_s": 1.0, "propagation_speed_km_per_s": 1.0}, "give either"),
        ({"topohub": "a/b", "length_factor": 0.0}, "greater than 0"),
        ({"topohub": "a/b", "parallel": "drop"}, "'refuse', 'first' or 'merge'"),
        ({"generate": {"model": "karate"}, "directed": True}, "where its model says so"),
        ({"generate": {"model": "erdos_reny"}}, "erdos_renyi"),
        ({"generate": {"model": "erdos_renyi", "nodes": 5}}, "either p or mean_degree"),
        ({"generate": {"model": "erdos_renyi", "nodes": 5, "mean_degree": 5.0}}, "needs more than 5 nodes"),
        ({"generate": {"model": "erdos_renyi", "nodes": 5, "p": 1.5}}, "less than or equal to 1"),
        ({"generate": {"model": "watts_strogatz", "nodes": 4}}, "neighbours must be below nodes"),
        ({"generate": {"model": "watts_strogatz", "nodes": 9, "neighbours": 3}}, "multiple of 2"),
        ({"generate": {"model": "barabasi_albert", "nodes": 2, "links": 2}}, "links must be below nodes"),
        ({"generate": {"model": "random_regular", "nodes": 5, "degree": 3}}, "even"),
        ({"generate": {"model": "scale_free", "nodes": 5, "alpha": 0.8}}, "at most 1"),
        ({"generate": {"model": "ring", "nodes": 4, "neighbours": 2}}, "reach around the ring"),
        ({"generate": {"model": "grid", "rows": 2, "columns": 5, "wrap": True}}, "torus"),
        ({"generate": {"model": "tree", "branching": 10, "depth": 10}}, "more than 1000000 nodes"),
        ({"generate": {"model": "k_in", "nodes": 3, "in_degree": 3}}, "in_degree must be below"),
        ({"generate": {"model": "path", "nodes": 10**9}}, "less than or equal"),
        ({"generate": {"model": "path", "nodes": "10"}}, "valid integer"),
        ({"links": []}, "at least 1"),
        ({"links": [{"source": "a", "target": "b", "length_km": -1.0}]}, "greater than or equal to 0"),
    ],
)
def test_tables_that_cannot_be(tmp_path, values, words):
    (tmp_path / "net.xlsx").write_text("")
    with pytest.raises(ValidationError) as caught:
        table(tmp_path, **values)
    assert words in str(caught.value)


def test_every_field_is_described_for_new_and_for_editors():
    schema = NetworkTable.model_json_schema()
    assert all("description" in field for field in schema["properties"].values())
    for name, part in schema["$defs"].items():
        wanted = {key for key in part["properties"] if key != "model"}
        assert all("description" in part["properties"][key] for key in wanted), name


def test_importing_the_table_loads_nothing_heavy():
    code = (
        "import sys, qoslab.graphs.spec, qoslab.graphs.mixing, qoslab.graphs.yen, qoslab.graphs.centrality;"
    )
    code += "print([m for m in ('scipy', 'networkx', 'topohub', 'matplotlib', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
