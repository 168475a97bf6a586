"""Cells with a caveat carry a sign, and what it means stands below: console, page, LaTeX, CSV and figures."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.colors
import numpy as np
import polars as pl
import pytest

from qoslab.core.registry import registry
from qoslab.report.compare import compare
from qoslab.report.evidence import Evidence
from qoslab.report.figures import general_figures
from qoslab.report.html import write_report
from qoslab.report.latex import latex_table
from qoslab.report.marks import footnotes, signs
from qoslab.report.text import comparison_rows, comparison_text
from qoslab.report.verdict import verdict

GOLDEN = Path(__file__).parent / "golden" / "marked-table.txt"
CAVEATS = (("odd", "is odd: its figures grow"), ("short", "was cut short"))
ODD, SHORT = (meaning for _, meaning in CAVEATS)
METHODS = ("lsq", "sed", "nq")


@pytest.fixture(autouse=True)
def cautious(monkeypatch: pytest.MonkeyPatch, synthetic_domain: None) -> None:
    domain = registry.domain("synthetic")
    monkeypatch.setitem(registry._domains, "synthetic", dataclasses.replace(domain, caveats=CAVEATS))


def _marked(results: Any, **cells: set[tuple[Any, str]]) -> Any:
    """Results in which a counter is 1 in all trials of some cells (load, method), and absent elsewhere."""
    table = results.table
    loads = table["load"] if "load" in table.columns else [None] * len(table)
    rows = list(zip(loads, table["method"], strict=True))
    columns = [
        pl.Series(f"counter.{name}", [1 if row in chosen else None for row in rows], dtype=pl.Int64)
        for name, chosen in cells.items()
    ]
    return dataclasses.replace(results, table=table.with_columns(columns))


def _grid(lab: SimpleNamespace) -> Any:
    points = [(load,) for load in (0.7, 0.8, 0.9)]
    means = {"lsq": 0.030, "sed": 0.020, "nq": 0.025}
    return lab.build(
        {
            name: {p: lab.sample(mean, 0.001, key=k) for p in points}
            for k, (name, mean) in enumerate(means.items())
        },
        ["load"],
    )


def _single(lab: SimpleNamespace) -> Any:
    means = {"lsq": 0.030, "sed": 0.020, "nq": 0.025}
    return lab.build({name: {(): lab.sample(mean, 0.001)} for name, mean in means.items()})


def _figures(results: Any) -> dict[str, Any]:
    found = verdict(results)
    return {d.name: d for d in general_figures(found.evidence, found.standings, compare(results))}


def test_the_table_is_as_it_was_written_down(lab: SimpleNamespace) -> None:
    """`lsq` and `nq` are odd at 0.9, `sed` is odd and short at 0.8."""
    results = _marked(_grid(lab), odd={(0.9, "lsq"), (0.9, "nq"), (0.8, "sed")}, short={(0.8, "sed")})
    assert comparison_text(results) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_without_caveats_nothing_is_marked(lab: SimpleNamespace) -> None:
    results = _grid(lab)
    assert compare(results)["caveat"].is_null().all()
    assert "†" not in comparison_text(results)
    assert "†" not in "".join(drawn.caption for drawn in _figures(results).values())


def test_a_cell_needs_more_than_half_of_its_finished_trials(lab: SimpleNamespace) -> None:
    """Of five finished trials three are enough and two are not; a trial that was lost counts in neither."""
    crashed = lambda _method, _point, k: ("crashed", "") if k == 5 else ("done", "")  # noqa: E731
    results = lab.build({name: {(): lab.sample(1.0, 0.1, 6)} for name in ("lsq", "sed")}, status=crashed)
    odd = [1, 1, 1, 0, None, None, 1, 1, 0, 0, None, 1]
    results = dataclasses.replace(results, table=results.table.with_columns(pl.Series("counter.odd", odd)))
    (found,) = Evidence.of(results).caveats
    assert (found.case, found.method, found.meaning, found.marked, found.trials) == (0, 0, ODD, 3, 5)


def test_each_caveat_has_a_sign_of_its_own() -> None:
    texts = ["a", None, "b", "a", "c", "d", "e"]
    frame = pl.DataFrame({"caveat": texts})
    assert signs(frame) == {"a": "†", "b": "‡", "c": "§", "d": "¶", "e": "††"}
    assert footnotes(frame, ["x †", "y ††"]) == [
        "† In most of its trials the method a.",
        "†† In most of its trials the method e.",
    ]


def test_the_sign_stands_in_the_row_that_it_belongs_to(lab: SimpleNamespace) -> None:
    frame = compare(_marked(_grid(lab), odd={(0.9, "nq")}))
    heads, rows, _ = comparison_rows(frame, lab.metrics[0], level=0.95)
    named = [(row[0], row[heads.index("method")]) for row in rows]
    assert [cell for cell in named if "†" in cell[1]] == [("0.9", "nq †")]
    assert frame.filter(pl.col("caveat") == ODD).select("load", "method").rows() == [(0.9, "nq")]


def test_page_and_files_hold_sign_and_sentence(lab: SimpleNamespace, tmp_path: Path) -> None:
    page = write_report(_marked(_single(lab), odd={(None, "sed")}), tmp_path / "report.html").read_text(
        "utf-8"
    )
    assert "<td>sed †</td>" in page
    assert f'</table></div>\n<p class="quiet">† In most of its trials the method {ODD}.</p>' in page
    assert ODD in (tmp_path / "tables" / "response-time-p99-s.csv").read_text("utf-8")


def test_latex_prints_signs_and_sentences(lab: SimpleNamespace) -> None:
    frame = compare(_marked(_single(lab), odd={(None, "sed")}, short={(None, "nq")}))
    text = latex_table(frame, lab.metrics[0], study="tails", level=0.95)
    assert r"\textbf{sed \textdagger{}} & better" in text
    below = text[text.index(r"\end{tabular}") :]
    assert rf"\textdagger{{}} In most of its trials the method {ODD}." in below
    assert rf"\textdaggerdbl{{}} In most of its trials the method {SHORT}." in below
    assert text.isascii()


def _ticks(figure: Any) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_bars_and_differences_are_named_with_the_sign(lab: SimpleNamespace) -> None:
    drawn = _figures(_marked(_single(lab), odd={(None, "lsq")}))
    assert _ticks(drawn["levels"].figure) == ["lsq †", "sed", "nq"]
    assert _ticks(drawn["differences"].figure) == ["sed", "nq"]
    assert "difference to lsq †" in drawn["differences"].figure.axes[0].get_xlabel()
    for one in drawn.values():
        assert one.caption.endswith(f"† In most of its trials the method {ODD}.")


def test_a_figure_that_shows_no_sign_explains_none(lab: SimpleNamespace) -> None:
    """Of two kinds of caveat each figure tells of those that it shows: the first row is in both, the baseline too."""
    drawn = _figures(_marked(_single(lab), odd={(None, "sed")}))
    assert _ticks(drawn["differences"].figure) == ["sed †", "nq"]
    assert drawn["differences"].figure.axes[0].get_xlabel().count("†") == 0


def test_lines_show_the_case_with_a_hollow_marker(lab: SimpleNamespace) -> None:
    drawn = _figures(_marked(_grid(lab), odd={(0.8, "sed"), (0.9, "sed")}))["levels"]
    white = [
        line
        for line in drawn.figure.axes[0].lines
        if matplotlib.colors.to_hex(line.get_markerfacecolor()) == "#ffffff"
    ]
    assert [np.asarray(line.get_xdata()).tolist() for line in white] == [[0.8, 0.9]]
    np.testing.assert_allclose(white[0].get_ydata(), [20.0, 20.0])
    assert drawn.caption.endswith(f"Hollow markers: in most of its trials the method {ODD}.")


def test_the_map_of_winners_marks_the_leader(lab: SimpleNamespace) -> None:
    points = [(load, count) for load in (0.7, 0.9) for count in (16, 64)]
    means = {"lsq": 0.030, "sed": 0.020}
    values = {name: {p: lab.sample(mean, 0.001) for p in points} for name, mean in means.items()}
    results = _marked(lab.build(values, ["load", "count"]), odd={(0.9, "sed")})
    drawn = _figures(results)["winners"]
    texts = [text.get_text() for text in drawn.figure.axes[0].texts]
    assert sorted(text for text in texts if text.startswith("sed")) == ["sed", "sed", "sed †", "sed †"]
    assert drawn.caption.endswith(f"† In most of its trials the method {ODD}.")
