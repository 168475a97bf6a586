"""Sources that are set up for each attempt, and an age for each hop's pairs: timelines by hand, in every engine."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.links import link_timing, single_pair_rate
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import Architecture, EntanglementScenario

DELAY, SETUP, COHERENCE = 1e-4, 3e-5, 0.05
PLANNED = ["buffer_space", "statistical"]


def certain(nodes: str = "SRD", **changes: Any) -> EntanglementScenario:
    """20 km links, all attempts and swaps succeed: every time is known; word takes 0.1 ms per link."""
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(nodes)]},
        "links": {"attenuation_db_per_km": 0.0, "architecture": "source_in_midpoint", "setup_s": SETUP},
        "nodes": {"detector_efficiency": 1.0, "swap_success": 1.0, "coherence_s": COHERENCE},
        "phases": {"external_s": 0.002},
        "requests": [{"source": nodes[0], "target": nodes[-1]}],
        "horizon_s": 0.0402,
    }  # fmt: skip
    return EntanglementScenario.model_validate(raw | changes)


def deliveries(scenario: EntanglementScenario, method: Any) -> dict[str, np.ndarray]:
    (outcome,) = run(scenario, method, [Seed()], Context(keep_series=True))
    return outcome.series["deliveries"]


def fidelity(inner_s: float, outer_s: float) -> float:
    """Two pairs of 0.99 under dephasing, stored for so long at the repeater and at the users."""
    w = ((4 * 0.99 - 1) / 3) ** 2
    for stored in (inner_s, inner_s, outer_s, outer_s):
        w *= (1 + 2 * math.exp(-stored / COHERENCE)) / 3
    return (3 * w + 1) / 4


@pytest.mark.parametrize("multiplexing", PLANNED)
def test_word_of_a_pair_comes_later_by_the_set_up(multiplexing: str) -> None:
    """Question and answer; the pair is known a delay and a set-up later, the swap a delay after that."""
    found = deliveries(certain(memory={"multiplexing": multiplexing}), ShortestPath())
    cycle = 4 * DELAY + SETUP
    count = len(found["time_s"])
    assert count == math.floor(0.0402 / cycle)
    assert found["time_s"] == pytest.approx(cycle * np.arange(1, count + 1))
    assert found["fidelity"][0] == pytest.approx(fidelity(DELAY + SETUP, 2 * DELAY + SETUP))
    assert found["age_s"][0] == pytest.approx(2 * DELAY + SETUP)


def test_slots_see_the_set_up_too() -> None:
    """Question, answer, creation; both know 0.13 ms later: a phase of 0.33 ms holds a pair, a shorter one none."""
    known = 3 * DELAY + SETUP
    long, short = (certain(phases={"external_s": known + extra}) for extra in (1e-9, -1e-9))
    assert len(deliveries(long, ReactiveCentral())["time_s"]) > 10
    assert len(deliveries(short, ReactiveCentral())["time_s"]) == 0


@pytest.mark.parametrize("architecture", ["dim_bk", "dim_bk_sequence", "dim_dual", "sender_receiver"])
@pytest.mark.parametrize("multiplexing", PLANNED)
def test_rate_of_one_link_by_renewal_theory(multiplexing: str, architecture: Architecture) -> None:
    """Within 4.5 standard errors of 12 runs, Student's law: by chance once in 10^3; the horizon ends within a cycle."""
    links = {"architecture": architecture, "setup_s": 2e-4}
    scenario = certain("SD", links=links, memory={"multiplexing": multiplexing}, horizon_s=1.0)
    timing = link_timing(20.0, scenario.links, scenario.nodes, scenario.nodes)
    seeds = [Seed(replication=place) for place in range(12)]
    rates = np.array([each.metrics["rate_per_s"] for each in run(scenario, ShortestPath(), seeds, Context())])
    expected = single_pair_rate(timing)
    assert expected < 0.95 * single_pair_rate(timing._replace(interval_s=timing.interval_s - 2e-4))
    assert abs(rates.mean() - expected) < 4.5 * rates.std(ddof=1) / math.sqrt(12) + 1.0


def lopsided(multiplexing: str = "buffer_space", **phases: Any) -> EntanglementScenario:
    """S-R always succeeds, R-D one attempt in some twenty."""
    hardware = {"attenuation_db_per_km": 0.65, "architecture": "source_in_midpoint", "setup_s": SETUP}
    return certain(
        link_overrides=[{"source": "R", "target": "D", "hardware": hardware}],
        memory={"multiplexing": multiplexing},
        horizon_s=0.4,
        **({"phases": phases} if phases else {}),
    )


def outcome(scenario: EntanglementScenario, cutoff_s: Any) -> Any:
    return next(iter(run(scenario, ShortestPath(cutoff_s=cutoff_s), [Seed()], Context(keep_series=True))))


ENGINES = [{"multiplexing": rule} for rule in PLANNED] + [{"for_all": True, "external_s": 0.002}]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_hop_has_its_own_age(engine: dict[str, Any]) -> None:
    """Pairs of S-R wait for those of R-D: their age matters. That of R-D's, which are swapped at once, does not."""
    scenario = lopsided(**engine)
    short, long = (0.0045, 0.04) if "for_all" in engine else (0.001, 0.04)
    both, left, right, none = (
        outcome(scenario, ages) for ages in (short, (short, long), (long, short), (long, long))
    )
    assert none.metrics == outcome(scenario, long).metrics
    assert left.counters["pairs_decohered"] > 20
    assert left.series["deliveries"]["age_s"].max() < none.series["deliveries"]["age_s"].max()
    if "for_all" not in engine:
        assert left.metrics == both.metrics
        assert right.metrics == none.metrics
        assert left.series["deliveries"]["age_s"].max() <= short + DELAY + 1e-12
    else:
        assert left.counters["pairs_decohered"] > right.counters["pairs_decohered"]


def test_ages_run_with_the_path_and_not_with_the_link() -> None:
    """D to S is the same world seen from the other end: the ages are turned round."""
    scenario = lopsided("statistical")
    turned = scenario.model_copy(
        update={"requests": (scenario.requests[0].model_copy(update={"source": "D", "target": "S"}),)}
    )
    ways = [outcome(scenario, (0.001, 0.04)), outcome(turned, (0.04, 0.001)), outcome(turned, (0.001, 0.04))]
    ages = [each.series["deliveries"]["age_s"].max() for each in ways]
    assert max(ages[:2]) <= 0.001 + DELAY + 1e-12 < ages[2]


def test_zero_is_the_coherence_time_alone() -> None:
    scenario = lopsided()
    assert outcome(scenario, (0.0, 0.0)).metrics == outcome(scenario, 0.0).metrics
    assert outcome(scenario, (0.001, 0.0)).metrics == outcome(scenario, (0.001, 0.04)).metrics


@pytest.mark.parametrize("ages", [(), (0.01,), (0.01, 0.01, 0.01)])
@pytest.mark.parametrize("phases", [{}, {"for_all": True, "external_s": 0.002}])
def test_ages_of_other_hops_are_refused(ages: tuple[float, ...], phases: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="a path of 2 hops has cut-offs"):
        outcome(lopsided(**phases), ages)


FILE = """[study]
name = "ages"
domain = "entanglement"
seeds = 1

[scenario]
network.links = [
  { source = "S", target = "R", length_km = 20.0 },
  { source = "R", target = "D", length_km = 20.0 },
]
links.setup_s = 1e-5
requests = [{ source = "S", target = "D" }]
horizon_s = 0.1

[[method]]
id = "shortest_path"
cutoff_s = [0.004, 0.008]
"""


def test_a_study_file_has_them_and_a_wrong_number_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    table = Study.from_file(path).run(tmp_path / "runs", workers=0, quiet=True).table
    assert table["status"].to_list() == ["done"]
    for ages, words in (
        ("[0.004]", "1 cut-offs do not fit the 2 hops of the path S-R-D of request 0"),
        ("[0.004, -1.0]", "must be at least 0, is -1"),
    ):
        path.write_text(FILE.replace("[0.004, 0.008]", ages))
        with pytest.raises(BadInput) as caught:
            Study.from_file(path)
        problem = caught.value.problems[0]
        assert words in problem.message
        assert problem.line == 17
