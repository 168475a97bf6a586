"""What a person wants to see of agents that agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["convergence"]


def convergence(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Error after each round, one line per method, with the predicted fall where there is one.

    Of several scenarios and replications the first of each is drawn.
    """
    import numpy as np

    from qoslab.draw.curves import Band
    from qoslab.draw.curves import convergence as draw

    table = series["convergence"]
    if table.is_empty():
        return None
    first = table.filter(table["scenario"] == table["scenario"][0])
    first = first.filter(first["replication"] == first["replication"].min()).sort("round")
    grid = first["round"].unique().sort().to_numpy()
    bands: dict[str, Band] = {}
    for (method,), part in first.group_by("method", maintain_order=True):
        at = part["round"].to_numpy()
        for label, column in ((str(method), "error"), (f"{method}, predicted", "predicted")):
            value = part[column].to_numpy()
            if np.isfinite(value).any():
                bands[label] = Band(np.interp(grid, at, value, right=np.nan))
    return draw(grid, bands, ylabel="error")
