"""Distributions: the share of values below, or above, each size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.curves import plain
from qoslab.draw.palette import Look, looks
from qoslab.draw.style import Width, attach, legend, new_figure, scales, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["distribution"]

_POINTS = 400


def distribution(
    samples: Mapping[str, ArrayLike],
    *,
    tail: bool = False,
    xlabel: str = "",
    log_x: bool = False,
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """Empirical distribution function of each sample, or its tail.

    Args:
        samples: Values by label.
        tail: Draw the share above each value on a logarithmic axis (CCDF) instead of the share at or below it.
        xlabel: Name of the value, with its unit.
        log_x: Whether values are drawn on a logarithmic axis.
        styles: Looks by label; by position where None.
        width: Width of the figure.
    """
    import polars as pl

    known = styles or looks(samples)
    parts = []
    with style():
        figure, (axes,) = new_figure(width)
        for label, values in samples.items():
            x, share = _steps(np.asarray(values, dtype=np.float64), tail=tail)
            look = known[label]
            axes.step(x, share, where="post", color=look.colour, linestyle=look.dash, label=plain(label))
            parts.append(pl.DataFrame({"label": [label] * x.size, xlabel or "value": x, "share": share}))
        scales(axes, log_x=log_x, log_y=tail)
        if not tail:
            axes.set_ylim(-0.02, 1.02)
        axes.set(xlabel=xlabel, ylabel="share above" if tail else "share at or below")
        legend(figure, axes)
    return attach(figure, pl.concat(parts) if parts else pl.DataFrame())


def _steps(values: np.ndarray, *, tail: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points of the step function, thinned evenly on the drawn axis: in rank, or in the logarithm of the tail."""
    ordered = np.sort(values[np.isfinite(values)])
    n = ordered.size
    if n == 0:
        return np.empty(0), np.empty(0)
    if n <= _POINTS:
        ranks = np.arange(1, n + 1)
    elif tail:
        ranks = np.unique(n - np.geomspace(n - 1, 1, _POINTS).round().astype(np.int64))
    else:
        ranks = np.unique(np.linspace(1, n, _POINTS).round().astype(np.int64))
    if tail:
        ranks = ranks[ranks < n]
        return ordered[ranks - 1], 1 - ranks / n
    return ordered[ranks - 1], ranks / n
