"""Heat map: one number per cell of a two-dimensional grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.style import WIDTHS, Width, attach, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["heat_map"]

_WRITTEN = 120
_PLOT = 0.72
"""Share of a figure's width that its cells have: the rest is names and the colour bar."""
_LETTER = 4.2
"""Width of a digit in the cells' type with its share of the space around a number, in points."""


def heat_map(
    values: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str = "",
    xlabel: str = "",
    ylabel: str = "",
    texts: Sequence[Sequence[str]] | None = None,
    centre: float | None = None,
    width: Width = "middle",
) -> Figure:
    """A matrix as colours, with the numbers in the cells where there is room.

    Args:
        values: Shape (rows, columns); NaN leaves a cell empty.
        rows: Names of the rows, drawn from the bottom, as on a y axis.
        columns: Names of the columns.
        label: What the colours mean, with its unit.
        xlabel: What the columns are.
        ylabel: What the rows are.
        texts: What to write in the cells instead of the numbers.
        centre: Value of no effect: colours then diverge from it; None for a sequential map.
        width: Width of the figure.
    """
    import polars as pl

    matrix = np.asarray(values, dtype=np.float64)
    low, high = _limits(matrix, centre)
    with style():
        figure, (axes,) = new_figure(
            width, aspect=min(1.0, max(0.35, 0.16 + 0.75 * len(rows) / max(len(columns), 1)))
        )
        mesh = axes.pcolormesh(
            np.ma.masked_invalid(matrix),
            cmap="cividis" if centre is None else "PuOr_r",
            vmin=low,
            vmax=high,
        )
        mesh.set_edgecolor("face")
        written = _written(matrix, WIDTHS[width]) if texts is None else texts
        if matrix.size <= _WRITTEN and written is not None:
            shades = np.asarray(mesh.to_rgba(matrix))[..., :3] @ np.array([0.299, 0.587, 0.114])
            for r, c in np.ndindex(*matrix.shape):
                text = written[r][c]
                colour = "white" if shades[r, c] < 0.55 else "#1c1f26"
                axes.text(c + 0.5, r + 0.5, text, ha="center", va="center", fontsize=6.5, color=colour)
        axes.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
        axes.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        bar = figure.colorbar(mesh, ax=axes, label=label, pad=0.02, aspect=28)
        bar.outline.set_visible(False)
    cells = [(rows[r], columns[c], float(value)) for (r, c), value in np.ndenumerate(matrix)]
    names = [ylabel or "row", xlabel or "column", label or "value"]
    return attach(figure, pl.DataFrame(cells, schema=names, orient="row"))


def _written(matrix: np.ndarray, inches: float) -> list[list[str]] | None:
    """The numbers with as many figures as fit into a cell, three at most; None where two do not fit."""
    letters = _PLOT * inches * 72 / matrix.shape[1] / _LETTER
    for figures in (3, 2):
        texts = [[f"{value:.{figures}g}" if np.isfinite(value) else "" for value in row] for row in matrix]
        if max((len(text) for row in texts for text in row), default=0) <= letters:
            return texts
    return None


def _limits(matrix: np.ndarray, centre: float | None) -> tuple[float, float]:
    finite = matrix[np.isfinite(matrix)]
    if finite.size == 0:
        return 0.0, 1.0
    if centre is None:
        return float(finite.min()), float(finite.max())
    reach = float(np.abs(finite - centre).max()) or 1.0
    return centre - reach, centre + reach
