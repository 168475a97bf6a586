# mypy: disable-error-code="no-any-return"
"""Batch means of a series of unknown length in fixed memory: when the batches are full, pairs of them are joined.

The method is that of Fishman (1978, doubling of the batch size); between `batches` and twice as many are kept, all of
one size, so that a confidence interval can be had at any time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["BatchMeans", "add", "batch_means", "means", "restart"]

_FULL, _SIZE, _OPEN = range(3)


class BatchMeans(NamedTuple):
    """Sums of batches.

    Attributes:
        sums: Sums of full batches, float64, shape (2 * batches,), and that of the open one.
        counts: Full batches, values in each, values in the open one; int64, shape (3,).
        running: Sum of the open batch, float64, shape (1,).
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.int64]
    running: NDArray[np.float64]


@kernel
def batch_means(batches: int) -> BatchMeans:
    """An empty series that will be kept in `batches` to twice as many batches."""
    b = BatchMeans(np.zeros(2 * batches, np.float64), np.zeros(3, np.int64), np.zeros(1, np.float64))
    restart(b)
    return b


@kernel
def restart(b: BatchMeans) -> None:
    """Forget the series: the end of a warm-up."""
    b.counts[_FULL] = b.counts[_OPEN] = 0
    b.counts[_SIZE] = 1
    b.running[0] = 0.0


@kernel
def _close(b: BatchMeans) -> None:
    """File the open batch and, where that was the last place, join pairs."""
    full = b.counts[_FULL]
    b.sums[full] = b.running[0]
    full += 1
    if full == b.sums.shape[0]:
        full >>= 1
        for place in range(full):
            b.sums[place] = b.sums[2 * place] + b.sums[2 * place + 1]
        b.counts[_SIZE] *= 2
    b.counts[_FULL] = full
    b.counts[_OPEN] = 0
    b.running[0] = 0.0


@kernel(inline=True)
def add(b: BatchMeans, value: float) -> None:
    """Append one value to the series."""
    b.running[0] += value
    b.counts[_OPEN] += 1
    if b.counts[_OPEN] == b.counts[_SIZE]:
        _close(b)


def means(b: BatchMeans) -> NDArray[np.float64]:
    """Means of the full batches, in order, shape (full,); all of them are over equally many values."""
    return b.sums[: b.counts[_FULL]] / b.counts[_SIZE]
