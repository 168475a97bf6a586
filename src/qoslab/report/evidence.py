"""One metric of a study as an array over scenario case, method and replication."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.core.metric import Metric
from qoslab.report.marks import Caveat, found_caveats
from qoslab.report.source import ResultsLike, axis_names, bare, baseline_label, entry_of, metric_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Axis", "Case", "Contender", "Evidence", "Loss"]

_DIVERGED = "diverged"
"""The metric, in any domain, that is 1 for a run whose numbers grew without bound."""


@dataclass(frozen=True)
class Axis:
    """A scenario value that the study varies.

    Attributes:
        name: Its dotted path within the scenario.
        values: Its distinct values, sorted where they are numbers, else in the study's order.
    """

    name: str
    values: tuple[Any, ...]

    @property
    def numeric(self) -> bool:
        """Whether it can be drawn and interpolated over."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class Case:
    """One scenario of the study: its label and its varied values by axis name."""

    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Contender:
    """One method of the study.

    Attributes:
        label: Its label, unique within the study.
        ident: The registry's name of it, or the name in the user's file.
        oracle: Whether it sees the true state and so cannot be had in practice.
    """

    label: str
    ident: str
    oracle: bool


@dataclass(frozen=True)
class Loss:
    """Trials of one case and method that gave no value.

    Attributes:
        case: Index of the case.
        method: Index of the method.
        status: `failed`, `timeout`, `crashed`; `diverged` where the trial or its reason says so; or `no value` for
            another finished trial without this metric.
        count: How many.
        reason: The most frequent reason, empty where none was recorded.
    """

    case: int
    method: int
    status: str
    count: int
    reason: str


@dataclass(frozen=True)
class Evidence:
    """Everything a comparison needs to know about one metric.

    Attributes:
        study: The study's name.
        domain: Its domain's name.
        metric: The metric.
        level: Confidence level of intervals.
        baseline: Index of the method to compare with; None where there is none.
        axes: The varied scenario values.
        cases: The scenarios, sorted along numeric axes.
        methods: The methods, in the study's order.
        values: Shape (cases, methods, replications); NaN where a trial gave no value. Paired by replication.
        losses: What gave no value and why.
        planned: Replications the study asks for.
        planned_first: How many it asked for before a run until a precision added some.
        trials: Number of rows, shape (cases, methods).
        caveats: Methods whose figures on a case are not what they seem, by the domain's own counters.
    """

    study: str
    domain: str
    metric: Metric
    level: float
    baseline: int | None
    axes: tuple[Axis, ...]
    cases: tuple[Case, ...]
    methods: tuple[Contender, ...]
    values: NDArray[np.float64]
    losses: tuple[Loss, ...]
    planned: int
    planned_first: int
    trials: NDArray[np.int64]
    caveats: tuple[Caveat, ...] = ()

    @classmethod
    def of(cls, results: ResultsLike, metric: str | None = None, baseline: str | None = None) -> Evidence:
        """Collect a metric from results.

        Args:
            results: The results.
            metric: Name of the metric; None for the study's own choice.
            baseline: Label of the method to compare with; None for the study's own choice.

        Raises:
            BadInput: There is no such metric or baseline, or the table has no rows.
        """
        import polars as pl

        study, table = results.study, results.table
        if table.is_empty():
            raise BadInput(Problem(message=f"study {study.name!r} has no results yet", path=results.path))
        chosen = metric_of(study, metric)
        reference = baseline_label(study, table, baseline)
        if chosen.name not in table.columns:
            table = table.with_columns(pl.lit(None, pl.Float64).alias(chosen.name))
        axes, cases = _cases(table)
        methods = _contenders(study.domain, table)
        labels = [method.label for method in methods]
        rows = _indexed(table, [case.label for case in cases], labels, chosen.name)
        where = (rows["_case"].to_numpy(), rows["_method"].to_numpy())
        replications = np.unique(rows["replication"].to_numpy())
        values = np.full((len(cases), len(methods), len(replications)), np.nan)
        column = np.searchsorted(replications, rows["replication"].to_numpy())
        values[(*where, column)] = rows["_value"].to_numpy()
        trials = np.zeros(values.shape[:2], dtype=np.int64)
        np.add.at(trials, where, 1)
        return cls(
            study=study.name,
            domain=study.domain,
            metric=chosen,
            level=study.report.level,
            baseline=None if reference is None else labels.index(reference),
            axes=axes,
            cases=cases,
            methods=methods,
            values=values,
            losses=_losses(rows),
            planned=study.seeds,
            planned_first=study.seeds_planned,
            trials=trials,
            caveats=tuple(found_caveats(table, study.domain, [case.label for case in cases], labels)),
        )

    @property
    def running_axis(self) -> Axis | None:
        """The axis that a reader follows: the numeric one with the most values, the first of equals."""
        numeric = [axis for axis in self.axes if axis.numeric and len(axis.values) > 1]
        return max(numeric, key=lambda axis: len(axis.values)) if numeric else None

    def own(self, case: int, method: int) -> NDArray[np.float64]:
        """The values that a method has on a case."""
        found: NDArray[np.float64] = self.values[case, method]
        return found[np.isfinite(found)]

    def pair(self, case: int, a: int, b: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The values of two methods on the replications that both finished."""
        x, y = self.values[case, a], self.values[case, b]
        both = np.isfinite(x) & np.isfinite(y)
        return x[both], y[both]


def _cases(table: pl.DataFrame) -> tuple[tuple[Axis, ...], tuple[Case, ...]]:
    names = axis_names(table)
    rows = table.select("scenario", *names).unique("scenario", maintain_order=True).rows(named=True)
    rows = [{name: _scalar(value) for name, value in row.items()} for row in rows]
    axes = []
    for name in names:
        distinct = list(dict.fromkeys(row[name] for row in rows))
        axis = Axis(name, tuple(distinct))
        axes.append(Axis(name, tuple(sorted(distinct))) if axis.numeric else axis)
    if not axes and len(rows) > 1:  # scenarios that were listed one by one have nothing but their labels
        names = ["scenario"]
        axes = [Axis("scenario", tuple(row["scenario"] for row in rows))]
    rows.sort(key=lambda row: [axis.values.index(row[axis.name]) for axis in axes])
    cases = [Case(row["scenario"], {name: row[name] for name in names}) for row in rows]
    return tuple(axes), tuple(cases)


def _scalar(value: Any) -> Any:
    """Lists and tables as text, so that they can be compared and printed."""
    return value if isinstance(value, int | float | str | None) else str(value)


def _contenders(domain: str, table: pl.DataFrame) -> tuple[Contender, ...]:
    found = []
    pairs = table.select("method", "method_id").unique("method", maintain_order=True)
    for label, ident in pairs.iter_rows():
        entry = entry_of(domain, ident)
        found.append(Contender(label, bare(ident), entry is not None and entry.information == "oracle"))
    return tuple(found)


def _indexed(table: pl.DataFrame, cases: list[str], methods: list[str], metric: str) -> pl.DataFrame:
    """One row per trial: case and method as indices, its value (NaN where none) and what became of it."""
    import polars as pl

    done = pl.col("status") == "done"
    value = pl.when(done).then(pl.col(metric).cast(pl.Float64)).otherwise(None)
    return table.select(
        pl.col("scenario").replace_strict(cases, range(len(cases)), return_dtype=pl.Int64).alias("_case"),
        pl.col("method").replace_strict(methods, range(len(methods)), return_dtype=pl.Int64).alias("_method"),
        "replication",
        value.fill_null(float("nan")).alias("_value"),
        pl.when(_diverged(table))
        .then(pl.lit("diverged"))
        .when(done)
        .then(pl.lit("no value"))
        .otherwise(pl.col("status"))
        .alias("_status"),
        pl.col("reason").fill_null("").alias("_reason"),
    ).unique(["_case", "_method", "replication"], keep="last", maintain_order=True)


def _diverged(table: pl.DataFrame) -> pl.Expr:
    """Whether a trial says that it diverged: its metric `diverged` is above 0, or its failure's reason has the word."""
    import polars as pl

    failed = (pl.col("status") == "failed") & pl.col("reason").str.contains(r"(?i)\bdiverged\b").fill_null(
        value=False
    )
    if _DIVERGED not in table.columns:
        return failed
    return failed | ((pl.col("status") == "done") & (pl.col(_DIVERGED).cast(pl.Float64).fill_null(0.0) > 0))


def _losses(rows: pl.DataFrame) -> tuple[Loss, ...]:
    import polars as pl

    lost = rows.filter(pl.col("_value").is_nan())
    counts = (
        lost.group_by("_case", "_method", "_status", "_reason")
        .len()
        .sort("len", "_reason", descending=[True, False])
        .group_by("_case", "_method", "_status", maintain_order=True)
        .agg(pl.col("len").sum(), pl.col("_reason").first())
        .sort("_case", "_method", "_status")
    )
    return tuple(Loss(c, m, s, n, why) for c, m, s, n, why in counts.iter_rows())
