# mypy: disable-error-code="no-any-return"
"""A histogram with logarithmic buckets: any quantile within 0.4 %, a few operations per value, mergeable by addition.

A bucket is one of 128 equal parts of an octave, so its number is the exponent and the first 7 bits of the mantissa of
the value: one shift of the number's own bits, no logarithm (the layout of HdrHistogram, Tene 2012).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = [
    "HIGHEST",
    "LOWEST",
    "RELATIVE_ERROR",
    "Histogram",
    "add",
    "bucket",
    "histogram",
    "merge",
    "quantiles",
]

Histogram = NDArray[np.int64]

LOWEST, HIGHEST = 2.0**-40, 2.0**40
_PARTS = 128  # buckets per octave
_SHIFT = 52 - 7
_FIRST = (1023 - 40) * _PARTS - 1  # number of the bucket that holds LOWEST, less one
_LAST = 80 * _PARTS + 1
RELATIVE_ERROR = 1.0 / (2 * _PARTS + 1)


@kernel
def histogram() -> Histogram:
    """An empty histogram: counts, int64, shape (10243,), 82 kB.

    Bucket 0 holds what is below `LOWEST` (9.1e-13), zero and negative numbers included; the last but one what is
    `HIGHEST` (1.1e12) or more; the last counts NaN.
    """
    return np.zeros(_LAST + 2, np.int64)


@kernel(inline=True)
def bucket(value: float) -> int:
    """The bucket of a value."""
    if value >= LOWEST:
        word: Any = np.float64(value).view(np.int64)
        number = (word >> _SHIFT) - _FIRST
        return number if number < _LAST else _LAST
    return 0 if value < LOWEST else _LAST + 1


@kernel(inline=True)
def add(h: Histogram, value: float) -> None:
    """Count one value."""
    h[bucket(value)] += 1


@kernel
def merge(into: Histogram, other: Histogram) -> None:
    """Add the counts of `other`; the order of merging changes nothing."""
    for place in range(into.shape[0]):
        into[place] += other[place]


def quantiles(h: Histogram, shares: NDArray[np.float64] | list[float]) -> NDArray[np.float64]:
    """Sample quantiles: for each share p the ceil(p n)-th smallest value, within `RELATIVE_ERROR`.

    Args:
        h: A histogram.
        shares: Shares from 0 to 1, shape (k,).

    Returns:
        Values, shape (k,); 0 for values below `LOWEST`, infinity for values of `HIGHEST` or more, NaN where nothing
        was counted.

    Raises:
        ValueError: NaN was counted.
    """
    if h[-1]:
        message = f"{h[-1]} of the values counted were NaN"
        raise ValueError(message)
    running = np.cumsum(h[:-1])
    if running[-1] == 0:
        return np.full(len(shares), math.nan)
    ranks = np.maximum(np.ceil(np.asarray(shares, np.float64) * running[-1]), 1)
    return _values(np.searchsorted(running, ranks))


def _values(buckets: NDArray[np.intp]) -> NDArray[np.float64]:
    """The number with the same relative distance to both edges of each bucket."""
    low = ((buckets + _FIRST).astype(np.int64) << _SHIFT).view(np.float64)
    high = ((buckets + _FIRST + 1).astype(np.int64) << _SHIFT).view(np.float64)
    middle = 2.0 * low * high / (low + high)
    return np.where(buckets == 0, 0.0, np.where(buckets >= _LAST, math.inf, middle))
