"""What hardware gains: closed forms on one link, exact zeros by common random numbers, and bad input."""

import math

import pytest

from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.links import link_timing, single_pair_rate
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware, example
from qoslab.domains.entanglement.sensitivity import FIGURES, improved, sensitivities, sensitivity

SEEDS = [Seed(0, "test", "", k) for k in range(12)]


def one_link(fidelity=0.25, **nodes):
    raw = {
        "network": {"links": ({"source": "S", "target": "D", "length_km": 20.0},)},
        "requests": ({"source": "S", "target": "D", "fidelity": fidelity},),
        "nodes": {"coherence_s": 10.0, **nodes},
        "horizon_s": 2.0,
    }
    return EntanglementScenario.model_validate(raw)


def by_name(gains):
    return {each.figure: each for each in gains}


def test_one_link_gains_what_renewal_theory_says():
    gains = by_name(sensitivities(one_link(), ShortestPath(), SEEDS))
    link, node = LinkHardware(), NodeHardware()
    before = single_pair_rate(link_timing(20.0, link, node, node))
    for figure, (of, change) in FIGURES.items():
        if figure not in ("source_efficiency", "detector_efficiency", "attenuation_db_per_km"):
            continue
        better = (node if of is NodeHardware else link).model_copy(
            update={figure: change(getattr(node if of is NodeHardware else link, figure), 0.1)}
        )
        ends = (better, better) if of is NodeHardware else (node, node)
        after = single_pair_rate(link_timing(20.0, better if of is LinkHardware else link, *ends))
        gain = gains[("nodes." if of is NodeHardware else "links.") + figure]
        # Three intervals of 95 % on fixed seeds; twice the half-width is passed by chance in 1 of 1000.
        assert abs(gain.gain - (after - before)) < gain.high - gain.low
        assert gain.low > 0
        assert gain.percent == pytest.approx(100 * gain.gain / before, rel=0.1)


def test_what_does_not_matter_gains_exactly_nothing():
    # No swap, attempts longer than any reset, every fidelity of use: the same random numbers give the same run.
    gains = by_name(sensitivities(one_link(), ShortestPath(), SEEDS[:3]))
    for figure in ("nodes.swap_success", "nodes.reset_s", "links.initial_fidelity", "nodes.coherence_s"):
        assert (gains[figure].gain, gains[figure].low, gains[figure].high) == (0.0, 0.0, 0.0)


def test_the_largest_gain_comes_first_and_the_wanted_fidelity_decides_it():
    plain = sensitivities(one_link(), ShortestPath(), SEEDS[:4])
    assert [each.gain for each in plain] == sorted((each.gain for each in plain), reverse=True)
    # A new pair has 0.99: 0.9905 is reached by purer pairs alone.
    picky = sensitivities(one_link(0.9905), ShortestPath(), SEEDS[:4])
    assert picky[0].figure == "links.initial_fidelity"
    assert picky[0].gain > 0
    assert all(math.isnan(each.percent) for each in picky)


def test_what_is_best_already_is_left_out():
    gains = by_name(sensitivities(one_link(source_efficiency=1.0), ShortestPath(), SEEDS[:2]))
    assert "nodes.source_efficiency" not in gains
    assert "nodes.gate_fidelity" not in gains
    assert "links.pairs" not in gains


def test_improvement_reaches_overrides_and_stays_in_bounds():
    raw = example().model_dump()
    raw["node_overrides"] = ({"node": "R", "hardware": {"swap_success": 0.95, "gate_fidelity": 0.9}},)
    raw["link_overrides"] = ({"source": "S", "target": "R", "hardware": {"pairs": 20}},)
    scenario = EntanglementScenario.model_validate(raw)
    assert improved(scenario, "swap_success", 0.1).node_overrides[0].hardware.swap_success == 1.0
    assert improved(scenario, "swap_success", 0.1).nodes.swap_success == pytest.approx(0.55)
    assert improved(scenario, "gate_fidelity", 0.1).node_overrides[0].hardware.gate_fidelity == pytest.approx(
        0.91
    )
    assert improved(scenario, "pairs", 0.1).link_overrides[0].hardware.pairs == 22
    for figure in FIGURES:
        EntanglementScenario.model_validate(improved(scenario, figure, 0.1).model_dump())


def test_a_total_of_memories_is_a_figure_where_a_node_has_one():
    """Twenty memories for two links are 22, eleven each; nodes that have none are left alone."""
    raw = example().model_dump(exclude_unset=True)
    raw["node_overrides"] = ({"node": "R", "hardware": {"memories": 20}},)
    raw["links"] = {"pairs": 30}
    scenario = EntanglementScenario.model_validate(raw)
    found = improved(scenario, "memories", 0.1)
    assert found.node_overrides[0].hardware.memories == 22
    assert found.nodes.memories is None
    gain = by_name(sensitivities(scenario, ShortestPath(), SEEDS[:4]))["nodes.memories"]
    assert (gain.before, gain.after) == (20, 22)
    assert gain.gain > 0
    assert "nodes.memories" not in by_name(sensitivities(example(), ShortestPath(), SEEDS[:2]))


FILE = """
[study]
name = "x"
domain = "entanglement"
[scenario]
network.links = [{ source = "S", target = "D", length_km = 20.0 }]
nodes.coherence_s = COHERENCE
requests = [{ source = "S", target = "D" }]
horizon_s = 0.2
[[method]]
id = "shortest_path"
[[method]]
id = "yen_multipath"
label = "two"
paths = 2
"""


def written(folder, coherence="0.02"):
    path = folder / "study.toml"
    path.write_text(FILE.replace("COHERENCE", coherence), encoding="utf-8")
    return path


def test_the_command_reads_a_study_file(tmp_path):
    rows = sensitivity(written(tmp_path), seeds=3, percent=20.0, metric="rate_per_s")
    assert {row["improve"]: (row["from"], row["to"]) for row in rows}["nodes.coherence_s"] == (0.02, 0.024)
    assert rows[0]["gain"] >= rows[-1]["gain"]
    assert all(row["low"] <= row["gain"] <= row["high"] for row in rows)
    grid = written(tmp_path, "{ grid = [0.02, 0.1] }")
    chosen = sensitivity(grid, method="two", seeds=3, set=("scenario.nodes.coherence_s=0.02",))
    assert len(chosen) == len(rows)


@pytest.mark.parametrize(
    ("coherence", "options", "words"),
    [
        ("{ grid = [0.02, 0.1] }", {}, "varies this value"),
        ("-1", {}, "greater than 0"),
        ("0.02", {"method": "tow"}, "no method 'tow'"),
        ("0.02", {"seeds": 1}, "2 seeds or more"),
        ("0.02", {"percent": 0.0}, "not between 0 and 100"),
        ("0.02", {"metric": "rate"}, "no metric 'rate'"),
        ("0.02", {"set": ("horizon",)}, "key=value"),
    ],
)
def test_bad_input_is_named(tmp_path, coherence, options, words):
    with pytest.raises(BadInput) as caught:
        sensitivity(written(tmp_path, coherence), **options)
    assert words in str(caught.value)
