"""What a person wants to see of a choice of followers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["distance_by_rank"]


def distance_by_rank(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:
    """Distance left after each follower, one line per method, for the first scenario case."""
    raise NotImplementedError
