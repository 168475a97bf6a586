"""Whole numbers of paths under the memories of links: a linear programme, then rounding in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["rounded_packing"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_WHOLE = 1e-9


def rounded_packing(loads: IntArray, limits: IntArray, values: FloatArray) -> IntArray:
    """Counts x >= 0 of columns with `loads @ x <= limits` and a large `values @ x`.

    The linear programme is solved and x rounded down; columns are then counted up by one while they fit, the largest
    fractions first, and at last by falling value until nothing fits.

    Args:
        loads: What one unit of each column takes of each row, shape (rows, columns), every column takes something.
        limits: What each row has, shape (rows,).
        values: What one unit is worth, shape (columns,), not negative.

    Returns:
        Counts, shape (columns,).
    """
    from scipy.optimize import linprog

    if not len(values):
        return np.zeros(0, np.int64)
    done = linprog(-values, A_ub=loads, b_ub=limits, method="highs-ds")
    counts: IntArray = np.floor(done.x + _WHOLE).astype(np.int64)
    left = limits - loads @ counts
    fractions = done.x - counts
    for column in _in_order(-fractions, -values):
        if fractions[column] > _WHOLE and (loads[:, column] <= left).all():
            counts[column] += 1
            left = left - loads[:, column]
    for column in _in_order(-values):
        while values[column] > 0 and (loads[:, column] <= left).all():
            counts[column] += 1
            left = left - loads[:, column]
    return counts


def _in_order(*keys: FloatArray) -> list[int]:
    return [int(place) for place in np.lexsort(np.array(keys[::-1]))]
