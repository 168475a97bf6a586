"""Lines: a metric over a grid with its interval, a quantity over time, an error on its way down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.palette import FAINT, Look, looks
from qoslab.draw.style import Width, attach, legend, new_figure, scales, style

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Band", "convergence", "draw_line", "lines", "plain", "time_series"]

_POINTS = 2000
_MARKED = 30
_TICKS = 12


class Band(NamedTuple):
    """A line and, where known, the ends of its interval; all of the length of x, NaN where there is no value."""

    value: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None


def lines(
    x: ArrayLike | Sequence[str],
    bands: Mapping[str, Band],
    *,
    xlabel: str = "",
    ylabel: str = "",
    log_x: bool = False,
    log_y: bool = False,
    hollow: Mapping[str, ArrayLike] | None = None,
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """One line per label over a grid, with a band for its interval; points with error bars over a grid of names.

    Args:
        x: Grid, shape (points,): numbers, or names for a grid that is not numeric.
        bands: Line and interval by label.
        xlabel: Name of the grid, with its unit.
        ylabel: Name of the quantity, with its unit.
        log_x: Whether the grid is drawn on a logarithmic axis.
        log_y: The same for the quantity.
        hollow: By label, which points carry a hollow marker, boolean, shape (points,).
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    grid = np.asarray(x)
    named = grid.dtype.kind in "OU"
    where = np.arange(grid.size, dtype=np.float64) if named else grid.astype(np.float64)
    known = styles or looks(bands)
    with style():
        figure, (axes,) = new_figure(width)
        for position, (label, band) in enumerate(bands.items()):
            at = where + (0.5 * ((position + 0.5) / len(bands) - 0.5) if named else 0.0)
            if named:
                _points(axes, at, label, band, known[label])
            else:
                draw_line(axes, at, label, band, known[label], marks=grid.size <= _MARKED)
            if hollow is not None and np.any(hollow.get(label, False)):
                _hollow(axes, at, band, known[label], np.asarray(hollow[label], dtype=np.bool_))
        if named:
            axes.set_xticks(where, [plain(str(value)) for value in grid])
            axes.set_xlim(-0.5, grid.size - 0.5)
            axes.grid(visible=False, axis="x")
        elif _apart(where) and not log_x:
            axes.set_xticks(where, [f"{value:g}" for value in where])
        scales(axes, log_x=log_x and not named, log_y=log_y)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend(figure, axes)
    return attach(figure, _tidy(grid, bands, xlabel or "x"))


def time_series(
    t: ArrayLike,
    series: Mapping[str, Band | ArrayLike],
    *,
    xlabel: str = "time (s)",
    ylabel: str = "",
    log_y: bool = False,
    events: Mapping[str, float] | None = None,
    styles: Mapping[str, Look] | None = None,
    width: Width = "page",
) -> Figure:
    """Quantities over time, thinned to what a page can show, with named moments as vertical lines.

    Args:
        t: Times, increasing, shape (points,).
        series: Values (or values with intervals) by label, each of t's length.
        xlabel: Name of the time axis.
        ylabel: Name of the quantity.
        log_y: Whether the quantity is drawn on a logarithmic axis.
        events: Times by name, such as a failure.
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    times = np.asarray(t, dtype=np.float64)
    bands = {label: value if isinstance(value, Band) else Band(value) for label, value in series.items()}
    keep = np.unique(np.linspace(0, times.size - 1, min(times.size, _POINTS)).astype(np.int64))
    thin = {label: _each(band, lambda part: part[keep]) for label, band in bands.items()}
    known = styles or looks(bands)
    with style():
        figure, (axes,) = new_figure(width, aspect=0.38)
        for label, band in thin.items():
            draw_line(axes, times[keep], label, band, known[label], marks=False)
        for name, moment in (events or {}).items():
            axes.axvline(moment, color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.annotate(
                name,
                (moment, 1),
                (2, -2),
                xycoords=("data", "axes fraction"),
                va="top",
                textcoords="offset points",
            )
        scales(axes, log_x=False, log_y=log_y)
        axes.margins(x=0.01)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend(figure, axes)
    return attach(figure, _tidy(times[keep], thin, xlabel))


def convergence(
    x: ArrayLike,
    series: Mapping[str, Band | ArrayLike],
    *,
    xlabel: str = "rounds",
    ylabel: str = "error",
    log_x: bool = False,
    slope: float | None = None,
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """Errors on a logarithmic axis; values that are not positive are left out.

    Args:
        x: Rounds or cost, shape (points,).
        series: Errors by label.
        xlabel: Name of x.
        ylabel: Name of the error.
        log_x: Whether x is logarithmic too, for power laws.
        slope: Power of x to draw as a guide, such as -1 for 1 / x; needs `log_x`.
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    grid = np.asarray(x, dtype=np.float64)
    bands = {label: _positive(value) for label, value in series.items()}
    known = styles or looks(bands)
    with style():
        figure, (axes,) = new_figure(width)
        for label, band in bands.items():
            draw_line(axes, grid, label, band, known[label], marks=grid.size <= _MARKED)
        if slope is not None and log_x:
            _guide(axes, grid, bands, slope)
        scales(axes, log_x=log_x, log_y=True)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend(figure, axes)
    return attach(figure, _tidy(grid, bands, xlabel))


def _each(band: Band, change: Callable[[np.ndarray], np.ndarray]) -> Band:
    low, high = (None if end is None else change(np.asarray(end, dtype=np.float64)) for end in band[1:])
    return Band(change(np.asarray(band.value, dtype=np.float64)), low, high)


def _positive(value: Band | ArrayLike) -> Band:
    band = value if isinstance(value, Band) else Band(value)
    return _each(band, lambda part: np.where(part > 0, part, np.nan))


def _guide(axes: Axes, grid: np.ndarray, bands: Mapping[str, Band], slope: float) -> None:
    """A power law that starts where the highest line does."""
    usable = grid[grid > 0]
    drawn = np.concatenate([np.asarray(band.value, dtype=np.float64) for band in bands.values()])
    drawn = drawn[np.isfinite(drawn)]
    if usable.size and drawn.size:
        ends = np.array([usable.min(), usable.max()])
        axes.plot(
            ends,
            drawn.max() * (ends / ends[0]) ** slope,
            color=FAINT,
            linewidth=0.9,
            label=f"slope {slope:g}",
        )


def draw_line(axes: Axes, x: np.ndarray, label: str, band: Band, look: Look, *, marks: bool) -> None:
    """One line with its interval on axes, with markers where its points are few."""
    value = np.asarray(band.value, dtype=np.float64)
    axes.plot(
        x,
        value,
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker if marks else "none",
        markeredgewidth=0,
        label=plain(label),
    )
    if band.low is not None and band.high is not None:
        low, high = (np.asarray(end, dtype=np.float64) for end in (band.low, band.high))
        axes.fill_between(x, low, high, color=look.colour, alpha=0.18, linewidth=0)


def _hollow(axes: Axes, x: np.ndarray, band: Band, look: Look, chosen: np.ndarray) -> None:
    """Hollow markers over some points of a line."""
    value = np.asarray(band.value, dtype=np.float64)[chosen]
    axes.plot(
        x[chosen],
        value,
        look.marker,
        color=look.colour,
        markerfacecolor="white",
        markeredgewidth=1.0,
        zorder=3,
    )


def _apart(x: np.ndarray) -> bool:
    """Whether every point of a grid has room for a tick of its own."""
    return 1 < x.size <= _TICKS and float(np.diff(np.sort(x)).min()) >= float(np.ptp(x)) / _TICKS


def _points(axes: Axes, x: np.ndarray, label: str, band: Band, look: Look) -> None:
    """Points with error bars, side by side: names have no order that a line could follow."""
    value = np.asarray(band.value, dtype=np.float64)
    reach = None
    if band.low is not None and band.high is not None:
        gaps = np.vstack([value - np.asarray(band.low), np.asarray(band.high) - value])
        reach = np.where(np.isfinite(gaps), np.maximum(gaps, 0), 0)
    axes.errorbar(
        x, value, yerr=reach, fmt=look.marker, color=look.colour, elinewidth=1.1, label=plain(label)
    )


def plain(label: str) -> str:
    """A label that Matplotlib takes as it is: no mathematics, not hidden by a leading underscore."""
    text = label.replace("$", r"\$")
    return "\u200a" + text if text.startswith("_") else text


def _tidy(x: np.ndarray, bands: Mapping[str, Band], name: str) -> pl.DataFrame:
    import polars as pl

    parts = []
    for label, band in bands.items():
        columns = {"label": [label] * x.size, name: x, "value": np.asarray(band.value, dtype=np.float64)}
        for key, end in (("low", band.low), ("high", band.high)):
            columns[key] = np.full(x.size, np.nan) if end is None else np.asarray(end, dtype=np.float64)
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts) if parts else pl.DataFrame()
