"""The Pareto sets of the interval programme: which ways of making a segment are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns", "front"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""Mean, variance, Werner parameter and time of each way of making a segment."""

_EXPONENTS = (0.0, 32.0, 4.0, 12.0, 1.0, 64.0, 8.0, 2.0, 20.0, 6.0, 3.0, 16.0)


def front(columns: Columns, limit: int) -> IntArray:
    """Per row, ways that no other way beats in all four columns: large mean and w, small variance and time.

    They are taken by the largest mean x w^c for one exponent c after the other: what a segment is worth to the whole
    is its mean, and a factor of the path's Werner parameter, so these are the corners of the front that matter.

    Args:
        columns: Each of shape (rows, ways); a mean of -1 marks a way that does not exist.
        limit: How many to keep.

    Returns:
        Their places, shape (rows, limit), -1 where the front is shorter.
    """
    mean, variance, werner, ready = columns
    rows = np.arange(len(mean))
    free = mean >= 0
    kept = np.full((len(mean), limit), -1, np.int64)
    flat = np.ptp(werner) == 0.0
    late = -variance - ready
    for place in range(limit):
        exponent = 0.0 if flat else _EXPONENTS[place % len(_EXPONENTS)]
        score = np.where(free, mean if exponent == 0 else mean * werner**exponent, -1.0)
        tied = free & (score == score.max(axis=1, keepdims=True))
        chosen = np.where(tied, late, -np.inf).argmax(axis=1)
        some = free[rows, chosen]
        kept[some, place] = chosen[some]
        if not some.any():
            break
        free &= ~some[:, None] | _not_beaten(columns, rows, chosen)
        if not free.any():
            break
    return kept


def _not_beaten(columns: Columns, rows: IntArray, chosen: IntArray) -> NDArray[np.bool_]:
    mean, variance, werner, ready = columns
    better: NDArray[np.bool_] = (mean > mean[rows, chosen, None]) | (variance < variance[rows, chosen, None])
    if np.ptp(werner) > 0 or np.ptp(ready) > 0:
        better |= (werner > werner[rows, chosen, None]) | (ready < ready[rows, chosen, None])
    return better
