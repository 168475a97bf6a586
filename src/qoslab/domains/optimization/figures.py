"""What a person wants to see of agents that agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["budgets", "convergence", "protection"]


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


def budgets(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """First entry of the first agent's decision, one line per method, with the optimal decision.

    Of several scenarios and replications the first of each is drawn.
    """
    import numpy as np
    import polars as pl

    from qoslab.draw.curves import Band, lines

    table = series["decisions"]
    if table.is_empty():
        return None
    first = table.filter(
        (pl.col("scenario") == table["scenario"][0]) & (pl.col("agent") == 0) & (pl.col("entry") == 0)
    )
    first = first.filter(pl.col("replication") == first["replication"].min()).sort("round")
    grid = first["round"].unique().sort().to_numpy()
    bands: dict[str, Band] = {}
    for (method,), part in first.group_by("method", maintain_order=True):
        at = part["round"].to_numpy()
        bands[str(method)] = Band(np.interp(grid, at, part["decision"].to_numpy(), right=np.nan))
        if "optimal" not in bands and len(at) == len(grid):
            bands["optimal"] = Band(part["optimal"].to_numpy())
    return lines(grid, bands, xlabel="round", ylabel="budget of agent 0, first entry")


def protection(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Protection quotient of innovations over the probability of interception: mean and range, a line per method."""
    import polars as pl

    from qoslab.draw.curves import Band, lines

    grid, value = "eavesdropper.interception", "protection_of_innovations"
    if grid not in rows.columns or value not in rows.columns:
        return None
    done = rows.filter(pl.col(value).is_not_null())
    if done[grid].n_unique() < 2:
        return None
    table = done.group_by("method", grid, maintain_order=True).agg(
        pl.col(value).mean().alias("mean"),
        pl.col(value).min().alias("low"),
        pl.col(value).max().alias("high"),
    )
    points = table[grid].unique().sort()
    bands = {}
    for (method,), part in table.group_by("method", maintain_order=True):
        whole = points.to_frame().join(part, on=grid, how="left").sort(grid)
        mean, low, high = (
            whole[name].cast(pl.Float64).fill_null(float("nan")) for name in ("mean", "low", "high")
        )
        bands[str(method)] = Band(mean.to_numpy(), low.to_numpy(), high.to_numpy())
    return lines(points.to_numpy(), bands, xlabel="probability of interception", ylabel="protection quotient")
