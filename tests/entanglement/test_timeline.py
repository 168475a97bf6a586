"""Timelines against the compiled run, conservation in what they show, and the page."""

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import Plan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.timeline import paths_watched
from qoslab.domains.entanglement.timeline_page import page, timeline


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
    (found,) = paths_watched(line_of(), ShortestPath(), Seed(), 0.1)
    return found


def test_the_timeline_is_the_run(watched):
    outcome = next(iter(run(line_of(), ShortestPath(), [Seed()], Context(keep_series=True))))
    counts, told = outcome.counters, outcome.series["deliveries"]
    assert watched.deliveries[:, 0].tolist() == told["time_s"].tolist()
    assert watched.deliveries[:, 1].tolist() == told["fidelity"].tolist()
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
        held.setdefault((stay.hop, stay.node, stay.memory), []).append((stay.since_s, stay.until_s))
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
    pairs = sum(stay.node == stay.hop for stay in watched.stays)
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
        ({"method": "reactive_central"}, "decides during the run"),
        ({"method": "nobody"}, "no method 'nobody'"),
        ({"out": "nowhere/page.html"}, "no folder"),
    ],
)
def test_bad_input_is_named(tmp_path, options, words):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    given = {"out": tmp_path / options.pop("out", "page.html"), "until_s": 0.01} | options
    with pytest.raises(BadInput, match=words):
        timeline(tmp_path / "study.toml", **given)
    assert not given["out"].exists()


def test_methods_that_decide_have_no_timeline():
    with pytest.raises(BadInput, match="decides"):
        paths_watched(line_of(), ReactiveCentral(), Seed(), 0.01)


def test_purification_spends_pairs():
    scenario = line_of(pairs=4)
    (found,) = paths_watched(scenario, Purifying(), Seed(), 0.05)
    fates = [stay.fate for stay in found.stays]
    assert fates.count("spent") > 4
    (outcome,) = run(
        scenario.model_copy(update={"horizon_s": 0.05}), Purifying(), [Seed()], Context(keep_series=True)
    )
    assert found.deliveries[:, 1].tolist() == outcome.series["deliveries"]["fidelity"].tolist()
