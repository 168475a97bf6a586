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
        lowest = value if value < lowest else lowest
    # Loops of their own for the least and for its ties are what the compiler makes vector code of.
    for j in range(values.shape[0]):
        ties += 1 if (values[j] == lowest) & (up[j] == 1) else 0
    rank = integers(stream, ties) if ties > 1 else 0
    for j in range(values.shape[0]):
        if values[j] == lowest and up[j] == 1:
            if rank == 0:
                return j
            rank -= 1
    return 0


@kernel(inline=True)
def least_per_weight(
    values: Ints, extra: float, weight: Reals, up: Ints, scratch: Reals, stream: Stream
) -> int:
    """A server with the least (value + extra) / weight among those that are up; ties as in `least`.

    Args:
        values: Shape (n,).
        extra: Added to each value.
        weight: Shape (n,).
        up: 1 where a server may be chosen, shape (n,).
        scratch: Overwritten with the scores, shape (n,).
        stream: For ties; a draw is made only where there is one.
    """
    n = values.shape[0]
    for j in range(n):
        scratch[j] = (values[j] + extra) / weight[j] if up[j] == 1 else math.inf
    # Four minima side by side: one would wait for the comparison before.
    a, b, c, d = math.inf, math.inf, math.inf, math.inf
    for k in range(0, n - 3, 4):
        a = scratch[k] if scratch[k] < a else a
        b = scratch[k + 1] if scratch[k + 1] < b else b
        c = scratch[k + 2] if scratch[k + 2] < c else c
        d = scratch[k + 3] if scratch[k + 3] < d else d
    for k in range(n - n % 4, n):
        a = scratch[k] if scratch[k] < a else a
    a = b if b < a else a
    c = d if d < c else c
    lowest = c if c < a else a
    ties = 0
    for j in range(n):
        ties += 1 if scratch[j] == lowest else 0
    rank = integers(stream, ties) if ties > 1 else 0
    for j in range(n):
        if scratch[j] == lowest:
            if rank == 0:
                return j
            rank -= 1
    return 0
