"""What a person wants to see of a choice of followers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["distance_by_rank"]


def distance_by_rank(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Distance left after each follower, one line per method, where most followers were allowed."""
    from qoslab.draw.curves import Band, lines

    choice = series["choice"]
    if choice.is_empty():
        return None
    longest = choice.sort("rank")["scenario"][-1]
    shown = choice.filter(choice["scenario"] == longest)
    first = shown.filter(shown["replication"] == shown["replication"].min()).sort("rank")
    bands = {
        str(method): Band(part["distance"].to_numpy())
        for (method,), part in first.group_by("method", maintain_order=True)
    }
    ranks = first["rank"].unique().sort().to_numpy()
    return lines(ranks, bands, xlabel="followers chosen", ylabel="distance from the leader's opinion")
