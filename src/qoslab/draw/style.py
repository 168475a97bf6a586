"""One style for every figure: sizes of paper columns, small quiet type, no box, no global state."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from qoslab.draw.palette import FAINT, INK

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["WIDTHS", "Width", "attach", "attached", "footnote", "legend", "new_figure", "scales", "style"]

Width = Literal["column", "middle", "page"]

WIDTHS: dict[Width, float] = {"column": 3.5, "middle": 5.2, "page": 7.16}
"""Inches: one column and the full width of a two-column page (IEEE, ACM), and something in between."""

_GOLDEN = 0.618
_NOTE = 6.5
"""Size of a footnote's type, in points."""
_LETTER = 0.52
"""Mean width of a letter over the size of the type."""

_PARAMETERS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib: the same glyphs on every machine
    "font.size": 7.5,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.alpha": 0.28,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.8,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.4,
    "axes.unicode_minus": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "qoslab",
    "path.simplify_threshold": 0.2,
}


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's parameters inside this block; drawing outside is not touched."""
    import matplotlib as mpl

    with mpl.rc_context({**mpl.rcParamsDefault, **_PARAMETERS, "backend": mpl.rcParams["backend"]}):
        yield


def new_figure(
    width: Width = "middle", *, aspect: float = _GOLDEN, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure of a paper's width, to be used inside `style()`.

    Args:
        width: Which width.
        aspect: Height over width of the whole figure.
        rows: Rows of axes.
        columns: Columns of axes.
        **subplots: Passed to `Figure.subplots`, such as `sharey=True`.

    Returns:
        The figure and its axes, row by row.
    """
    from matplotlib.figure import Figure

    inches = WIDTHS[width]
    figure = Figure(figsize=(inches, inches * aspect), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **subplots)
    return figure, list(axes.flat)


def legend(figure: Figure, axes: Axes, *, columns: int = 4) -> None:
    """One legend above the axes, where it covers no data; none for a single unnamed line.

    Args:
        figure: The figure.
        axes: Axes whose labelled artists are listed.
        columns: Most entries in a row; fewer where long names would leave the figure.
    """
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return
    wide = _fitting(labels, min(columns, len(labels)), figure.get_figwidth())
    # Matplotlib fills columns first; a reader goes along rows.
    order = [i for column in range(wide) for i in range(column, len(labels), wide)]
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside upper left", ncols=wide
    )


def _fitting(labels: Sequence[str], most: int, inches: float) -> int:
    """The most columns whose entries fit into a width."""
    from matplotlib.textpath import TextPath

    size = _PARAMETERS["legend.fontsize"]
    letters = [TextPath((0, 0), label or "x", size=size).get_extents().x1 for label in labels]
    around = size * (_PARAMETERS["legend.handlelength"] + 0.8 + _PARAMETERS["legend.columnspacing"])
    for wide in range(most, 1, -1):
        if sum(around + max(letters[column::wide]) for column in range(wide)) <= 72.0 * inches:
            return wide
    return 1


def scales(axes: Axes, *, log_x: bool, log_y: bool) -> None:
    """Logarithmic axes where wanted, with plain numbers where they span few decades."""
    for axis, wanted, set_scale in (
        (axes.xaxis, log_x, axes.set_xscale),
        (axes.yaxis, log_y, axes.set_yscale),
    ):
        if not wanted:
            continue
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        set_scale("log")
        low, high = sorted(axis.get_view_interval())
        if low > 0 and high < 1000 * low and low >= 1e-3 and high <= 1e5:
            subs = (1.0, 2.0, 5.0) if high > 5 * low else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
            axis.set_major_locator(LogLocator(subs=subs))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def footnote(figure: Figure, text: str) -> Figure:
    """A sentence below a figure that says what its signs mean, so that its files explain themselves; one a figure.

    Args:
        figure: The figure.
        text: The sentence; it is broken into lines as wide as the figure.
    """
    letters = 72.0 * float(figure.get_figwidth()) / (_NOTE * _LETTER)
    with style():
        figure.supxlabel(
            textwrap.fill(text, int(letters)), x=0.01, ha="left", fontsize=_NOTE, linespacing=1.3
        )
    return figure


def attach(figure: Figure, data: pl.DataFrame) -> Figure:
    """Remember the drawn numbers with the figure; `save` writes them beside it as CSV.

    Args:
        figure: The figure.
        data: Tidy table of what is drawn.
    """
    vars(figure)["qoslab_data"] = data
    return figure


def attached(figure: Figure) -> pl.DataFrame | None:
    """The numbers that `attach` left, or None."""
    data: pl.DataFrame | None = vars(figure).get("qoslab_data")
    return data
