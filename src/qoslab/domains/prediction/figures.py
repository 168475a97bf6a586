"""What a person wants to see of predictions: errors over densities, coverage, and how a network of tasks learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from qoslab.draw.palette import Look
    from qoslab.draw.panels import Course

__all__ = ["coverage", "error_by_density", "paired_by_user", "routing", "task_losses", "task_weights"]

_LINES = 8
"""Lines in a figure, one for a method and a parameter; the methods of least error are shown."""

_USUAL_LEVEL = 0.9
"""Where the line stands beside which coverage is drawn: the level that intervals promise unless told otherwise."""

_ROWS = 12
"""Rivals in a forest; the closest are shown."""

_PANELS = 12
"""Panels of a figure; the first scenarios and methods are shown. The largest study of a network's parts has eleven."""

Columns = Mapping[str, "pl.DataFrame"]


def error_by_density(rows: pl.DataFrame, series: Columns) -> Figure | None:  # noqa: ARG001
    """NMAE of each parameter over density with its 95 % interval over replications, the best methods of the study.

    Of everything else that varies the first value, which the axis names. A method keeps its colour of the other
    figures unless a better one has it, for dashes tell parameters here. None with one parameter, whose error is that
    of the table.
    """
    import polars as pl

    from qoslab.draw.curves import Band, lines
    from qoslab.draw.palette import COLOURS, DASHES
    from qoslab.draw.slices import hold_others

    if "density" not in rows.columns or rows["density"].n_unique() < 2:
        return None
    held, where = hold_others(rows, "density")
    done = held.filter(pl.col("nmae").is_not_null())
    grid = done["density"].unique().sort().to_numpy()
    # Other values of a grid may have other parameters.
    columns = [name for name in done.columns if name.startswith("nmae[") and done[name].is_not_null().any()]
    if len(grid) < 2 or len(columns) < 2:
        return None
    best = done.group_by("method").agg(pl.col("nmae").mean()).sort("nmae", "method")["method"].to_list()
    looks, bands, styles, taken = _looks(rows), {}, {}, set[str]()
    for method in best[: max(1, _LINES // len(columns))]:
        part = done.filter(pl.col("method") == method)
        look = looks[method]
        if look.colour in taken:
            look = look._replace(colour=next(colour for colour in COLOURS if colour not in taken))
        taken.add(look.colour)
        for place, column in enumerate(columns[:_LINES]):
            label = f"{method} {column.removeprefix('nmae')[1:-1]}"
            ends = [_interval(part.filter(pl.col("density") == x)[column].to_numpy()) for x in grid]
            bands[label] = Band(*np.array(ends).T)
            styles[label] = look._replace(dash=DASHES[place % len(DASHES)])
    label = "share of the table that is known" + (f" ({where})" if where else "")
    return lines(grid, bands, xlabel=label, ylabel="NMAE", styles=styles)


def coverage(rows: pl.DataFrame, series: Columns) -> Figure | None:  # noqa: ARG001
    """Share of values inside their intervals, by method and parameter, with 95 % intervals over replications.

    Of everything that varies the first value, which the axis names.
    """
    from qoslab.draw.bars import forest
    from qoslab.draw.slices import hold_others

    columns = [name for name in rows.columns if name.startswith("coverage[")]
    if not columns:
        return None
    held, where = hold_others(rows, "")
    looks, styles = _looks(rows), {}
    found = {}
    for method in held["method"].unique(maintain_order=True):
        part = held.filter(held["method"] == method)
        for name in columns:
            values = part[name].drop_nulls().to_numpy()
            if len(values):
                label = f"{method} {name.removeprefix('coverage')[1:-1]}"
                found[label], styles[label] = _interval(values), looks[method]
    if not found:
        return None
    value, low, high = np.array(list(found.values())).T
    at = f" at {where}" if where else ""
    label = f"share of values inside their intervals{at} (line: {_USUAL_LEVEL:.0%})"
    return forest(list(found), value, low, high, reference=_USUAL_LEVEL, xlabel=label, styles=styles)


def paired_by_user(rows: pl.DataFrame, series: Columns) -> Figure | None:
    """How much more each method errs than the best one, paired by user, with 95 % intervals over users.

    Of several scenarios the first; `qoslab prediction paired` has all of them.
    """
    from qoslab.domains.prediction.by_user import user_differences
    from qoslab.draw.bars import forest

    errors = series["user_errors"]
    if errors.is_empty() or errors["method"].n_unique() < 2:
        return None
    several = errors["scenario"].n_unique() > 1
    table = user_differences(errors)
    table = table.filter(table["scenario"] == table["scenario"][0]).head(_ROWS)
    value, low, high = (100 * table[name].to_numpy() for name in ("difference", "low", "high"))
    decided = [bool(a > 0 or b < 0) for a, b in zip(low, high, strict=True)]
    where = f" at {table['scenario'][0]}" if several else ""
    label = f"error above {table['best'][0]}{where}, in % of it"
    styles = _looks(rows, errors)
    return forest(table["method"].to_list(), value, low, high, solid=decided, xlabel=label, styles=styles)


def routing(rows: pl.DataFrame, series: Columns) -> Figure | None:  # noqa: ARG001
    """Share of open gates and entropy of routing, task by task, while networks train: where routing collapses."""
    figure = _courses(series, ("open", "entropy"), "open gates, entropy")
    if figure is not None:
        figure.axes[0].set_ylim(0.0, 1.05)  # a thousandth less than all open is no collapse
    return figure


def task_weights(rows: pl.DataFrame, series: Columns) -> Figure | None:  # noqa: ARG001
    """Weights of the tasks' losses while networks train."""
    return _courses(series, ("weight",), "weight of the loss")


def task_losses(rows: pl.DataFrame, series: Columns) -> Figure | None:  # noqa: ARG001
    """Losses of the tasks while networks train, in the units that these learn in: as a rule each parameter's mean.

    Negative transfer shows where a study has scenarios of one parameter alone: its loss ends lower than beside others.
    Losses in held-out cells stand beside them, and say when a network begins to overfit; where none is held out, those
    in the cells that it learns from, without dropout, which say how closely it fits them.
    """
    return _courses(series, ("loss", "held_out", "fitted"), "loss")


def _courses(series: Columns, quantities: tuple[str, ...], ylabel: str) -> Figure | None:
    """Columns `quantity[parameter]` over steps, a panel for each scenario and method, of its first replication.

    Where there are more than the panels shown, a note says how many are not.
    """
    import polars as pl

    from qoslab.draw.panels import panels
    from qoslab.draw.style import footnote

    course = series["training"]
    names = [name for name in course.columns if name.partition("[")[0] in quantities and "[" in name]
    if not names:
        return None
    first = pl.col("replication") == pl.col("replication").min().over("scenario", "method")
    runs = course.filter(first).partition_by("scenario", "method", as_dict=True, maintain_order=True)
    scenarios, methods = (len({place[side] for place in runs}) for side in (0, 1))
    found: dict[str, Course] = {}
    for (scenario, method), run in runs.items():
        there = [name for name in names if run[name].null_count() < run.height]
        if there:
            words = ([scenario] if scenarios > 1 else []) + (
                [method] if methods > 1 or scenarios == 1 else []
            )
            found[", ".join(map(str, words))] = _course(run, there)
    if not found:
        return None
    figure = panels(dict(list(found.items())[:_PANELS]), xlabel="step", ylabel=ylabel)
    hidden = len(found) - _PANELS
    return (
        footnote(figure, f"{hidden} more {'is' if hidden == 1 else 'are'} not shown")
        if hidden > 0
        else figure
    )


def _course(run: pl.DataFrame, names: list[str]) -> Course:
    """The columns of one training over its steps, where each has values."""
    from qoslab.draw.panels import Course

    kept = run.filter(run[names[0]].is_not_null()).sort("step")
    return Course(kept["step"].to_numpy(), {name: kept[name].to_numpy() for name in names})


def _looks(*tables: pl.DataFrame) -> dict[str, Look]:
    """The look of each method of a study, by its place there: the same in every figure of a report."""
    from qoslab.draw.palette import looks

    columns = [table["method"].unique(maintain_order=True) for table in tables if "method" in table.columns]
    return looks(str(method) for column in columns for method in column)


def _interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean and ends of the 95 % interval of Student's t; NaN ends for fewer than two values, all NaN for none."""
    from scipy.special import stdtrit

    count = len(values)
    if count < 2:
        return (float(values[0]) if count else np.nan), np.nan, np.nan
    mean, half = values.mean(), stdtrit(count - 1, 0.975) * values.std(ddof=1) / np.sqrt(count)
    return float(mean), float(mean - half), float(mean + half)
