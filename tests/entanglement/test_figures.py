"""The domain's figures, drawn from a study that ran: they show the table's numbers."""

import numpy as np
import polars as pl
import pytest

from qoslab import Study, draw
from qoslab.domains.entanglement.flows import flow_series, places_of
from qoslab.graphs.network import Network
from qoslab.report.figures import domain_figures

STUDY = """
[study]
name = "drawn"
domain = "entanglement"
seeds = 3
[scenario]
network.links = [
  { source = "S", target = "R", length_km = 32.0 },
  { source = "R", target = "D", length_km = 18.0 },
  { source = "R", target = "X", length_km = 18.0 },
]
nodes.coherence_s = GRID
nodes.swap_success = { grid = [1.0, 0.5] }
requests = [{ source = "S", target = "D" }]
horizon_s = 0.3
[[method]]
id = "shortest_path"
[[method]]
id = "shortest_path"
label = "short"
cutoff_s = 0.002
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return _ran(tmp_path_factory.mktemp("drawn"), "{ grid = [0.002, 0.05] }")


def _ran(folder, coherence, study=STUDY):
    file = folder / "study.toml"
    file.write_text(study.replace("GRID", coherence), encoding="utf-8")
    return Study.from_file(file).run(workers=0, quiet=True)


def drawn(results):
    found = {each.name: each for each in domain_figures(results)}
    assert not [each.problem for each in found.values() if each.problem]
    return {name: each.figure for name, each in found.items()}


def test_every_figure_is_drawn(results):
    assert set(drawn(results)) == {
        "rate",
        "fidelity",
        "fidelities",
        "rate-over-fidelity",
        "latencies",
        "flows",
    }


@pytest.mark.parametrize(("name", "metric"), [("rate", "rate_per_s"), ("fidelity", "fidelity")])
def test_lines_are_means_over_seeds(results, name, metric):
    data = draw.attached(drawn(results)[name])
    table = results.table.filter(
        (pl.col("nodes.swap_success") == 1.0) & (pl.col("nodes.coherence_s") == 0.05)
    )
    for method in ("shortest_path", "short"):
        values = table.filter(pl.col("method") == method)[metric].to_numpy()
        row = data.filter((pl.col("label") == method) & (pl.col("nodes.coherence_s") == 0.05))
        assert row["value"].item() == pytest.approx(values.mean())
        # Student, two degrees of freedom: 4.3027.
        assert row["high"].item() - row["value"].item() == pytest.approx(
            4.302653 * values.std(ddof=1) / np.sqrt(3)
        )


def test_the_rate_falls_over_the_wanted_fidelity(results):
    data = draw.attached(drawn(results)["rate-over-fidelity"])
    pairs = results.series("deliveries")
    last = pairs["scenario"][-1]
    rates = results.table.filter(pl.col("scenario") == last)
    for method in ("shortest_path", "short"):
        curve = data.filter(pl.col("label") == method)
        kept = pairs.filter((pl.col("scenario") == last) & (pl.col("method") == method))[
            "fidelity"
        ].to_numpy()
        rate = rates.filter(pl.col("method") == method)["rate_per_s"].to_numpy().mean()
        for wanted, value in zip(curve["wanted fidelity"], curve["value"], strict=True):
            assert value == pytest.approx(rate * sum(kept >= wanted) / len(kept))
        assert curve["value"][0] == pytest.approx(rate)
        assert curve["value"][-1] < 0.5 * rate


def test_the_map_shows_pairs_where_they_pass(results):
    data = draw.attached(drawn(results)["flows"])
    loads = {
        frozenset((a, b)): load
        for a, b, load in zip(data["from"], data["to"], data[data.columns[-1]], strict=True)
    }
    case = results.table.filter(pl.col("scenario") == results.series("flows")["scenario"][-1])
    rate = case.filter((pl.col("method") == "shortest_path") & (pl.col("replication") == 0))[
        "rate_per_s"
    ].item()
    assert loads == {
        frozenset("SR"): pytest.approx(rate),
        frozenset("RD"): pytest.approx(rate),
        frozenset("RX"): 0.0,
    }
    assert rate > 0


def test_without_a_varied_number_no_line_is_drawn(tmp_path):
    found = drawn(_ran(tmp_path, "0.05", STUDY.replace("{ grid = [1.0, 0.5] }", "1.0")))
    assert set(found) == {"fidelities", "rate-over-fidelity", "latencies", "flows"}


def test_places_of_a_network_without_positions_keep_distances():
    places, known = places_of(Network.from_links(5, range(4), range(1, 5)))
    assert not known
    gaps = np.abs(places[:, None, 0] - places[None, :, 0])
    assert np.allclose(gaps, np.abs(np.subtract.outer(np.arange(5), np.arange(5))))
    assert np.allclose(places[:, 1], 0, atol=1e-6)


def test_flows_stand_beside_their_links():
    network = Network.from_links(4, [0, 1, 2], [1, 2, 3], position=[[0, 0], [1, 0], [2, 1], [3, 3]])
    flows = flow_series(network, np.array([2.0, 7.0, 5.0]), {0, 3})
    assert flows["pairs_per_s"].tolist() == [2.0, 7.0, 5.0]
    assert flows["source"].tolist() == ["0", "1", "2"]
    assert flows["y_to"].tolist() == [0.0, 1.0, 3.0]
    assert (flows["user_from"].tolist(), flows["user_to"].tolist()) == ([1, 0, 0], [0, 0, 1])
