# mypy: disable-error-code="no-any-return"
"""Choosing the best of several servers, ties broken uniformly: parts that policies are built from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = ["least", "least_per_weight"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
_NONE = 2**62


@kernel(inline=True)
def least(values: Ints, up: Ints, stream: Stream) -> int:
    """A server with the least value among those that are up; one of them drawn uniformly where there are several.

    Args:
        values: Shape (n,).
        up: 1 where a server may be chosen, shape (n,).
        stream: For ties; a draw is made only where there is one.

    Returns:
        Its number; 0 where none is up.
    """
    lowest, ties = _NONE, 0
    for j in range(values.shape[0]):
        value = values[j] if up[j] == 1 else _NONE
        ties = 1 if value < lowest else ties + (value == lowest)
        lowest = value if value < lowest else lowest
    if lowest == _NONE:
        return 0
    rank = integers(stream, ties) if ties > 1 else 0
    for j in range(values.shape[0]):
        if values[j] == lowest and up[j] == 1:
            if rank == 0:
                return j
            rank -= 1
    return 0


@kernel(inline=True)
def least_per_weight(values: Ints, extra: float, weight: Reals, up: Ints, stream: Stream) -> int:
    """A server with the least (value + extra) / weight among those that are up; ties as in `least`."""
    lowest, ties = math.inf, 0
    for j in range(values.shape[0]):
        score = (values[j] + extra) / weight[j] if up[j] == 1 else math.inf
        ties = 1 if score < lowest else ties + (score == lowest)
        lowest = score if score < lowest else lowest
    if lowest == math.inf:
        return 0
    rank = integers(stream, ties) if ties > 1 else 0
    for j in range(values.shape[0]):
        if (values[j] + extra) / weight[j] == lowest and up[j] == 1:
            if rank == 0:
                return j
            rank -= 1
    return 0
