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

    Of several scenarios and replications the first of each is drawn. A prediction is dotted over its method's line, and
    ends where rounding stopped the error.
    """
    import numpy as np

    from qoslab.draw.curves import Band
    from qoslab.draw.curves import convergence as draw
    from qoslab.draw.palette import INK, Look, looks

    table = series["convergence"]
    if table.is_empty():
        return None
    first = table.filter(table["scenario"] == table["scenario"][0])
    first = first.filter(first["replication"] == first["replication"].min()).sort("round")
    grid = first["round"].unique().sort().to_numpy()
    bands: dict[str, Band] = {}
    styles = looks(str(method) for method in first["method"].unique(maintain_order=True))
    for (method,), part in first.group_by("method", maintain_order=True):
        name, at, error = str(method), part["round"].to_numpy(), part["error"].to_numpy()
        bands[name] = Band(np.interp(grid, at, error, right=np.nan))
        predicted = part["predicted"].to_numpy()
        predicted = np.where(predicted >= error.min(), predicted, np.nan)
        if np.isfinite(predicted).any():
            bands[f"{name}, predicted"] = Band(np.interp(grid, at, predicted, right=np.nan))
            styles[f"{name}, predicted"] = Look(INK, "", (0, (1, 3)))
    return draw(grid, bands, ylabel="error", styles=styles)


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
    """Protection quotient over the probability of interception: mean and range of innovations, a line per method.

    Beside them the first method's sent states, guessed with the best factor, too. Whatever else a study varies, such
    as privacy, is held at its first value, which the axis tells.
    """
    import polars as pl

    from qoslab.draw.curves import Band, lines
    from qoslab.draw.slices import hold_others

    grid, value = "eavesdropper.interception", "protection_of_innovations"
    if grid not in rows.columns or value not in rows.columns:
        return None
    slice_, held = hold_others(rows, grid)
    done = slice_.filter(pl.col(value).is_not_null())
    if done[grid].n_unique() < 2:
        return None
    points = done[grid].unique().sort()

    def band(part: pl.DataFrame, name: str) -> Band:
        spread = part.group_by(grid).agg(
            mean=pl.col(name).mean(), low=pl.col(name).min(), high=pl.col(name).max()
        )
        whole = points.to_frame().join(spread, on=grid, how="left").sort(grid)
        mean, low, high = (
            whole[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for column in ("mean", "low", "high")
        )
        return Band(mean, low, high)

    parts = {str(method): part for (method,), part in done.group_by("method", maintain_order=True)}
    first = next(iter(parts))
    bands = {f"{method}, innovations": band(part, value) for method, part in parts.items()}
    states = "protection_of_states_scaled"
    if states in rows.columns:
        bands[f"{first}, states"] = band(parts[first], states)
    xlabel = "probability of interception" + (f"\n({held})" if held else "")
    return lines(points.to_numpy(), bands, xlabel=xlabel, ylabel="protection quotient")
