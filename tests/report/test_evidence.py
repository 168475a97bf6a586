"""From rows to arrays: nothing is dropped silently, nothing is mixed up."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qoslab.report.evidence import Evidence
from qoslab.report.places import place, places
from qoslab.report.source import ResultsLike


def _shuffled(results: ResultsLike, seed: int) -> ResultsLike:
    return dataclasses.replace(results, table=results.table.sample(fraction=1, shuffle=True, seed=seed))  # type: ignore[type-var]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 1000))
def test_values_stand_where_they_belong_whatever_the_order_of_rows(lab: SimpleNamespace, seed: int) -> None:
    values = {
        m: {(x,): [100 * i + 10 * x + r for r in range(4)] for x in (3, 1, 2)}
        for i, m in enumerate(("lsq", "sed"))
    }
    found = Evidence.of(_shuffled(lab.build(values, ["load"]), seed))
    assert found.axes[0].values == (1, 2, 3)
    for c, case in enumerate(found.cases):
        for m, method in enumerate(found.methods):
            expected = values[method.label][(case.values["load"],)]
            assert found.values[c, m].tolist() == expected


def test_losses_are_counted_by_status_with_the_usual_reason(lab: SimpleNamespace) -> None:
    def status(method: str, point: tuple[object, ...], replication: int) -> tuple[str, str]:
        if method == "sed" and replication < 3:
            return "crashed", "out of memory" if replication else "signal 9"
        return "done", ""

    values = {"lsq": {(): [1.0, None, 2.0, 3.0]}, "sed": {(): [1.0, 2.0, 3.0, 4.0]}}
    found = Evidence.of(lab.build(values, status=status))
    assert [(loss.method, loss.status, loss.count, loss.reason) for loss in found.losses] == [
        (0, "no value", 1, ""),
        (1, "crashed", 3, "out of memory"),
    ]
    assert found.trials.tolist() == [[4, 4]]
    assert found.own(0, 1).tolist() == [4.0]
    assert [pair.tolist() for pair in found.pair(0, 0, 1)] == [[3.0], [4.0]]


def test_a_failed_row_never_counts_even_with_a_number(lab: SimpleNamespace) -> None:
    results = lab.build({"lsq": {(): [1.0, 2.0]}})
    table = results.table.with_columns(status=pl.Series(["failed", "done"]))
    found = Evidence.of(dataclasses.replace(results, table=table))
    assert np.isnan(found.values[0, 0, 0])


def test_baseline_is_the_one_named_else_the_domains(lab: SimpleNamespace) -> None:
    values = {name: {(): [1.0, 2.0]} for name in ("sed", "lsq", "nq")}
    assert Evidence.of(lab.build(values)).baseline == 1
    assert Evidence.of(lab.build(values, section=lab.Section(baseline="nq"))).baseline == 2
    assert Evidence.of(lab.build(values, section=lab.Section(baseline="nq")), baseline="sed").baseline == 0
    assert Evidence.of(lab.build({"sed": {(): [1.0]}})).baseline is None


def test_a_metric_that_no_trial_gave_is_all_lost(lab: SimpleNamespace) -> None:
    found = Evidence.of(lab.build({"lsq": {(): [1.0, 2.0]}}), metric="throughput_bps")
    assert [loss.count for loss in found.losses] == [2]


def test_listed_scenarios_vary_by_their_label(lab: SimpleNamespace) -> None:
    results = lab.build({"lsq": {("a",): [1.0], ("b",): [2.0]}}, ["kind"])
    found = Evidence.of(dataclasses.replace(results, table=results.table.drop("kind")))
    assert [axis.name for axis in found.axes] == ["scenario"]
    assert place(found, 1) == "scenario = kind=b"


def _grid(lab: SimpleNamespace, axes: list[str], points: list[tuple[object, ...]]) -> Evidence:
    return Evidence.of(lab.build({"lsq": {point: [1.0, 2.0] for point in points}}, axes))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([0], "at load = 0.1"),
        ([0, 1], "at load = 0.1 and 0.2"),
        ([1, 2, 3], "for load = 0.2 to 0.4"),
        ([0, 2, 3], "at load = 0.1, 0.3 and 0.4"),
        ([3, 0, 1, 2], "for load = 0.1 to 0.4"),
    ],
)
def test_places_on_one_axis(lab: SimpleNamespace, chosen: list[int], said: str) -> None:
    found = _grid(lab, ["load"], [(x / 10,) for x in range(1, 5)])
    assert places(found, chosen) == said


def test_places_on_two_axes(lab: SimpleNamespace) -> None:
    points = [(x, n) for x in (0.7, 0.8, 0.9) for n in (16, 64)]
    found = _grid(lab, ["load", "servers.count"], points)
    at = {
        point: i for i, point in enumerate((c.values["load"], c.values["servers.count"]) for c in found.cases)
    }
    assert places(found, [at[p] for p in points]) == "for load = 0.7 to 0.9"
    assert places(found, [at[0.7, 16], at[0.8, 16], at[0.9, 16]]) == "at servers.count = 16"
    assert places(found, [at[0.7, 16], at[0.7, 64]]) == "at load = 0.7"
    assert places(found, [at[0.7, 16], at[0.9, 64]]) == (
        "at load = 0.7 with servers.count = 16 and at load = 0.9 with servers.count = 64"
    )
    assert place(found, at[0.8, 64]) == "load = 0.8, servers.count = 64"
