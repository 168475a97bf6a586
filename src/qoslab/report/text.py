"""A comparison as text: the cells of its table, and that table for a console."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qoslab.core.columns import aligned
from qoslab.core.metric import Metric
from qoslab.report.compare import compare_evidence
from qoslab.report.evidence import Evidence
from qoslab.report.marks import footnotes, signs
from qoslab.report.places import axis_value
from qoslab.report.source import ResultsLike
from qoslab.report.words import Scale, decimals_for, fixed, scale_for

if TYPE_CHECKING:
    import polars as pl

__all__ = ["comparison_rows", "comparison_text", "p_value", "tuned"]


def tuned(frame: pl.DataFrame, unit: str, *columns: str) -> Scale:
    """The prefix that suits most of some columns' values: that of their median size."""
    sizes = sorted(abs(value) for column in columns for value in frame[column].drop_nulls() if value)
    return scale_for(sizes[len(sizes) // 2] if sizes else 0.0, unit)


def p_value(p: float | None) -> str:
    """A p-value to two figures; `< 0.001` below that."""
    return "" if p is None else "< 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _ends(scale: Scale, value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    if value is None:
        return "", ""
    bounded = low is not None and high is not None
    half = (high - low) / 2 / scale.factor if low is not None and high is not None else None
    decimals = decimals_for(value / scale.factor, half)
    if not bounded or low is None or high is None:
        return fixed(value / scale.factor, decimals), ""
    return (
        fixed(value / scale.factor, decimals),
        f"{fixed(low / scale.factor, decimals)} to {fixed(high / scale.factor, decimals)}",
    )


def comparison_rows(
    frame: pl.DataFrame, metric: Metric, *, level: float
) -> tuple[list[str], list[list[str]], list[bool]]:
    """A comparison as text cells: heads, rows, and which columns are numbers.

    A method whose figures on a case have a caveat carries its sign; `report.marks.footnotes` says what it means.

    Args:
        frame: What `report.compare.compare` gave.
        metric: The metric it compares.
        level: Confidence level of its intervals.
    """
    axes = frame.columns[1 : frame.columns.index("method")]
    if not axes and frame["scenario"].n_unique() > 1:
        axes = ["scenario"]
    scale = tuned(frame, metric.unit, "mean")
    gap = tuned(frame, metric.unit, "difference")
    percent = f"{100 * level:g} %"
    lost = bool((frame["lost"] > 0).any())
    heads = [*axes, "method", "verdict", "seeds"] + (["lost"] if lost else [])
    heads += [_headed("mean", scale), percent, _headed("difference", gap), percent, "ratio", percent, "p"]
    marks = signs(frame)
    rows = []
    for row in frame.iter_rows(named=True):
        cells = [axis_value(row[axis]) for axis in axes] + [
            " ".join(filter(None, (row["method"], marks.get(row["caveat"])))),
            row["verdict"],
            str(row["seeds"]),
        ]
        cells += [str(row["lost"])] if lost else []
        cells += _ends(scale, row["mean"], row["low"], row["high"])
        cells += _ends(gap, row["difference"], row["difference_low"], row["difference_high"])
        cells += _ends(Scale(1.0, ""), row["ratio"], row["ratio_low"], row["ratio_high"])
        cells += [p_value(row["p_holm"])]
        rows.append(cells)
    numeric = [_is_number(frame[axis].to_list()) for axis in axes]
    numeric += [False, False, True] + ([True] if lost else []) + [True] * 7
    return heads, rows, numeric


def _headed(name: str, scale: Scale) -> str:
    return f"{name} ({scale.unit})" if scale.unit else name


def _is_number(values: Sequence[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values)


def comparison_text(results: ResultsLike, metric: str | None = None, baseline: str | None = None) -> str:
    """Every method against the baseline as a table for the console, with a line that says how to read it.

    Args:
        results: The results of a study.
        metric: Name of the metric; None for the study's own choice.
        baseline: Label of the baseline; None for the study's own choice.

    Raises:
        BadInput: No such metric or method, or no results at all.
    """
    evidence = Evidence.of(results, metric, baseline)
    frame = compare_evidence(evidence)
    heads, rows, numeric = comparison_rows(frame, evidence.metric, level=evidence.level)
    about = evidence.metric
    note = (
        f"{about.name}: {about.summary.rstrip('.')}. Differences and ratios are to the baseline on common seeds, each "
        "interval by itself; p is corrected (Holm) over the whole table and decides better or worse than the "
        "baseline. To be best, a method must beat every other one, which asks for more."
    )
    return "\n\n".join([aligned(heads, rows, numeric=numeric), *footnotes(frame), note])
