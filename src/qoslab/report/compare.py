"""Every method against a baseline, case by case: differences with intervals and a corrected judgement."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qoslab.core.errors import BadInput, Problem
from qoslab.report.contrast import Contrast, contrast, estimate
from qoslab.report.evidence import Evidence
from qoslab.report.marks import meanings
from qoslab.report.source import ResultsLike
from qoslab.report.stats import Interval, equivalent_mean, holm

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MARGIN", "compare", "compare_evidence"]

MARGIN = 0.01
"""Share of the baseline's mean below which a difference does not matter, unless one says otherwise."""


def compare(
    results: ResultsLike, metric: str | None = None, baseline: str | None = None, *, margin: float = MARGIN
) -> pl.DataFrame:
    """Compare every method with a baseline on each scenario case.

    Args:
        results: The results of a study.
        metric: Name of the metric; None for the study's own choice.
        baseline: Label of the baseline; None for the study's own choice, else its first method.
        margin: Largest difference that does not matter, as a share of the baseline's mean.

    Returns:
        One row per case and method, sorted as the study's grid and methods: `scenario`, the varied values,
        `method`; `seeds` with a value and `lost` trials without; `mean`, `low`, `high` (Student); against the
        baseline on common seeds: `pairs`, `difference` and `ratio` each with `_low` and `_high` (paired Student
        and Fieller, each interval by itself), `p` (paired t), `p_holm` (corrected over all rows of the table)
        and `verdict`: `better`, `worse`, `equivalent` (shown to differ by less than the margin, TOST with Holm's
        correction), `undecided`, `differs` for a metric without a better direction, `baseline` for the baseline
        itself, `no data`; `caveat`: what the domain says of a method most of whose trials on the case have figures
        that are not what they seem, such as a run without steady state. Null where there is none.

    Raises:
        BadInput: No such metric or method, no results, or a margin that is not above 0.
    """
    return compare_evidence(Evidence.of(results, metric, baseline), margin=margin)


def compare_evidence(evidence: Evidence, *, margin: float = MARGIN) -> pl.DataFrame:
    """The same for evidence already collected; see `compare`."""
    import polars as pl

    if not (margin > 0 and math.isfinite(margin)):
        raise BadInput(Problem(message=f"a margin of {margin} is not above 0", field="margin"))
    reference = evidence.baseline or 0
    places = [
        (case, method) for case in range(len(evidence.cases)) for method in range(len(evidence.methods))
    ]
    contrasts = [_against(evidence, case, method, reference) for case, method in places]
    known = [i for i, found in enumerate(contrasts) if found is not None]
    adjusted = dict(zip(known, holm([found.p for found in contrasts if found is not None]), strict=True))
    same = _equivalences(evidence, places, contrasts, reference, margin)
    rows = [
        {
            "scenario": evidence.cases[case].label,
            **evidence.cases[case].values,
            "method": evidence.methods[method].label,
            **_numbers(evidence, case, method),
            **_differences(contrasts[i], adjusted.get(i)),
            "verdict": "baseline"
            if method == reference
            else _judgement(evidence, contrasts[i], adjusted.get(i), equivalent=same.get(i, 1.0)),
            "caveat": meanings(evidence.caveats, case, method),
        }
        for i, (case, method) in enumerate(places)
    ]
    return pl.DataFrame(rows, schema_overrides=_schema(), infer_schema_length=None)


_ENDS = (
    "mean",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
)


def _schema() -> dict[str, Any]:
    import polars as pl

    floats = dict.fromkeys((*_ENDS, "p", "p_holm"), pl.Float64)
    texts = dict.fromkeys(("verdict", "caveat"), pl.String)
    return {"seeds": pl.Int64, "lost": pl.Int64, "pairs": pl.Int64, **texts, **floats}


def _against(evidence: Evidence, case: int, method: int, reference: int) -> Contrast | None:
    return None if method == reference else contrast(*evidence.pair(case, method, reference), evidence.level)


def _equivalences(
    evidence: Evidence,
    places: list[tuple[int, int]],
    contrasts: list[Contrast | None],
    reference: int,
    margin: float,
) -> dict[int, float]:
    """Corrected p-values of "the difference is larger than the margin", by row."""
    raw: dict[int, float] = {}
    for i, (case, method) in enumerate(places):
        x, y = evidence.pair(case, method, reference)
        allowed = margin * abs(float(y.mean())) if len(y) else 0.0
        if contrasts[i] is not None and allowed > 0:
            raw[i] = equivalent_mean(x, y, allowed, level=evidence.level).p_value if len(x) > 1 else 1.0
    return dict(zip(raw, holm(list(raw.values())), strict=True)) if raw else {}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval(name: str, found: Interval | None) -> dict[str, float | None]:
    low, high = ("low", "high") if name == "mean" else (f"{name}_low", f"{name}_high")
    if found is None:
        return {name: None, low: None, high: None}
    return {name: _finite(found.estimate), low: _finite(found.low), high: _finite(found.high)}


def _numbers(evidence: Evidence, case: int, method: int) -> dict[str, Any]:
    own = evidence.own(case, method)
    lost = int(evidence.trials[case, method]) - len(own)
    return {"seeds": len(own), "lost": lost, **_interval("mean", estimate(own, evidence.level))}


def _differences(found: Contrast | None, p_holm: float | None) -> dict[str, Any]:
    if found is None:
        return {
            "pairs": None,
            **_interval("difference", None),
            **_interval("ratio", None),
            "p": None,
            "p_holm": None,
        }
    return {
        "pairs": found.pairs,
        **_interval("difference", found.difference),
        **_interval("ratio", found.ratio),
        "p": found.p,
        "p_holm": p_holm,
    }


def _judgement(evidence: Evidence, found: Contrast | None, p_holm: float | None, *, equivalent: float) -> str:
    if found is None or p_holm is None:
        return "no data"
    error = 1 - evidence.level + 1e-12
    if p_holm <= error:
        if evidence.metric.direction == "neither":
            return "differs"
        lower = found.difference.estimate < 0
        return "better" if lower == (evidence.metric.direction == "lower") else "worse"
    return "equivalent" if equivalent <= error else "undecided"
