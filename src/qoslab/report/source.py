"""What the report reads: a finished (or unfinished) study's results, seen through a small window.

The report depends on the columns of the table and on the few attributes below, not on how a study is run or
stored; a test, a notebook or another tool may hand in any object of this shape.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.method import MethodEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "PROVENANCE",
    "ReportSection",
    "ResultsLike",
    "StudyLike",
    "axis_names",
    "baseline_label",
    "entry_of",
    "measured",
    "metric_of",
    "recorded_parts",
    "run_command",
    "study_file",
]

PROVENANCE = (
    "scenario_hash",
    "fingerprint",
    "versions",
    "git",
    "host",
    "cpu_s",
    "wall_s",
    "finished_at",
)
"""Columns of the table that say where a row comes from."""


class ReportSection(Protocol):
    """The `[report]` table of a study file."""

    @property
    def metric(self) -> str | None:
        """The metric to judge by; None for the domain's first."""

    @property
    def baseline(self) -> str | None:
        """Label of the method to compare with."""

    @property
    def level(self) -> float:
        """Confidence level of every interval, such as 0.95."""

    @property
    def precision(self) -> float | None:
        """Relative half-width that seeds are added for; None where none was asked for."""

    @property
    def title(self) -> str | None:
        """Title of the report."""

    @property
    def question(self) -> str | None:
        """The question in the user's own words."""


class StudyLike(Protocol):
    """What the report asks of a study."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def domain(self) -> str:
        """Name of its domain."""

    @property
    def seeds(self) -> int:
        """How many replications each scenario and method should have."""

    @property
    def seeds_planned(self) -> int:
        """How many it was to have before a run until a precision added some."""

    @property
    def time_limit_s(self) -> float | None:
        """Wall-clock limit of a trial in seconds."""

    @property
    def report(self) -> ReportSection:
        """The `[report]` table."""

    @property
    def methods(self) -> Sequence[Any]:
        """The methods: each has a `label` and a `source` that knows its parameters."""

    @property
    def overrides(self) -> Mapping[str, str]:
        """Values that were set from outside the file, by dotted name."""

    @property
    def text(self) -> bytes:
        """The study file; empty for a study made in Python."""


class ResultsLike(Protocol):
    """What the report asks of results."""

    @property
    def study(self) -> StudyLike:
        """The study they belong to."""

    @property
    def table(self) -> pl.DataFrame:
        """One row per trial."""

    @property
    def path(self) -> Path:
        """The results folder."""

    def series(self, name: str) -> pl.DataFrame:
        """A kept series: its columns behind `scenario`, `method` and `replication`; no rows where none was kept."""


def recorded_parts(study: StudyLike) -> list[str]:
    """What scenarios of the study replay for every seed, without repeats."""
    return list(dict.fromkeys(part for part in getattr(study, "recorded", ()) if part))


def axis_names(table: pl.DataFrame) -> list[str]:
    """Names of the varied scenario values: the columns between `scenario` and `method`."""
    columns = table.columns
    return columns[columns.index("scenario") + 1 : columns.index("method")]


def measured(study: StudyLike, table: pl.DataFrame) -> list[Metric]:
    """The domain's metrics that stand in the table, in the domain's order."""
    return [metric for metric in registry.domain(study.domain).metrics if metric.name in table.columns]


def metric_of(study: StudyLike, name: str | None) -> Metric:
    """The metric to judge by: the one named, the study's, or the domain's first.

    Args:
        study: The study.
        name: Name of a metric; None for the study's own choice.

    Raises:
        BadInput: The domain has no such metric.
    """
    domain = registry.domain(study.domain)
    wanted = name or study.report.metric
    if wanted is None:
        return domain.metrics[0]
    try:
        return domain.metric(wanted)
    except KeyError:
        known = [metric.name for metric in domain.metrics]
        message = f"domain {domain.name!r} has no metric {wanted!r}"
        hint = did_you_mean(wanted, known) or f"known: {', '.join(known)}"
        raise BadInput(Problem(message=message, hint=hint)) from None


def baseline_label(study: StudyLike, table: pl.DataFrame, label: str | None) -> str | None:
    """Label of the method that others are compared with.

    The one named, else the study's, else the first method that is the domain's baseline; None where the study
    runs no such method.

    Args:
        study: The study.
        table: Its table.
        label: A method's label; None for the study's own choice.

    Raises:
        BadInput: The study runs no method of that label.
    """
    labels = table["method"].unique(maintain_order=True).to_list()
    wanted = label or study.report.baseline
    if wanted is not None:
        if wanted in labels:
            return wanted
        message = f"the study runs no method labelled {wanted!r}"
        raise BadInput(Problem(message=message, hint=did_you_mean(wanted, labels)))
    usual = registry.domain(study.domain).baseline
    pairs = table.select("method", "method_id").unique(maintain_order=True).iter_rows()
    return next((name for name, ident in pairs if bare(ident) == usual), None)


def bare(ident: str) -> str:
    """The method's name without its domain."""
    return ident.rpartition("/")[2]


def entry_of(domain: str, ident: str) -> MethodEntry | None:
    """The registry's entry of a method, or None for a method from a user's own file."""
    try:
        return registry.method(domain, bare(ident))
    except BadInput:
        return None


def run_command(results: ResultsLike, **changed: str) -> str:
    """The command that runs this study again, with what was set from outside its file.

    Args:
        results: Its results.
        **changed: More values to set, `study__seeds="40"` for `study.seeds`.
    """
    study = results.study
    # Where a precision added seeds, it is asked for again: without it the table would go back to those planned.
    added = study.seeds > study.seeds_planned and "study__seeds" not in changed
    precision = study.report.precision
    values = {
        **study.overrides,
        **({"study.seeds": str(study.seeds)} if added and precision is None else {}),
        **{name.replace("__", "."): value for name, value in changed.items()},
    }
    words = ["qoslab", "run", study_file(results), *_out(results)]
    if added and precision is not None:
        words += ["--until-precision", f"{precision:g}"]
    for name, value in values.items():
        words += ["--set", f"{name}={value}"]
    return " ".join(shlex.quote(word) for word in words)


def study_file(results: ResultsLike) -> str:
    """Name of the study file that gave these results; for a study made in Python the name that it would have."""
    named = getattr(results.study, "file", None)
    folder = results.path.name
    if named or not folder.endswith(".results"):
        return named or f"{results.study.name}.toml"
    return f"{folder.removesuffix('.results')}.toml"


def _out(results: ResultsLike) -> list[str]:
    """The option that names the results folder, where it is not the usual one."""
    usual = f"{study_file(results).removesuffix('.toml')}.results"
    return [] if results.path.name == usual else ["--out", results.path.name]
