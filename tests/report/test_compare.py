"""The comparison table: numbers against NumPy and SciPy, judgements against known truth."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from qoslab.core.errors import BadInput
from qoslab.report.compare import compare
from qoslab.report.text import comparison_text, p_value


def _rows(frame: pl.DataFrame) -> dict[tuple[str, str], dict[str, object]]:
    return {(row["scenario"], row["method"]): row for row in frame.iter_rows(named=True)}


def test_numbers_are_those_of_scipy(lab: SimpleNamespace) -> None:
    generator = np.random.default_rng(3)
    base = {x: generator.lognormal(1, 0.3, size=15) for x in (0.5, 0.9)}
    other = {x: base[x] * generator.lognormal(0.1, 0.2, size=15) for x in base}
    values = {
        "lsq": {(x,): list(v) for x, v in base.items()},
        "sed": {(x,): list(v) for x, v in other.items()},
    }
    rows = _rows(compare(lab.build(values, ["load"])))
    for x in base:
        row, test = rows[f"load={x}", "sed"], stats.ttest_rel(other[x], base[x])
        assert row["mean"] == pytest.approx(other[x].mean())
        assert row["difference"] == pytest.approx((other[x] - base[x]).mean())
        interval = test.confidence_interval(0.95)
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((interval.low, interval.high))
        assert row["p"] == pytest.approx(test.pvalue)
        assert row["ratio"] == pytest.approx(other[x].mean() / base[x].mean())
        assert (row["ratio_low"] > 1) == (row["difference_low"] > 0)
    raw = sorted(rows[f"load={x}", "sed"]["p"] for x in base)
    adjusted = sorted(rows[f"load={x}", "sed"]["p_holm"] for x in base)
    assert adjusted == pytest.approx([min(1, 2 * raw[0]), min(1, max(2 * raw[0], raw[1]))])


def test_judgements(lab: SimpleNamespace) -> None:
    values = {
        "lsq": {(): lab.sample(1.0, 0.01, key=1)},
        "sed": {(): lab.sample(0.9, 0.01, key=2)},
        "nq": {(): lab.sample(1.1, 0.01, key=3)},
        "sed-like": {
            (): [x + e for x, e in zip(lab.sample(1.0, 0.01, key=1), lab.sample(0, 1e-4, key=4), strict=True)]
        },
        "nq-wide": {(): lab.sample(1.01, 0.3, key=5)},
    }
    frame = compare(lab.build(values))
    judged = dict(frame.select("method", "verdict").iter_rows())
    assert judged == {
        "lsq": "baseline",
        "sed": "better",
        "nq": "worse",
        "sed-like": "equivalent",
        "nq-wide": "undecided",
    }
    higher = compare(lab.build(values, metric="jain_fairness"), "jain_fairness")
    assert dict(higher.select("method", "verdict").iter_rows())["sed"] == "worse"
    neither = compare(lab.build(values, metric="utilisation_mean"), "utilisation_mean")
    assert dict(neither.select("method", "verdict").iter_rows())["sed"] == "differs"


def test_losses_stand_in_the_table(lab: SimpleNamespace) -> None:
    def status(method: str, point: tuple[object, ...], replication: int) -> tuple[str, str]:
        return ("failed", "x") if method == "nq" or (method == "sed" and replication < 5) else ("done", "")

    values = {name: {(): lab.sample(1.0, 0.1, key=k)} for k, name in enumerate(("lsq", "sed", "nq"))}
    results = lab.build(values, status=status)
    rows = _rows(compare(results))
    assert (rows["", "sed"]["seeds"], rows["", "sed"]["lost"], rows["", "sed"]["pairs"]) == (15, 5, 15)
    assert (rows["", "nq"]["seeds"], rows["", "nq"]["lost"], rows["", "nq"]["verdict"]) == (0, 20, "no data")
    assert rows["", "nq"]["mean"] is None
    assert "lost" in comparison_text(results)


def test_one_seed_has_no_interval_and_no_judgement(lab: SimpleNamespace) -> None:
    frame = compare(lab.build({"lsq": {(): [1.0]}, "sed": {(): [0.5]}}))
    row = _rows(frame)["", "sed"]
    assert (row["low"], row["difference_low"], row["ratio_low"]) == (None, None, None)
    assert (row["p"], row["verdict"]) == (1.0, "undecided")
    assert frame.schema["low"] == pl.Float64


def test_schema_is_the_same_whatever_the_data(lab: SimpleNamespace) -> None:
    one = compare(lab.build({"lsq": {(): [1.0]}}))
    many = compare(lab.build({m: {(): lab.sample(1.0, 0.1)} for m in ("lsq", "sed")}))
    assert one.schema == many.schema


def test_margin_must_be_positive(lab: SimpleNamespace) -> None:
    for margin in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(BadInput, match="margin"):
            compare(lab.build({"lsq": {(): [1.0, 2.0]}}), margin=margin)


def test_text_is_aligned_and_scaled(lab: SimpleNamespace) -> None:
    values = {
        "lsq": {(0.5,): lab.sample(0.016, 0.001, key=1)},
        "sed": {(0.5,): lab.sample(0.012, 0.001, key=2)},
    }
    text = comparison_text(lab.build(values, ["load"]))
    head, rule, first, second, _, note = text.split("\n")
    columns = "load method verdict seeds mean (ms) 95 % difference (ms) 95 % ratio 95 % p"
    assert head.split() == columns.split()
    assert set(rule) == {"-", " "}
    assert first.split()[:4] == ["0.5", "lsq", "baseline", "20"]
    assert second.split()[:5] == ["0.5", "sed", "better", "20", "12.0"]
    assert second.endswith("< 0.001")
    assert "Holm" in note
    assert not any(line.endswith(" ") for line in text.split("\n"))


def test_p_values_as_printed() -> None:
    assert [p_value(p) for p in (None, 0.0, 0.0004, 0.0123, 0.5, 1.0)] == [
        "",
        "< 0.001",
        "< 0.001",
        "0.012",
        "0.50",
        "1.00",
    ]
