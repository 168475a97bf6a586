"""What a person wants to see of a federation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["accuracy_over_rounds"]


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
