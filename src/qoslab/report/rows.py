"""Every trial in the page itself, as one compact block of JSON that a small script shows page by page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qoslab.report.evidence import Evidence
from qoslab.report.source import ResultsLike, measured

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BUDGET", "row_block"]

BUDGET = 2_000_000
"""Characters that the block may take; metrics beyond it are left to the Parquet file."""

_PER_NUMBER = 9
_FIGURES = 5


def row_block(results: ResultsLike, evidence: Evidence) -> str | None:
    """The trials as JSON that is safe inside a `<script>` element.

    Trials stand sorted by case, method and replication, so that the first two take one number per run of rows:
    `runs` holds case, method and length of each; `values` (one list per metric, five figures) holds one number
    per trial; so does `replication`, unless every run counts up from 0; `states` names the trials that are not done.

    Args:
        results: The results.
        evidence: The metric that the report judges by; it comes first.

    Returns:
        The JSON; None where even one metric of all trials would be too much for a page.
    """
    import polars as pl

    metrics = [evidence.metric, *(m for m in measured(results.study, results.table) if m != evidence.metric)]
    metrics = [metric for metric in metrics if metric.name in results.table.columns]
    room = BUDGET // max(1, results.table.height * _PER_NUMBER)
    if room < 1:
        return None
    metrics = metrics[:room]
    cases = [case.label for case in evidence.cases]
    methods = [method.label for method in evidence.methods]
    rows = results.table.select(
        pl.col("scenario").replace_strict(cases, range(len(cases)), return_dtype=pl.Int64).alias("case"),
        pl.col("method").replace_strict(methods, range(len(methods)), return_dtype=pl.Int64).alias("by"),
        "replication",
        "status",
        pl.col("reason").fill_null(""),
        *(pl.col(metric.name).cast(pl.Float64).round_sig_figs(_FIGURES) for metric in metrics),
    ).sort("case", "by", "replication")
    block = {
        "cases": cases,
        "methods": methods,
        "metrics": [f"{metric.name} ({metric.unit})" if metric.unit else metric.name for metric in metrics],
        "runs": _runs(rows),
        "replication": _replications(rows),
        "values": [rows[metric.name].to_list() for metric in metrics],
        "states": _states(rows),
    }
    text = json.dumps(block, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _runs(rows: pl.DataFrame) -> list[list[int]]:
    counts = rows.group_by("case", "by", maintain_order=True).len()
    return [list(run) for run in counts.iter_rows()]


def _replications(rows: pl.DataFrame) -> list[int] | None:
    import polars as pl

    counted = pl.int_range(pl.len()).over("case", "by")
    plain = rows.select((pl.col("replication") == counted).all()).item()
    return None if plain else rows["replication"].to_list()


def _states(rows: pl.DataFrame) -> dict[str, Any]:
    import polars as pl

    others = rows.with_row_index("at").filter(pl.col("status") != "done").select("at", "status", "reason")
    return {str(at): [status, reason[:200]] for at, status, reason in others.iter_rows()}
