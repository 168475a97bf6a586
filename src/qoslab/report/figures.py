"""The figures of a report: those every study has, then the domain's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qoslab import draw
from qoslab.core.domain import FigureEntry, load
from qoslab.core.errors import problem_in
from qoslab.core.registry import registry
from qoslab.draw import Band, Look
from qoslab.report.evidence import Axis, Evidence
from qoslab.report.marks import footnotes, signs, with_caveats
from qoslab.report.places import axis_value, place
from qoslab.report.source import ResultsLike
from qoslab.report.standing import Standings
from qoslab.report.takeover import lines_along
from qoslab.report.text import tuned
from qoslab.report.words import metric_phrase, scale_for, slug

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["Drawn", "domain_figures", "general_figures"]

_PANELS = 4
_FOREST_ROWS = 36
_WIDE = 10.0


@dataclass(frozen=True)
class Drawn:
    """A figure of the report.

    Attributes:
        name: Stem of its files and anchor in the page.
        title: What it shows, in a few words.
        caption: How to read it.
        figure: The figure; None where it could not be drawn.
        problem: Why it could not be drawn.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None
    problem: str = ""


def general_figures(evidence: Evidence, standings: Standings, comparison: pl.DataFrame) -> Iterator[Drawn]:
    """The metric over the grid, differences to the baseline, and a map of who is best on a grid of two axes.

    Args:
        evidence: The metric's values.
        standings: Who is best where.
        comparison: The comparison with the baseline, `report.compare.compare`.
    """
    styles = draw.looks(method.label for method in evidence.methods)
    if any(estimate is not None for standing in standings.cases for estimate in standing.estimates):
        yield from _levels(evidence, standings, comparison, styles)
        if len(evidence.methods) > 1:
            yield from _differences(evidence, comparison, styles)
            yield from _winners(evidence, standings, comparison)


def _axis_label(evidence: Evidence, unit: str) -> str:
    phrase = metric_phrase(evidence.metric)
    return f"{phrase} ({unit})" if unit else phrase


def _signed(comparison: pl.DataFrame) -> dict[tuple[str, str], str]:
    """Methods with the sign of their caveat behind them, by case and method."""
    marks = signs(comparison)
    cells = comparison.select("scenario", "method", "caveat").iter_rows()
    return {
        (case, method): " ".join(filter(None, (method, marks.get(caveat)))) for case, method, caveat in cells
    }


def _levels(
    evidence: Evidence, standings: Standings, comparison: pl.DataFrame, styles: Mapping[str, Look]
) -> Iterator[Drawn]:
    means = [e.estimate for s in standings.cases for e in s.estimates if e is not None and e.estimate]
    scale = scale_for(float(np.median(np.abs(means))) if means else 0.0, evidence.metric.unit)
    label = _axis_label(evidence, scale.unit)
    note = f"Means over seeds with their {100 * evidence.level:g} % intervals."
    if not evidence.axes:
        estimates = standings.cases[0].estimates
        known = [
            (method.label, e) for method, e in zip(evidence.methods, estimates, strict=True) if e is not None
        ]
        ends = np.array([[e.estimate, e.low, e.high] for _, e in known]) / scale.factor
        labels, signed = [name for name, _ in known], _signed(comparison)
        names = [signed[evidence.cases[0].label, name] for name in labels]
        figure = draw.bars(labels, *ends.T, names=names, xlabel=label, styles=styles)
        note = " ".join([note, *footnotes(comparison, names)])
        yield Drawn("levels", metric_phrase(evidence.metric), note, figure)
        return
    axis = evidence.running_axis or evidence.axes[0]
    if evidence.caveats:
        told = ", or ".join(dict.fromkeys(caveat.meaning for caveat in evidence.caveats))
        note += f" Hollow markers: in most of its trials the method {told}."
    for line in list(lines_along(evidence, axis))[:_PANELS]:
        rest = {key: value for key, value in evidence.cases[line[0]].values.items() if key != axis.name}
        within = ", ".join(f"{key} = {axis_value(value)}" for key, value in rest.items())
        name = f"levels-{slug(within)}" if within else "levels"
        title = f"{metric_phrase(evidence.metric)} over {axis.name}" + (f" at {within}" if within else "")
        figure = _over_axis(evidence, standings, axis, line, scale.factor, label, styles)
        yield Drawn(name, title, note, figure)


def _over_axis(
    evidence: Evidence,
    standings: Standings,
    axis: Axis,
    line: list[int],
    factor: float,
    label: str,
    styles: Mapping[str, Look],
) -> Figure:
    x = [evidence.cases[case].values[axis.name] for case in line]
    bands, odd = {}, {(caveat.case, caveat.method) for caveat in evidence.caveats}
    for method, contender in enumerate(evidence.methods):
        rows = [standings.cases[case].estimates[method] for case in line]
        ends = np.array([[np.nan] * 3 if e is None else [e.estimate, e.low, e.high] for e in rows]) / factor
        ends[~np.isfinite(ends)] = np.nan
        bands[contender.label] = Band(*ends.T)
    middle = np.concatenate([np.asarray(band.value) for band in bands.values()])
    middle = middle[np.isfinite(middle)]
    log_y = bool(middle.size and middle.min() > 0 and middle.max() > _WIDE * middle.min())
    grid = np.array(x) if axis.numeric else [axis_value(value) for value in x]
    spread = axis.numeric and min(x) > 0 and max(x) > 30 * min(x)
    hollow = {m.label: [(case, k) in odd for case in line] for k, m in enumerate(evidence.methods)}
    return draw.lines(
        grid,
        bands,
        xlabel=axis.name,
        ylabel=label,
        log_x=spread,
        log_y=log_y,
        hollow=hollow,
        styles=styles,
    )


def _differences(evidence: Evidence, comparison: pl.DataFrame, styles: Mapping[str, Look]) -> Iterator[Drawn]:
    import polars as pl

    rows = comparison.filter(~pl.col("verdict").is_in(["baseline", "no data"]))
    if rows.is_empty():
        return
    cases = rows["scenario"].unique(maintain_order=True).to_list()
    room = max(1, _FOREST_ROWS // max(1, len(evidence.methods) - 1))
    chosen = (
        cases
        if len(cases) <= room
        else [cases[i] for i in np.unique(np.linspace(0, len(cases) - 1, room).astype(int))]
    )
    rows = rows.filter(pl.col("scenario").is_in(chosen))
    shares = bool(evidence.metric.unit) and bool(rows["ratio_low"].is_not_null().all())
    columns = (
        ("ratio", "ratio_low", "ratio_high")
        if shares
        else ("difference", "difference_low", "difference_high")
    )
    scale = tuned(rows, evidence.metric.unit, "difference")
    values = [rows[column].fill_null(float("nan")).to_numpy() for column in columns]
    ratios = shares and bool(values[0].size) and _spread(values[0]) > _WIDE
    if not ratios:
        values = [100 * (v - 1) for v in values] if shares else [v / scale.factor for v in values]
    labels = {case.label: place(evidence, i) for i, case in enumerate(evidence.cases)}
    reference = evidence.methods[evidence.baseline or 0].label
    unit = "" if ratios else "%" if shares else scale.unit
    what = "ratio" if ratios else "difference"
    signed = _signed(comparison)
    names = [signed[cell] for cell in rows.select("scenario", "method").iter_rows()]
    against = max((signed[case, reference] for case in chosen), key=len)
    low, high = np.nan_to_num(values[1], nan=-np.inf), np.nan_to_num(values[2], nan=np.inf)
    figure = draw.forest(
        rows["method"].to_list(),
        values[0],
        low,
        high,
        groups=[labels[case] for case in rows["scenario"]] if evidence.axes else None,
        solid=[verdict in {"better", "worse", "differs"} for verdict in rows["verdict"]],
        names=names,
        reference=1.0 if ratios else 0.0,
        log=ratios,
        xlabel=f"{metric_phrase(evidence.metric)}, {what} to {against}" + (f" ({unit})" if unit else ""),
        notes={"lower": ("better", "worse"), "higher": ("worse", "better"), "neither": ("lower", "higher")}[
            evidence.metric.direction
        ],
        styles=styles,
    )
    shown = "" if len(chosen) == len(cases) else f" {len(chosen)} of {len(cases)} cases are shown."
    caption = (
        f"{'Ratios of paired means' if ratios else 'Paired differences'} over common seeds with "
        f"{100 * evidence.level:g} % intervals; filled markers are "
        f"decided after correction for all comparisons, open ones are not.{shown}"
    )
    caption = " ".join([caption, *footnotes(comparison, [*names, against])])
    yield Drawn("differences", f"{'Ratios' if ratios else 'Differences'} to {reference}", caption, figure)


def _spread(ratios: np.ndarray) -> float:
    """The largest factor between ratios, or between one of them and 1."""
    known = np.append(ratios[np.isfinite(ratios)], 1.0)
    return float(known.max() / known.min()) if known.min() > 0 else 1.0


def _winners(evidence: Evidence, standings: Standings, comparison: pl.DataFrame) -> Iterator[Drawn]:
    if len(evidence.axes) != 2 or evidence.metric.direction == "neither" or evidence.baseline is None:
        return
    columns, rows = sorted(evidence.axes, key=lambda axis: (not axis.numeric, -len(axis.values)))
    shape = len(rows.values), len(columns.values)
    gain, names = np.full(shape, np.nan), [[""] * shape[1] for _ in range(shape[0])]
    signed = _signed(comparison)
    for standing in standings.cases:
        values = evidence.cases[standing.case].values
        at = rows.values.index(values[rows.name]), columns.values.index(values[columns.name])
        reference = standing.estimates[evidence.baseline]
        own = None if standing.leader is None else standing.estimates[standing.leader]
        if standing.leader is None or own is None or reference is None or reference.estimate <= 0:
            continue
        gain[at] = 100 * (own.estimate / reference.estimate - 1)
        decided = standing.best is not None
        cell = evidence.cases[standing.case].label, evidence.methods[standing.leader].label
        names[at[0]][at[1]] = signed[cell] + ("" if decided else " ?")
    if not np.isfinite(gain).any():
        return
    figure = draw.heat_map(
        gain,
        [axis_value(value) for value in rows.values],
        [axis_value(value) for value in columns.values],
        label=f"difference to {evidence.methods[evidence.baseline].label} (%)",
        xlabel=columns.name,
        ylabel=rows.name,
        texts=names,
    )
    caption = "The leading method of each case; a question mark where it is not shown to be best."
    caption = " ".join([caption, *footnotes(comparison, [name for line in names for name in line])])
    yield Drawn("winners", "Who leads where", caption, figure)


def domain_figures(results: ResultsLike) -> Iterator[Drawn]:
    """The domain's own figures, in its order; one that fails says so in the report and stops nothing.

    Args:
        results: The results.
    """
    figures = registry.domain(results.study.domain).figures
    rows = with_caveats(results.table, results.study.domain) if figures else results.table
    for entry in figures:
        try:
            figure = _called(entry, rows, results)
        except Exception as error:  # a broken figure of a plug-in must not cost the report
            problem = problem_in(error, Path.cwd(), "")
            place = f" ({problem.path.name}:{problem.line})" if problem.path else ""
            yield Drawn(slug(entry.name), entry.summary, "", None, problem.message + place)
            continue
        if figure is not None:
            yield Drawn(slug(entry.name), entry.summary, "", figure)


def _called(entry: FigureEntry, rows: pl.DataFrame, results: ResultsLike) -> Figure | None:
    """The figure, or None where it has nothing to draw."""
    series = {name: results.series(name) for name in entry.needs}
    if any(frame.is_empty() for frame in series.values()):
        return None
    figure: Figure | None = load(entry.target)(rows, series)
    if figure is not None and not hasattr(figure, "savefig"):
        message = f"{entry.target} gave {type(figure).__name__}, not a matplotlib Figure"
        raise TypeError(message)
    return figure
