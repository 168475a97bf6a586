"""What one run gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outcome", "Series"]

Series = Mapping[str, NDArray[Any]]
"""Named columns of equal length, one row per point; stored as Parquet and drawn by figures."""


@dataclass(frozen=True)
class Outcome:
    """The result of one trial.

    Attributes:
        metrics: Every metric of the domain by name. A metric that has no value in this run (a
            percentile of nothing) is left out; it is never NaN.
        counters: How many events, requests, rounds: whole numbers that describe the run.
        series: Optional columns for figures, by series name; filled only where `Context.keep_series` asks.
    """

    metrics: Mapping[str, float]
    counters: Mapping[str, int] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse values that would poison a table.

        Raises:
            ValueError: A metric is not finite, or the columns of a series differ in length.
        """
        for name, value in self.metrics.items():
            if not np.isfinite(value):
                message = f"metric {name!r} is {value}: leave a metric out where it has no value"
                raise ValueError(message)
        for name, columns in self.series.items():
            if len({len(column) for column in columns.values()}) > 1:
                message = f"the columns of series {name!r} differ in length"
                raise ValueError(message)
