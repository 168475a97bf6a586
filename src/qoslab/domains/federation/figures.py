"""What a person wants to see of a federation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["accuracy_over_alpha", "accuracy_over_rounds", "rounds_over_alpha"]


def accuracy_over_rounds(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Test accuracy after each round: mean and range over replications, one line per method, first scenario."""
    import polars as pl

    from qoslab.draw.curves import Band, lines

    course = series["course"]
    if course.is_empty():
        return None
    shown = course.filter(course["scenario"] == course["scenario"][0])
    value = pl.col("accuracy")
    table = shown.group_by("method", "round", maintain_order=True).agg(
        value.mean().alias("mean"), value.min().alias("low"), value.max().alias("high")
    )
    bands = {}
    for (method,), part in table.sort("round").group_by("method", maintain_order=True):
        mean, low, high = (part[name].to_numpy() for name in ("mean", "low", "high"))
        bands[str(method)] = Band(mean, low, high)
    return lines(shown["round"].unique().sort().to_numpy(), bands, xlabel="round", ylabel="test accuracy")


def accuracy_over_alpha(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Accuracy after a tenth of the rounds over the Dirichlet concentration: mean and range, one line per method.

    Whatever else a study varies is held at its first value, which the axis tells.
    """
    return _over_alpha(rows, "accuracy_early", "test accuracy after a tenth of the rounds")


def rounds_over_alpha(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Rounds to the target over the Dirichlet concentration, of the seeds that reached it; all else as above."""
    return _over_alpha(rows, "rounds_to_target", "rounds to the target accuracy")


def _over_alpha(rows: pl.DataFrame, metric: str, label: str) -> Figure | None:
    import polars as pl

    from qoslab.draw.curves import Band, lines
    from qoslab.draw.slices import hold_others

    grid, value = "partition.alpha", pl.col(metric)
    if grid not in rows.columns or metric not in rows.columns:
        return None
    slice_, held = hold_others(rows, grid)
    done = slice_.filter(value.is_not_null())
    if done[grid].n_unique() < 2:
        return None
    table = done.group_by("method", grid, maintain_order=True).agg(
        value.mean().alias("mean"), value.min().alias("low"), value.max().alias("high")
    )
    points = table[grid].unique().sort()
    bands = {}
    for (method,), part in table.group_by("method", maintain_order=True):
        whole = points.to_frame().join(part, on=grid, how="left").sort(grid)
        ends = (
            whole[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in ("mean", "low", "high")
        )
        bands[str(method)] = Band(*ends)
    xlabel = f"concentration alpha\n({held})" if held else "concentration alpha"
    return lines(points.to_numpy(), bands, xlabel=xlabel, ylabel=label, log_x=True)
