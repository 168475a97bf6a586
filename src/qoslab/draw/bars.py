"""Estimates side by side: bars from zero, and a forest of differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.curves import plain
from qoslab.draw.palette import FAINT, INK, Look, looks
from qoslab.draw.style import WIDTHS, Width, attach, new_figure, style

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bars", "forest"]

_HEADING = 0.5
"""Share of a forest's width, from the left, that headings may take."""


def bars(
    labels: Sequence[str],
    values: ArrayLike,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    *,
    names: Sequence[str] | None = None,
    xlabel: str = "",
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """One horizontal bar per label, from zero, with its interval.

    Args:
        labels: Names, shape (n,), drawn from the top.
        values: Lengths, shape (n,).
        low: Lower ends of the intervals; None for no intervals.
        high: Upper ends.
        names: What stands beside the bars, such as labels with a sign behind them; the labels where None.
        xlabel: Name of the quantity, with its unit.
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    size = np.asarray(values, dtype=np.float64)
    ends = _ends(size, low, high)
    known = styles or looks(labels)
    y = np.arange(len(labels))[::-1]
    with style():
        figure, (axes,) = new_figure(width, aspect=_height(len(labels), width))
        colours = [known[label].colour for label in labels]
        axes.barh(y, size, height=0.62, color=colours, alpha=0.85, linewidth=0)
        axes.errorbar(size, y, xerr=_reach(size, *ends), fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
        axes.set_yticks(y, [plain(name) for name in names or labels])
        axes.grid(visible=False, axis="y")
        axes.set(xlabel=xlabel)
    return attach(figure, _tidy(labels, size, *ends))


def forest(
    labels: Sequence[str],
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    reference: float = 0.0,
    groups: Sequence[str] | None = None,
    solid: Sequence[bool] | None = None,
    names: Sequence[str] | None = None,
    xlabel: str = "",
    notes: tuple[str, str] = ("", ""),
    log: bool = False,
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """Estimates with intervals against a reference line, grouped under headings.

    Args:
        labels: Names, shape (n,), drawn from the top.
        values: Estimates, shape (n,); NaN for a row without one.
        low: Lower ends; infinite ends are drawn to the edge.
        high: Upper ends.
        reference: Where the line of no difference stands.
        groups: Heading of each row; equal neighbours share one.
        solid: Whether each difference is decided; open markers otherwise.
        names: What stands beside the rows, such as labels with a sign behind them; the labels where None.
        xlabel: Name of the quantity, with its unit.
        notes: What lies left and right of the line, such as "better" and "worse".
        log: Whether the axis is logarithmic, for ratios of very different size; ends of 0 and less are then drawn to
            the edge.
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    middle = np.asarray(values, dtype=np.float64)
    ends = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    known = styles or looks(labels)
    decided = solid or [True] * len(labels)
    y, heads = _positions(groups or [""] * len(labels))
    rows = len(labels) + len(heads)
    edges = _edges(np.concatenate([middle, *ends, [reference]]), log=log)
    with style():
        figure, (axes,) = new_figure(width, aspect=_height(rows, width))
        axes.vlines(*_line(reference, edges, rows, heads, log=log), FAINT, lw=0.9)
        if log:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        for i, label in enumerate(labels):
            if not np.isfinite(middle[i]):
                continue
            look = known[label]
            left, right = np.clip([ends[0][i], ends[1][i]], *edges)
            axes.plot([left, right], [y[i], y[i]], color=look.colour, linewidth=1.4, solid_capstyle="butt")
            face = look.colour if decided[i] else "white"
            axes.plot(middle[i], y[i], look.marker, color=look.colour, markerfacecolor=face, markersize=4.6)
        axes.set_yticks(y, [plain(name) for name in names or labels])
        for place, head in heads:
            _note(axes, head, (0, place), (2, 0), ("axes fraction", "data"), va="center", fontweight="bold")
        axes.set_xlim(*edges)
        axes.set_ylim(-0.7, rows - 0.3)
        axes.grid(visible=False, axis="y")
        over = ("data", "axes fraction")
        _note(axes, notes[0], (reference, 1), (-5, 1), over, ha="right", va="bottom", fontsize=6.5)
        _note(axes, notes[1], (reference, 1), (5, 1), over, ha="left", va="bottom", fontsize=6.5)
        axes.set(xlabel=xlabel)
    frame = _tidy(labels, middle, *ends)
    return attach(figure, frame if groups is None else _with_groups(frame, groups))


def _line(
    reference: float, edges: tuple[float, float], rows: int, heads: list[tuple[float, str]], *, log: bool
) -> tuple[list[float], list[float], list[float]]:
    """The line of no difference in parts, as `vlines` takes them; on the left it pauses where headings stand."""
    low, high, at = np.log([*edges, reference]) if log else (*edges, reference)
    pauses = [y for place, _ in heads for y in (place + 0.45, place - 0.45)]
    if at - low > _HEADING * (high - low):
        pauses = []
    bottoms, tops = [*pauses[::2], -0.7], [rows - 0.3, *pauses[1::2]]
    return [reference] * len(tops), bottoms, tops


def _edges(values: np.ndarray, *, log: bool) -> tuple[float, float]:
    """The ends of an axis that holds all finite values, with room beside them."""
    known = values[np.isfinite(values) & ((values > 0) | (not log))]
    low, high = float(known.min()), float(known.max())
    if log:
        room = (high / low) ** 0.06 if high > low else 2.0
        return low / room, high * room
    pad = 0.06 * (high - low or 1.0)
    return low - pad, high + pad


def _note(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    shift: tuple[float, float],
    space: tuple[str, str],
    **look: Any,
) -> None:
    axes.annotate(plain(text), at, shift, xycoords=space, textcoords="offset points", **look)


def _ends(size: np.ndarray, low: ArrayLike | None, high: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    return (
        size if low is None else np.asarray(low, dtype=np.float64),
        size if high is None else np.asarray(high, dtype=np.float64),
    )


def _reach(size: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    gaps = np.vstack([size - low, high - size])
    return np.where(np.isfinite(gaps), np.maximum(gaps, 0), 0)


def _height(rows: int, width: Width) -> float:
    return (0.55 + 0.21 * max(rows, 2)) / WIDTHS[width]


def _positions(groups: Sequence[str]) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Heights of rows from the top, with one free row above each new heading."""
    y: list[float] = []
    heads: list[tuple[float, str]] = []
    down, before = 0.0, ""
    for group in groups:
        if group != before:
            heads.append((down, group))
            down, before = down + 1, group
        y.append(down)
        down += 1
    return down - 1 - np.array(y), [(down - 1 - at, head) for at, head in heads]


def _tidy(labels: Sequence[str], value: np.ndarray, low: np.ndarray, high: np.ndarray) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame({"label": list(labels), "value": value, "low": low, "high": high})


def _with_groups(frame: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    return frame.select(pl.Series("group", list(groups)), pl.all())
