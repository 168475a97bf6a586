"""What a verdict tells beside its metric: divergence, counters above 0, seeds that were added."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from qoslab.core.registry import registry
from qoslab.report.html import write_report
from qoslab.report.verdict import verdict


def _results(lab: Any, n: int = 5, **columns: list[Any]) -> Any:
    results = lab.build(
        {name: {(): lab.sample(1.0 + k, 0.01, n, k)} for k, name in enumerate(("lsq", "sed"))}
    )
    series = [pl.Series(name.replace("__", "."), values) for name, values in columns.items()]
    return dataclasses.replace(results, table=results.table.with_columns(series))


def _without_values(results: Any, *rows: int) -> Any:
    metric = "response_time_p99_s"
    kept = pl.when(pl.int_range(pl.len()).is_in(rows)).then(None).otherwise(pl.col(metric)).alias(metric)
    return dataclasses.replace(results, table=results.table.with_columns(kept))


def test_a_finished_trial_that_diverged_is_said_so(lab: SimpleNamespace) -> None:
    """Trials 0 and 1 say by their metric that they diverged; trial 7 has no value for another reason."""
    wild = [1.0, 1.0] + [0.0] * 7 + [None]
    found = verdict(_without_values(_results(lab, diverged=wild), 0, 1, 7))
    assert [line.text for line in found.of("lost")] == [
        "3 of 10 trials gave no p99 response time: lsq diverged in 2 of 5; sed ended without it in 1 of 5. "
        "Comparisons use the seeds that both methods finished."
    ]
    told = {(loss["method"], loss["status"]): loss["count"] for loss in found.as_dict()["lost"]}
    assert told == {("lsq", "diverged"): 2, ("sed", "no value"): 1}


def test_a_crash_is_no_divergence(lab: SimpleNamespace) -> None:
    results = lab.build(
        {"lsq": {(): [1.0, 2.0]}, "sed": {(): [1.0, 2.0]}},
        status=lambda method, *_: ("crashed", "it diverged") if method == "sed" else ("done", ""),
    )
    assert "sed crashed in 2 of 2 (it diverged)" in verdict(results).of("lost")[0].text


def test_where_all_diverge_the_step_is_to_be_changed(lab: SimpleNamespace) -> None:
    found = verdict(_without_values(_results(lab, diverged=[1.0] * 10), *range(10)))
    assert "lsq and sed diverged in 10 of 10" in found.text
    assert [line.text for line in found.of("next")] == [
        "Change what made lsq and sed diverge, such as a step or a rate that is too large; then"
    ]


@pytest.fixture
def alarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = registry.domain("synthetic")
    monkeypatch.setitem(
        registry._domains,
        "synthetic",
        dataclasses.replace(domain, alarms=(("stuck", "nobody answers them"),)),
    )


@pytest.mark.usefixtures("alarmed")
def test_a_counter_above_0_is_told_with_whose_it_is(lab: SimpleNamespace, tmp_path: Any) -> None:
    results = _results(lab, counter__stuck=[2, 1, None, 0, 0, 0, 0, None, 4, 0])
    told = [line.text for line in verdict(results).of("counted")]
    assert told == ["stuck is above 0 in 3 of 10 trials (lsq and sed; 7 in all): nobody answers them."]
    page = write_report(results, tmp_path / "report.html").read_text()
    assert "stuck is above 0 in 3 of 10 trials" in page
    assert "Counted" in page


@pytest.mark.usefixtures("alarmed")
@pytest.mark.parametrize("columns", [{}, {"counter__stuck": [0] * 9 + [None]}, {"counter__other": [3] * 10}])
def test_counters_at_0_and_others_are_not_told(lab: SimpleNamespace, columns: Any) -> None:
    assert not verdict(_results(lab, **columns)).of("counted")


@pytest.mark.parametrize(
    ("precision", "option"), [(0.05, "--until-precision 0.05"), (None, "--set study.seeds=30")]
)
def test_who_goes_on_does_not_go_back_to_the_seeds_planned(
    lab: SimpleNamespace, precision: float | None, option: str
) -> None:
    values = {name: {(): lab.sample(1.0, 0.01, 20, k)} for k, name in enumerate(("lsq", "sed"))}
    results = lab.build(values, planned=30, at_first=8, section=lab.Section(precision=precision))
    assert [line.command for line in verdict(results).of("next")] == [f"qoslab run tails.toml {option}"]


@pytest.fixture
def cautious(monkeypatch: pytest.MonkeyPatch) -> None:
    domain = registry.domain("synthetic")
    monkeypatch.setitem(
        registry._domains, "synthetic", dataclasses.replace(domain, caveats=(("odd", "is odd"),))
    )


@pytest.mark.usefixtures("cautious")
def test_a_caveat_is_told_where_most_trials_have_it(lab: SimpleNamespace) -> None:
    """Of lsq three trials of five, of sed two: only the first is said; a counter that is absent counts as 0."""
    results = _results(lab, counter__odd=[1, None, 1, 1, 0, 1, 1, None, 0, 0])
    assert [line.text for line in verdict(results).of("counted")] == ["lsq is odd (3 of 5 trials)."]
    assert not verdict(_results(lab)).of("counted")


@pytest.mark.usefixtures("cautious")
def test_a_caveat_names_its_cases(lab: SimpleNamespace) -> None:
    points = {(load,): lab.sample(1.0, 0.01, 3) for load in (0.7, 0.8, 0.9)}
    results = lab.build({"lsq": points, "sed": points}, axes=("load",))
    odd = [
        int(method == "sed" and load > 0.7) for method, load in results.table.select("method", "load").rows()
    ]
    results = dataclasses.replace(results, table=results.table.with_columns(pl.Series("counter.odd", odd)))
    assert [line.text for line in verdict(results).of("counted")] == [
        "sed at load = 0.8 and 0.9 is odd (6 of 6 trials)."
    ]


@pytest.mark.usefixtures("cautious")
@pytest.mark.parametrize("marked", [{"lsq", "sed"}, {"sed"}])
def test_no_seeds_are_asked_for_where_all_in_question_have_a_caveat(
    lab: SimpleNamespace, marked: set[str]
) -> None:
    values = {name: {(): lab.sample(1.0 + 0.05 * k, 0.1, 5, k)} for k, name in enumerate(("lsq", "sed"))}
    results = lab.build(values)
    odd = [int(method in marked) for method in results.table["method"]]
    results = dataclasses.replace(results, table=results.table.with_columns(pl.Series("counter.odd", odd)))
    (text,) = [line.text for line in verdict(results).of("undecided")]
    asks = [line.command for line in verdict(results).of("next") if "study.seeds" in (line.command or "")]
    if len(marked) == 2:
        assert text.endswith(
            "more seeds would not settle that, as their figures are not what they seem (below)."
        )
        assert not asks
    else:
        assert "seeds would decide it" in text
        assert asks


def test_seeds_that_were_planned_are_no_added_ones(lab: SimpleNamespace) -> None:
    plain = verdict(_results(lab))
    assert not plain.of("added")
    assert plain.as_dict()["seeds"] == {"planned": 5, "asked": 5}
    assert "if the number of seeds was chosen before any result was seen" in plain.text
