"""A network on a plane: nodes where they stand, links between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.palette import COLOURS, FAINT, INK
from qoslab.draw.style import Width, attach, new_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["network_map"]

_NAMED = 60


_FLAT = 0.3
"""Least height of the map per width, and the reverse: with equal scales a straight line of nodes has no height."""


def network_map(
    positions: ArrayLike,
    links: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    node_values: ArrayLike | None = None,
    link_values: ArrayLike | None = None,
    label: str = "",
    geographic: bool = False,
    width: Width = "middle",
) -> Figure:
    """Nodes and links; one set of values may colour the links, another size the nodes.

    Args:
        positions: Shape (nodes, 2): x and y, or longitude and latitude in degrees.
        links: Shape (links, 2): node indices.
        names: Names of the nodes, written where they are few.
        node_values: Shape (nodes,), not negative: areas of the node markers.
        link_values: Shape (links,): colours of the links.
        label: What the colours mean, with its unit.
        geographic: Whether positions are degrees; x is then shrunk by the cosine of the middle latitude.
        width: Width of the figure.
    """
    import polars as pl
    from matplotlib.collections import LineCollection

    points = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    pairs = np.asarray(links, dtype=np.int64).reshape(-1, 2)
    drawn = points.copy()
    if geographic and len(points):
        drawn[:, 0] *= np.cos(np.deg2rad((points[:, 1].min() + points[:, 1].max()) / 2))
    size = np.full(len(points), 22.0)
    if node_values is not None:
        weight = np.asarray(node_values, dtype=np.float64)
        size = 10 + 70 * weight / (float(weight.max()) if weight.size and weight.max() > 0 else 1.0)
    with style():
        figure, (axes,) = new_figure(width, aspect=0.72)
        collection = LineCollection(list(drawn[pairs]), linewidths=1.1, zorder=1)
        if link_values is None:
            collection.set_color(FAINT)
        else:
            colours = np.asarray(link_values, dtype=np.float64)
            collection.set(array=colours, cmap="cividis", linewidths=1.8)
            if np.nanmin(colours, initial=0.0) >= 0.0:
                collection.set_clim(0.0, max(float(np.nanmax(colours, initial=0.0)), 1e-12))
            bar = figure.colorbar(collection, ax=axes, label=label, pad=0.02, aspect=28)
            bar.outline.set_visible(False)
        axes.add_collection(collection)
        axes.scatter(drawn[:, 0], drawn[:, 1], s=size, color=COLOURS[0], zorder=2, linewidths=0)
        if names is not None and len(names) <= _NAMED:
            for text, (x, y) in zip(names, drawn, strict=True):
                axes.annotate(
                    text, (x, y), (3.5, 3.5), textcoords="offset points", fontsize=6, color=INK, zorder=3
                )
        axes.set_aspect("equal")
        axes.margins(0.08)
        axes.autoscale_view()
        _room(axes, drawn)
        axes.set_axis_off()
    labels = [str(i) for i in range(len(points))] if names is None else list(names)
    values = np.full(len(pairs), np.nan) if link_values is None else np.asarray(link_values, dtype=np.float64)
    table = {
        "from": [labels[a] for a, _ in pairs],
        "to": [labels[b] for _, b in pairs],
        **{
            f"{end}_{axis}": points[pairs[:, i], j]
            for i, end in enumerate(("from", "to"))
            for j, axis in enumerate("xy")
        },
        label or "value": values,
    }
    return attach(figure, pl.DataFrame(table))


def _room(axes: Axes, points: np.ndarray) -> None:
    """Limits that leave room around nodes on a line."""
    if not len(points):
        return
    middle, extent = (points.min(axis=0) + points.max(axis=0)) / 2, np.ptp(points, axis=0)
    least = _FLAT * float(extent.max()) or 1.0
    if extent[0] < least:
        axes.set_xlim(middle[0] - least / 2, middle[0] + least / 2)
    if extent[1] < least:
        axes.set_ylim(middle[1] - least / 2, middle[1] + least / 2)
