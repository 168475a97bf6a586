"""Comparisons as LaTeX tables that need nothing but booktabs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qoslab.core.metric import Metric
from qoslab.report.marks import footnotes
from qoslab.report.text import comparison_rows
from qoslab.report.words import metric_phrase

if TYPE_CHECKING:
    import polars as pl

__all__ = ["escape", "latex_table"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "µ": r"\textmu{}",
    "×": r"$\times$",
    "…": r"\dots{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\textsection{}",
    "¶": r"\textparagraph{}",
}
_PATTERN = re.compile("|".join(re.escape(sign) for sign in _SPECIAL))


def escape(text: str) -> str:
    """Text as LaTeX prints it: every special character escaped, control characters dropped."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return _PATTERN.sub(lambda match: _SPECIAL[match.group()], printable)


def latex_table(frame: pl.DataFrame, metric: Metric, *, study: str, level: float) -> str:
    """A comparison as a `table` environment.

    Args:
        frame: What `report.compare.compare` gave.
        metric: The metric it compares.
        study: The study's name, for caption and label.
        level: Confidence level of the intervals.

    Returns:
        LaTeX for a document that loads booktabs; cases are set apart by a rule, methods that are decided to be
        better than the baseline stand in bold; what signs behind methods mean stands below the rows.
    """
    heads, rows, numeric = comparison_rows(frame, metric, level=level)
    columns = "".join("r" if right else "l" for right in numeric)
    body: list[str] = []
    before: str | None = None
    for cells, scenario, verdict in zip(rows, frame["scenario"], frame["verdict"], strict=True):
        if before is not None and scenario != before:
            body.append(r"\midrule")
        before = scenario
        line = [escape(cell) for cell in cells]
        if verdict == "better":
            at = heads.index("method")
            line[at] = rf"\textbf{{{line[at]}}}"
        body.append(" & ".join(line) + r" \\")
    note = (
        f"Means over seeds, with {100 * level:g} % intervals; differences and ratios are to the baseline on common "
        "seeds; p is corrected after Holm."
    )
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{study}-{metric.name}").strip("-").lower()
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(metric_phrase(metric))} on {escape(study)}. {escape(note)}}}",
            rf"  \label{{tab:{name}}}",
            rf"  \begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"    \toprule",
            "    " + " & ".join(escape(head) for head in heads) + r" \\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            *(rf"  \par\smallskip{{\footnotesize {escape(line)}}}" for line in footnotes(frame)),
            r"\end{table}",
            "",
        ]
    )
