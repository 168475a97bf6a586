"""A verdict over recorded input says that its seeds are no independent worlds."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from qoslab import Study
from qoslab.app.files import open_results
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.report.html import write_report
from qoslab.report.verdict import verdict


def _results(lab: Any, values: dict[str, list[float]], parts: str = "") -> Any:
    found = lab.build({name: {(): sample} for name, sample in values.items()})

    class Recorded(type(found.study)):  # type: ignore[misc]
        recorded = (parts,)

    fields = {field.name: getattr(found.study, field.name) for field in dataclasses.fields(found.study)}
    return dataclasses.replace(found, study=Recorded(**fields))


def _told(results: Any) -> str:
    return " ".join(line.text for line in verdict(results).of("recorded"))


NOISY = {"lsq": [1.0, 1.2, 0.9, 1.1], "sed": [0.8, 0.7, 0.9, 0.6]}


def test_seeds_that_draw_everything_need_no_word(lab):
    assert _told(_results(lab, NOISY)) == ""


def test_recorded_input_is_named(lab):
    text = _told(_results(lab, NOISY, "arrivals and sizes"))
    assert "the same recorded arrivals and sizes" in text
    assert "more seeds change nothing" not in text


@pytest.mark.parametrize("spread", [0.0, 1e-6])
def test_a_spread_near_zero_is_named(lab, spread):
    values = {"lsq": [1.0, 1.0 + spread, 1.0, 1.0], "sed": NOISY["sed"]}
    text = _told(_results(lab, values, "arrivals and sizes"))
    assert "lsq gave nearly the same p99 response time on every seed" in text
    assert "sed gave" not in text


def test_one_number_on_every_seed_is_named_without_a_record_too(lab):
    assert "lsq gave the same" in _told(_results(lab, NOISY | {"lsq": [1.0] * 4}))
    assert _told(_results(lab, NOISY | {"lsq": [1.0, 1.0001, 1.0, 1.0]})) == ""


def test_the_report_says_it(lab, tmp_path):
    page = write_report(_results(lab, NOISY, "arrivals"), tmp_path / "report.html").read_text()
    assert "What seeds vary" in page
    assert "the same recorded arrivals" in page


def test_results_of_a_trace_remember_that_it_was_recorded(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s\n" + "".join(f"{k}\n" for k in range(50)))
    (tmp_path / "replay.toml").write_text(
        '[study]\nname = "replay"\ndomain = "balancing"\nseeds = 2\n[scenario]\nservers = { count = 2 }\n'
        '[scenario.arrivals]\nkind = "trace"\nfile = "trace.csv"\n[[method]]\nid = "random"\n[[method]]\nid = "lsq"\n'
    )
    results = Study.from_file(tmp_path / "replay.toml").run(tmp_path / "out", workers=0, quiet=True)
    for found in (results, open_results(tmp_path / "out")):
        assert "the same recorded arrivals" in _told(found)


def test_a_trace_is_recorded_and_a_rate_series_is_drawn(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("time_s,size\n0,1\n1,1\n")
    arrivals = {"kind": "trace", "file": str(trace)}
    assert BalancingScenario.model_validate({"arrivals": arrivals}).recorded() == "arrivals"
    sized = BalancingScenario.model_validate({"arrivals": arrivals | {"size": "size"}})
    assert sized.recorded() == "arrivals and sizes"
    series = {"kind": "rates", "rates": (1.0, 2.0)}
    assert BalancingScenario.model_validate({"arrivals": series, "load": 0.5}).recorded() == ""
