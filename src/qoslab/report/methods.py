"""What a report says of each method: what it is, what it may see, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qoslab.report.cite import reference
from qoslab.report.own_method import own_page
from qoslab.report.places import axis_value
from qoslab.report.source import ResultsLike, entry_of

__all__ = ["INFORMATION", "MethodPage", "method_pages"]

INFORMATION = {
    "blind": "sees its own observations only",
    "probing": "also sees answers to its probes",
    "oracle": "sees the true state: not available in practice",
}


@dataclass(frozen=True)
class MethodPage:
    """One method of a study, for its readers.

    Attributes:
        label: Its label in the study.
        ident: `DOMAIN/METHOD`.
        summary: One line; empty for a method from a user's file.
        information: What it may see, in words; empty where the domain draws no such line.
        origin: Where its definition comes from.
        extra: The extra it needs; empty for none.
        parameters: Its parameters in words, by name.
        description: The docstring of a method from a user's file, read without executing it.
        reference: The publication as a line of text.
        bibtex: The publication as BibTeX.
    """

    label: str
    ident: str
    summary: str
    information: str
    origin: str
    extra: str
    parameters: Mapping[str, str]
    reference: str
    bibtex: str
    description: str = ""


def method_pages(results: ResultsLike) -> list[MethodPage]:
    """A page for every method of a study, in its order.

    Args:
        results: The results.
    """
    pairs = results.table.select("method", "method_id").unique("method", maintain_order=True)
    given = {case.label: case.source for case in results.study.methods}
    return [_page(results, label, ident, given.get(label)) for label, ident in pairs.iter_rows()]


def _page(results: ResultsLike, label: str, ident: str, source: Any) -> MethodPage:
    domain = results.study.domain
    entry = entry_of(domain, ident)
    full = ident if "/" in ident else f"{domain}/{ident}"
    parameters = _parameters(results, label, source)
    file = getattr(source, "file", None)
    if file is not None:
        own = own_page(file, full.partition("/")[2])
        own_parameters = {name: _said(value) for name, value in own.defaults.items()} | parameters
        return MethodPage(
            label, full, own.summary, "", "the user's own file", "", own_parameters, "", "", own.description
        )
    if entry is None:
        return MethodPage(label, full, "", "", "the user's own file", "", parameters, "", "")
    return MethodPage(
        label=label,
        ident=full,
        summary=entry.summary,
        information=INFORMATION.get(entry.information or "", ""),
        origin=entry.origin,
        extra=entry.extra or "",
        parameters=parameters,
        reference=reference(entry.citation),
        bibtex=entry.citation.strip(),
    )


def _parameters(results: ResultsLike, label: str, source: Any) -> dict[str, str]:
    """The method's parameters as the study gives them; those that vary, from the table, where it gives none."""
    if source is not None:
        from qoslab.study.cases import params_of

        return {name: _said(value) for name, value in params_of(source).items()}
    table = results.table
    columns = [column for column in table.columns if column.startswith("method.")]
    row = table.filter(table["method"] == label).row(0, named=True)
    return {name.removeprefix("method."): _said(row[name]) for name in columns if row[name] is not None}


def _said(value: Any) -> str:
    if isinstance(value, list | tuple):
        shown = ", ".join(_said(item) for item in value[:12])
        return f"[{shown}{', …' if len(value) > 12 else ''}]"
    return axis_value(value)
