# mypy: disable-error-code="no-any-return"
"""Count, mean, variance and extremes of a sample in one small array; mergeable.

Updating is Welford's (1962), merging Chan, Golub and LeVeque's (1979): stable where sums of squares cancel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["Moments", "Summary", "add", "merge", "moments", "reset", "summary"]

Moments = NDArray[np.float64]


class Summary(NamedTuple):
    """What a sample's moments say.

    Attributes:
        size: Values added.
        mean: Their mean; NaN for none.
        variance: Unbiased; NaN for fewer than two.
        least: The least of them; infinity for none.
        greatest: The greatest of them; minus infinity for none.
    """

    size: int
    mean: float
    variance: float
    least: float
    greatest: float


@kernel
def moments() -> Moments:
    """Of an empty sample: count, mean, sum of squared deviations, least, greatest; float64, shape (5,)."""
    m = np.zeros(5, np.float64)
    reset(m)
    return m


@kernel
def reset(m: Moments) -> None:
    """Forget all values."""
    m[0] = m[1] = m[2] = 0.0
    m[3] = math.inf
    m[4] = -math.inf


@kernel(inline=True)
def add(m: Moments, value: float) -> None:
    """Add one value."""
    count = m[0] + 1.0
    away = value - m[1]
    mean = m[1] + away / count
    m[0] = count
    m[1] = mean
    m[2] += away * (value - mean)
    if value < m[3]:
        m[3] = value
    if value > m[4]:
        m[4] = value


@kernel
def merge(into: Moments, other: Moments) -> None:
    """Make `into` the moments of both samples together."""
    if other[0] == 0.0:
        return
    count = into[0] + other[0]
    away = other[1] - into[1]
    into[2] += other[2] + away * away * (into[0] * (other[0] / count))
    into[1] += away * (other[0] / count)
    into[0] = count
    if other[3] < into[3]:
        into[3] = other[3]
    if other[4] > into[4]:
        into[4] = other[4]


def summary(m: Moments) -> Summary:
    """The moments by name."""
    count = int(m[0])
    mean = float(m[1]) if count else math.nan
    variance = float(m[2]) / (count - 1) if count > 1 else math.nan
    return Summary(count, mean, variance, float(m[3]), float(m[4]))
