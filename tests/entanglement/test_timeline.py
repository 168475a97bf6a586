"""Timelines against the compiled run, conservation in what they show, and the page."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.n_fusion import NFusion
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.reps import Reps
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import Plan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.timeline.page import page, timeline
from qoslab.domains.entanglement.timeline.run import timelines


def line_of(pairs=2):
    links = [
        {"source": a, "target": b, "length_km": km}
        for a, b, km in (("S", "R", 16), ("R", "<T>", 10), ("<T>", "D", 12))
    ]
    raw = {
        "network": {"links": links},
        "links": {"pairs": pairs},
        "requests": [{"source": "S", "target": "D"}],
        "horizon_s": 0.1,
    }
    return EntanglementScenario.model_validate(raw)


class Purifying:
    """The shortest path, every link's pairs purified once."""

    def plan(self, view, rng, context):
        (path,) = ShortestPath().plan(view, rng, context).paths
        return Plan((replace(path, rounds=(1, 1, 1)),))


@pytest.fixture(scope="module")
def watched():
    (found,) = timelines(line_of(), ShortestPath(), Seed(), 0.1)
    return found


def test_the_timeline_is_the_run(watched):
    outcome = next(iter(run(line_of(), ShortestPath(), [Seed()], Context(keep_series=True))))
    counts, told = outcome.counters, outcome.series["deliveries"]
    assert [each.time_s for each in watched.deliveries] == told["time_s"].tolist()
    assert [each.fidelity for each in watched.deliveries] == told["fidelity"].tolist()
    assert len(told["time_s"]) > 3
    fates = [stay.fate for stay in watched.stays]
    assert len(fates) == 2 * counts["pairs_created"]
    assert sum(swap.good for swap in watched.swaps) >= counts["swaps_succeeded"]
    assert fates.count("swapped") + fates.count("failed") == 2 * len(watched.swaps)
    assert sum(stay.until_s - stay.since_s for stay in watched.stays) == pytest.approx(
        outcome.metrics["memory_use"] * 12 * 0.1
    )


def test_a_memory_holds_one_qubit_at_a_time(watched):
    held = {}
    for stay in watched.stays:
        held.setdefault((stay.other, stay.node, stay.memory), []).append((stay.since_s, stay.until_s))
    assert len(held) == 12
    for spans in held.values():
        spans.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_word_travels_at_the_speed_of_light(watched):
    swaps = {(swap.node, swap.time_s, swap.good) for swap in watched.swaps}
    assert watched.heralds
    for word in watched.heralds:
        assert (word.origin, word.start_s, word.good) in swaps
        way = abs(watched.place_s[word.target] - watched.place_s[word.origin])
        assert word.end_s - word.start_s == pytest.approx(way)
    assert np.allclose(np.diff(watched.place_s), [16 / 2e5, 10 / 2e5, 12 / 2e5])


class Page(HTMLParser):
    """Counts tags, collects addresses and text, and sees that everything is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.addresses, self.words = {}, [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.addresses += [value for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_is_whole_offline_and_shows_everything(watched):
    found = Page(page([watched], "A & B"))
    assert found.open == []
    assert found.addresses == []
    pairs = sum(stay.node < stay.other for stay in watched.stays)
    lines = (
        4 + len(watched.stays) + pairs + len(watched.heralds) + len(watched.swaps) + len(watched.deliveries)
    )
    assert found.tags["line"] == lines
    assert "<T>" in found.words
    assert any("fidelity 0." in word for word in found.words)


STUDY = """
[study]
name = "x"
domain = "entanglement"
[scenario]
network.links = [{ source = "S", target = "D", length_km = 20.0 }]
requests = [{ source = "S", target = "D" }]
[[method]]
id = "shortest_path"
[[method]]
id = "reactive_central"
"""


def test_the_command_writes_the_page(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    out = tmp_path / "page.html"
    assert timeline(tmp_path / "study.toml", out=out, until_s=0.02) == f"wrote {out}"
    assert Page(out.read_text(encoding="utf-8")).tags["line"] > 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"until_s": 0.0}, "positive"),
        ({"method": "reactive_central"}, "one slot takes"),
        ({"method": "nobody"}, "no method 'nobody'"),
        ({"out": "nowhere/page.html"}, "no folder"),
    ],
)
def test_bad_input_is_named(tmp_path, options, words):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    given = {"out": tmp_path / options.pop("out", "page.html"), "until_s": 0.005} | options
    with pytest.raises(BadInput, match=words):
        timeline(tmp_path / "study.toml", **given)
    assert not given["out"].exists()


def test_purification_spends_pairs():
    scenario = line_of(pairs=4)
    (found,) = timelines(scenario, Purifying(), Seed(), 0.05)
    fates = [stay.fate for stay in found.stays]
    assert fates.count("spent") > 4
    (outcome,) = run(
        scenario.model_copy(update={"horizon_s": 0.05}), Purifying(), [Seed()], Context(keep_series=True)
    )
    assert [each.fidelity for each in found.deliveries] == outcome.series["deliveries"]["fidelity"].tolist()


def conserves(found, outcome, memories, horizon_s):
    """The timeline has the run's deliveries, every qubit of it once, and its time in memory."""
    told, fates = outcome.series["deliveries"], [stay.fate for stay in found.stays]
    key = sorted(zip(told["time_s"].tolist(), told["fidelity"].tolist(), strict=True))
    assert sorted((each.time_s, each.fidelity) for each in found.deliveries) == key
    assert len(fates) == 2 * outcome.counters["pairs_created"]
    held = sum(stay.until_s - stay.since_s for stay in found.stays)
    assert held == pytest.approx(outcome.metrics["memory_use"] * memories * horizon_s)
    taken = {}
    for stay in found.stays:
        taken.setdefault((stay.node, stay.other, stay.memory), []).append((stay.since_s, stay.until_s))
    for spans in taken.values():
        spans.sort()
        assert all(first[1] <= second[0] for first, second in pairwise(spans))
    return taken, fates


def crossing(**more):
    """Two requests over a common link B-C, and a way round it."""
    ends = (("A", "B"), ("E", "B"), ("B", "C"), ("C", "D"), ("C", "F"), ("B", "G"), ("G", "C"))
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 8 + len(ends) % 3} for a, b in ends]},
        "links": {"pairs": 2, "initial_fidelity": 0.95},
        "nodes": {"swap_success": 0.7, "coherence_s": 0.02},
        "requests": [{"source": "A", "target": "D"}, {"source": "E", "target": "F"}],
        "phases": {"external_s": 0.002},
        "horizon_s": 0.1,
    }
    return EntanglementScenario.model_validate(raw | more)


def one_run(scenario, method):
    return next(iter(run(scenario, method, [Seed()], Context(keep_series=True))))


@pytest.mark.parametrize("rule", ["statistical", "dynamic_weighted", "time"])
def test_paths_that_share_memories_have_a_timeline(rule):
    scenario = crossing(memory={"multiplexing": rule})
    (found,) = timelines(scenario, ShortestPath(), Seed(), 0.1)
    _, fates = conserves(found, one_run(scenario, ShortestPath()), 2 * 2 * 5, 0.1)
    assert found.names == ("A", "B", "C", "D", "E", "F")
    assert found.title == "A - B - C - D, E - B - C - F"
    assert {(each.first, each.last) for each in found.deliveries} == {(0, 3), (4, 5)}
    assert fates.count("swapped") + fates.count("failed") == 2 * len(found.swaps)
    swaps = {(swap.node, swap.time_s, swap.good) for swap in found.swaps}
    links = {frozenset((stay.node, stay.other)) for stay in found.stays}
    assert links == {frozenset(two) for two in ((0, 1), (4, 1), (1, 2), (2, 3), (2, 5))}
    assert found.heralds
    for word in found.heralds:
        assert (word.origin, word.start_s, word.good) in swaps
        hops = 1 if frozenset((word.origin, word.target)) in links else 2
        assert word.end_s - word.start_s == pytest.approx(hops * 9 / 2e5)


def test_purified_pairs_of_shared_memories_are_spent():
    scenario = crossing(memory={"multiplexing": "statistical"})
    (found,) = timelines(scenario, ShortestPath(rounds=1), Seed(), 0.1)
    _, fates = conserves(found, one_run(scenario, ShortestPath(rounds=1)), 2 * 2 * 5, 0.1)
    assert fates.count("spent") > 4


@pytest.mark.parametrize(
    ("method", "more"),
    [
        (ReactiveCentral(), {}),
        (ReactiveCentral(), {"phases": {"external_s": 0.002, "clear": True}}),
        (NFusion(slot_s=0.002), {}),
        (
            ShortestPath(rounds=1, wait_s=0.006),
            {"phases": {"external_s": 0.002, "for_all": True}},
        ),
        (
            Reps(),
            {"nodes": {"swap_success": 0.7, "coherence_s": 0.004, "swap_delay_s": 0.0005}},
        ),
    ],
    ids=["central", "emptied", "fusions", "purified", "slow swaps"],
)
def test_runs_in_slots_have_a_timeline(method, more):
    scenario = crossing(**more)
    (found,) = timelines(scenario, method, Seed(), 0.1)
    outcome = one_run(scenario, method)
    taken, fates = conserves(found, outcome, 2 * 2 * 7, 0.1)
    assert max(memory for _, _, memory in taken) <= 1
    assert outcome.metrics["rate_per_s"] > 0
    assert fates.count("used") == 2 * len(found.deliveries)
    # Users swap nothing.
    users = {row for each in found.deliveries for row in (each.first, each.last)}
    assert {stay.fate for stay in found.stays if stay.node in users} <= {"used", "dropped", "held", "spent"}
    counts, pairs = outcome.counters, Counter()
    for swap in found.swaps:
        pairs[swap.good] += swap.pairs - 1
    assert pairs[True] >= counts["swaps_succeeded"]
    assert pairs[False] >= counts["swaps_failed"]
    if method == ReactiveCentral():
        # Its orders never name a pair twice, so no swap is in vain.
        assert (pairs[True], fates.count("swapped")) == (
            counts["swaps_succeeded"],
            2 * counts["swaps_succeeded"],
        )
    assert ("spent" in fates) == isinstance(method, ShortestPath)
    for slot, later in pairwise(found.slots):
        assert slot.start_s < slot.tried_s < slot.known_s <= slot.ordered_s < slot.end_s
        assert later.start_s == pytest.approx(slot.end_s)
    ordered = {slot.ordered_s for slot in found.slots}
    delay = scenario.nodes.swap_delay_s
    assert all(min(abs(swap.time_s - delay - time) for time in ordered) < 1e-12 for swap in found.swaps)


def test_a_slot_by_hand():
    # Attempts that always succeed: 5 km are 25 us, so pairs are there after question and answer at 50 us. Both ends
    # know 25 and 50 us later, attempts end at 200 us, all know at 250 us and R swaps; users know at 300 us.
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 5.0} for a, b in ("SR", "RD")]},
        "links": {"architecture": "sender_receiver", "attenuation_db_per_km": 0.0, "initial_fidelity": 1.0},
        "nodes": {"source_efficiency": 1.0, "detector_efficiency": 1.0, "swap_success": 1.0},
        "requests": [{"source": "S", "target": "D"}],
        "memory": {"noise": "perfect"},
        "phases": {"external_s": 0.0002},
        "horizon_s": 0.0004,
    }
    (found,) = timelines(EntanglementScenario.model_validate(raw), ReactiveCentral(), Seed(), 0.0004)
    assert found.names == ("S", "R", "D")
    stays = [
        (stay.node, stay.other, stay.since_s, round(stay.until_s, 12), stay.fate) for stay in found.stays
    ]
    assert sorted(stays) == [
        (0, 1, 5e-5, 0.0003, "used"),
        (1, 0, 5e-5, 0.00025, "swapped"),
        (1, 2, 5e-5, 0.00025, "swapped"),
        (2, 1, 5e-5, 0.0003, "used"),
    ]
    assert [(swap.node, round(swap.time_s, 12), swap.good, swap.pairs) for swap in found.swaps] == [
        (1, 0.00025, True, 2)
    ]
    assert [(each.first, each.last, round(each.time_s, 12), each.fidelity) for each in found.deliveries] == [
        (0, 2, 0.0003, 1.0)
    ]
    text = page([found], "x")
    assert text.count('<rect class="slot"') == len(found.slots) == 1
    assert "In grey bands links try" in text
    assert "slot 0: links try from 0.000 ms to 0.200 ms, the state is known at 0.250 ms" in text


def test_a_page_of_many_memories_has_a_lane_for_each():
    scenario = crossing(links={"pairs": 6})
    (found,) = timelines(scenario, ReactiveCentral(), Seed(), 0.02)
    lanes = re.findall(
        r'y1="([\d.]+)" x2="[^"]+" y2="\1" stroke="[^"]+" stroke-width="[^"]+"><title>', page([found], "x")
    )
    used = {(stay.node, stay.other, stay.memory) for stay in found.stays}
    assert len(used) > 30
    assert len(set(lanes)) == len(used)
