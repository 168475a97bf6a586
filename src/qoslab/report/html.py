"""The report: one HTML file that needs no server and no network, opening with the verdict."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab import draw
from qoslab.core.metric import Metric
from qoslab.report.compare import MARGIN, compare
from qoslab.report.figures import Drawn, domain_figures, general_figures
from qoslab.report.files import write_text
from qoslab.report.marks import footnotes
from qoslab.report.methods import MethodPage, method_pages
from qoslab.report.provenance import provenance
from qoslab.report.rows import row_block
from qoslab.report.source import ResultsLike, measured
from qoslab.report.text import comparison_rows
from qoslab.report.verdict import Kind, Line, Verdict, verdict
from qoslab.report.words import capital, count, slug

if TYPE_CHECKING:
    import polars as pl
    from markupsafe import Markup
    from matplotlib.figure import Figure

__all__ = ["write_report"]

_LABELS: dict[Kind, str] = {
    "margin": "By how much",
    "crossing": "Where it changes",
    "oracle": "Out of reach",
    "undecided": "Undecided",
    "lost": "Lost trials",
    "counted": "Counted",
    "recorded": "What seeds vary",
    "added": "Added seeds",
    "certainty": "How sure",
    "next": "Next",
}
_TABLE_ROWS = 1500
_SVG_LIMIT = 500_000


def write_report(
    results: ResultsLike, out: Path | None = None, *, metric: str | None = None, baseline: str | None = None
) -> Path:
    """Write the report of a study.

    The page stands alone; beside it, `figures/` takes every figure as PDF, SVG and CSV, `tables/` every comparison
    as CSV. The same results give the same bytes.

    Args:
        results: The results, finished or not.
        out: The HTML file; `report.html` in the results folder where None.
        metric: Name of the metric to judge by; None for the study's own choice.
        baseline: Label of the baseline; None for the study's own choice.

    Returns:
        The HTML file.

    Raises:
        BadInput: No such metric or method, or no results at all.
    """
    path = out or results.path / "report.html"
    answer = verdict(results, metric, baseline)
    tables = _comparisons(results, answer)
    figures = [
        *general_figures(answer.evidence, answer.standings, tables[0][1]),
        *domain_figures(results),
    ]
    page = _rendered(results, answer, figures, tables)
    for drawn in figures:
        if drawn.problem:
            print(f"qoslab: figure {drawn.name!r} failed: {drawn.problem}", file=sys.stderr)
        if drawn.figure is not None:
            draw.save(drawn.figure, path.parent / "figures" / drawn.name)
    for about, frame in tables:
        write_text(path.parent / "tables" / f"{slug(about.name)}.csv", frame.write_csv())
    return write_text(path, page)


def _comparisons(results: ResultsLike, answer: Verdict) -> list[tuple[Metric, pl.DataFrame]]:
    """The judged metric first, then the domain's others that the table holds."""
    judged, evidence = answer.evidence.metric, answer.evidence
    metrics = [judged, *(metric for metric in measured(results.study, results.table) if metric != judged)]
    reference = None if evidence.baseline is None else evidence.methods[evidence.baseline].label
    return [(metric, compare(results, metric.name, reference)) for metric in metrics]


def _rendered(
    results: ResultsLike, answer: Verdict, figures: list[Drawn], tables: list[tuple[Metric, pl.DataFrame]]
) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    evidence = answer.evidence
    folder = files("qoslab.report") / "templates"
    script = (folder / "rows.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    block = row_block(results, evidence)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    environment.filters["spoken"] = _spoken
    environment.filters["capital"] = capital
    template = environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8"))
    room = _TABLE_ROWS  # a page of more cells opens too slowly; the first table is always there
    shown = []
    for about, frame in tables:
        room -= frame.height
        shown.append(_table(about, frame, evidence.level, whole=room >= 0 or about is tables[0][0]))
    return template.render(
        policy=(
            "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        ),
        css=Markup((folder / "style.css").read_text(encoding="utf-8")),
        script=Markup(script),
        row_data=None if block is None else Markup(block),
        title=results.study.report.title or results.study.name,
        scope=_scope(answer),
        question=answer.of("question")[0].text,
        answers=answer.of("answer"),
        statements=list(_statements(answer)),
        figures=[_shown(drawn) for drawn in figures],
        level=f"{100 * evidence.level:g} %",
        margin=f"{100 * MARGIN:g} % of the baseline",
        baseline=evidence.methods[evidence.baseline or 0].label,
        tables=shown,
        methods=[_tagged(page) for page in method_pages(results)],
        trials=_trials(answer, truncated=block is None),
        study_text=_study_text(results),
        provenance=provenance(results.table),
    )


def _scope(answer: Verdict) -> str:
    evidence = answer.evidence
    parts = [
        count(len(evidence.methods), "method"),
        count(len(evidence.cases), "case"),
        count(evidence.planned, "seed"),
    ]
    return f"{evidence.domain} · " + " × ".join(parts)


def _bound(text: str) -> str:
    """Numbers and their units kept on one line."""
    return re.sub(r"(?<=\d) (?=(?:%|[nµmkMGT]?(?:s|bit/s|B|Hz))(?:\W|$))| (?== )|(?<= =) ", "\u00a0", text)


def _spoken(text: str) -> Markup:
    """A sentence of the console as the page shows it: what stands between backticks as code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(_bound(text)))))


def _breakable(head: str) -> Markup:
    """A column's head that may break behind the dots and underscores of a long name."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"([._])(?=[A-Za-z]{3})", r"\1<wbr>", str(escape(head))))


def _statements(answer: Verdict) -> Iterator[tuple[str, list[Line]]]:
    """Lines below the answer, neighbours of one kind together."""
    for kind, label in _LABELS.items():
        lines = list(answer.of(kind))
        if lines:
            yield label, lines


@dataclass(frozen=True)
class _Shown:
    name: str
    title: str
    caption: str
    image: Any
    problem: str


def _shown(drawn: Drawn) -> _Shown:
    image = None if drawn.figure is None else _image(drawn.figure, drawn.name, drawn.title)
    return _Shown(drawn.name, drawn.title.rstrip("."), drawn.caption, image, drawn.problem)


def _image(figure: Figure, name: str, title: str) -> Any:
    """The figure as SVG in the page; as a picture where the SVG would be too large for one."""
    from markupsafe import Markup, escape

    text = draw.svg_text(figure, prefix=name, title=title)
    if len(text) <= _SVG_LIMIT:
        return Markup(text)
    buffer = io.BytesIO()
    with draw.style():
        figure.savefig(buffer, format="png", dpi=200, facecolor="white", metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return Markup(f'<img alt="{escape(title)}" src="data:image/png;base64,{data}">')


def _table(about: Metric, frame: pl.DataFrame, level: float, *, whole: bool) -> dict[str, Any]:
    heads, rows, numeric = comparison_rows(frame, about, level=level)
    kinds = [
        "interval number" if head.endswith("%") else "number" if right else ""
        for head, right in zip(heads, numeric, strict=True)
    ]
    shown = [
        {
            "first": row["scenario"] != before,
            "cells": [
                (cell, cell.replace(" ", "-") if head == "verdict" else kind)
                for cell, head, kind in zip(cells, heads, kinds, strict=True)
            ],
        }
        for cells, row, before in zip(
            rows, frame.iter_rows(named=True), [None, *frame["scenario"].to_list()[:-1]], strict=True
        )
    ]
    unit = f" In {about.unit}." if about.unit else ""
    better = {"lower": " Lower is better.", "higher": " Higher is better.", "neither": ""}[about.direction]
    return {
        "name": about.name,
        "summary": f"{capital(about.summary.rstrip('.'))}.{unit}{better}",
        "heads": list(zip(map(_breakable, heads), kinds, strict=True)),
        "rows": shown if whole else [],
        "notes": footnotes(frame) if whole else [],
        "file": f"{slug(about.name)}.csv",
    }


def _tagged(page: MethodPage) -> dict[str, Any]:
    origins = {
        "paper": "defined in a publication",
        "reference instance": "our reference instance",
        "ours": "ours",
    }
    extra = f"needs qoslab[{page.extra}]" if page.extra else ""
    tags = [tag for tag in (page.information, origins.get(page.origin, page.origin), extra) if tag]
    return {**vars(page), "tags": tags}


def _trials(answer: Verdict, *, truncated: bool) -> str:
    evidence = answer.evidence
    lost = sum(loss.count for loss in evidence.losses)
    total = int(evidence.trials.sum())
    words = f"{count(total, 'trial')}, {total - lost:,} with a value of {evidence.metric.name}."
    return words + (" There are too many to show them here." if truncated else "")


def _study_text(results: ResultsLike) -> str:
    return results.study.text.decode("utf-8", "replace")
