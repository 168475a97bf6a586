"""Cells of a comparison whose figures are not what they seem: which they are, the sign they carry, what it means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qoslab.core.registry import registry

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Caveat", "footnotes", "found_caveats", "meanings", "signs", "with_caveats"]

_SIGNS = "†‡§¶"


@dataclass(frozen=True)
class Caveat:
    """A method on a case most of whose finished trials have one of the counters `Domain.caveats` above 0.

    Attributes:
        case: Index of the case.
        method: Index of the method.
        meaning: What follows "METHOD at CASE", in the domain's words.
        marked: Finished trials with the counter above 0.
        trials: Finished trials.
    """

    case: int
    method: int
    meaning: str
    marked: int
    trials: int


def found_caveats(table: pl.DataFrame, domain: str, cases: list[str], methods: list[str]) -> Iterator[Caveat]:
    """The caveats of a table of trials: counter by counter as the domain lists them, then by method and case.

    Args:
        table: One row per trial.
        domain: Name of the domain.
        cases: Labels of the cases.
        methods: Labels of the methods.
    """
    import polars as pl

    done = table.filter(pl.col("status") == "done")
    for name, meaning in registry.domain(domain).caveats:
        column = f"counter.{name}"
        if column not in table.columns:
            continue
        marked = (pl.col(column).fill_null(0) > 0).sum()
        cells = done.group_by("scenario", "method").agg(marked=marked, trials=pl.len())
        most = cells.filter(2 * pl.col("marked") > pl.col("trials"))
        found = [
            Caveat(cases.index(scenario), methods.index(method), meaning, count, trials)
            for scenario, method, count, trials in most.iter_rows()
        ]
        yield from sorted(found, key=lambda caveat: (caveat.method, caveat.case))


def with_caveats(table: pl.DataFrame, domain: str) -> pl.DataFrame:
    """A table of trials with the column `caveat` of a comparison: what is to be said of the trial's cell, or null.

    Args:
        table: One row per trial.
        domain: Name of the domain.
    """
    import polars as pl

    cases, methods = (table[name].unique(maintain_order=True).to_list() for name in ("scenario", "method"))
    found = tuple(found_caveats(table, domain, cases, methods))
    cells = dict.fromkeys((caveat.case, caveat.method) for caveat in found)
    told = pl.DataFrame(
        [(cases[case], methods[method], meanings(found, case, method)) for case, method in cells],
        schema={"scenario": pl.String, "method": pl.String, "caveat": pl.String},
        orient="row",
    )
    return table.join(told, on=["scenario", "method"], how="left", maintain_order="left")


def meanings(caveats: tuple[Caveat, ...], case: int, method: int) -> str | None:
    """What is to be said of a method on a case; None where nothing is."""
    found = [caveat.meaning for caveat in caveats if (caveat.case, caveat.method) == (case, method)]
    return "; ".join(found) or None


def signs(comparison: pl.DataFrame) -> dict[str, str]:
    """The sign of every caveat that a comparison's column `caveat` holds, in order of appearance."""
    found = comparison["caveat"].drop_nulls().unique(maintain_order=True)
    return {text: _SIGNS[i % len(_SIGNS)] * (1 + i // len(_SIGNS)) for i, text in enumerate(found)}


def footnotes(comparison: pl.DataFrame, names: Sequence[str] | None = None) -> list[str]:
    """What the signs of a comparison mean, one sentence each.

    Args:
        comparison: What `report.compare.compare` gave.
        names: What a figure shows; signs that it does not hold are left out.
    """
    told = signs(comparison).items()
    return [
        f"{sign} In most of its trials the method {text}."
        for text, sign in told
        if names is None or any(sign in name.split(" ") for name in names)
    ]
