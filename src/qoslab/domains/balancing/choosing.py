"""Choosing servers by score, by lot and by weight, among those that are up: parts that policies are built from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers, uniform

__all__ = [
    "alias_table",
    "another",
    "drawn",
    "least",
    "least_of",
    "least_per_weight",
    "weighted",
    "weighted_by_table",
]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
_NONE = 2**62


@kernel
def drawn(up: Ints, stream: Stream, other: int) -> int:
    """A uniformly drawn server that is up and is not `other`.

    Args:
        up: 1 where a server may be chosen, shape (n,).
        stream: One draw where the first server drawn will do, else two.
        other: The server to leave out; -1 for none.

    Returns:
        Its number; `other` (or 0, where that is -1) if there is no such server.
    """
    n = up.shape[0]
    j = integers(stream, n)
    if up[j] == 1 and j != other:
        return j
    free = 0
    for k in range(n):
        free += 1 if up[k] == 1 and k != other else 0
    if free == 0:
        return other if other >= 0 else 0
    rank = integers(stream, free)
    for k in range(n):
        if up[k] == 1 and k != other:
            if rank == 0:
                return k
            rank -= 1
    return 0


@kernel
def another(chosen: Reals, count: int, up: Ints, stream: Stream) -> int:
    """A uniformly drawn server that is up and is none of those already chosen.

    Args:
        chosen: Numbers of servers; the first `count` are left out.
        count: How many.
        up: 1 where a server may be chosen, shape (n,).
        stream: One draw where the first server drawn will do, else two.

    Returns:
        Its number; -1 if there is no such server.
    """
    n = up.shape[0]
    j = integers(stream, n)
    if _is_free(chosen, count, up, j):
        return j
    free = 0
    for k in range(n):
        free += 1 if _is_free(chosen, count, up, k) else 0
    if free == 0:
        return -1
    rank = integers(stream, free)
    for k in range(n):
        if _is_free(chosen, count, up, k):
            if rank == 0:
                return k
            rank -= 1
    return -1


@kernel(inline=True)
def _is_free(chosen: Reals, count: int, up: Ints, j: int) -> bool:
    if up[j] != 1:
        return False
    for i in range(count):  # noqa: SIM110 - kernels have no generators
        if chosen[i] == j:
            return False
    return True


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


@kernel
def least_of(scores: Reals, up: Ints, stream: Stream) -> int:
    """A server of least finite score among those that are up, ties by lot; any that is up where no score is finite.

    Args:
        scores: Shape (n,).
        up: 1 where a server may be chosen, shape (n,).
        stream: For ties; a draw is made only where there is one.
    """
    lowest, ties, best = math.inf, 0, -1
    for j in range(scores.shape[0]):
        score = scores[j] if up[j] == 1 else math.inf
        if score < lowest:
            lowest, ties, best = score, 1, j
        elif score == lowest:
            ties += 1
    if best < 0:
        return drawn(up, stream, -1)
    if ties == 1:
        return best
    rank = integers(stream, ties)
    for j in range(best, scores.shape[0]):
        if scores[j] == lowest and up[j] == 1:
            if rank == 0:
                return j
            rank -= 1
    return best


@kernel
def weighted(weight: Reals, up: Ints, stream: Stream) -> int:
    """A server drawn with probability in proportion to its weight, among those that are up.

    Args:
        weight: Not negative, shape (n,).
        up: 1 where a server may be chosen, shape (n,).
        stream: One draw.

    Returns:
        Its number; a uniformly drawn one where all weights are zero.
    """
    total = 0.0
    for j in range(weight.shape[0]):
        total += weight[j] if up[j] == 1 else 0.0
    if not total > 0.0:
        return drawn(up, stream, -1)
    mark = uniform(stream) * total
    last = 0
    for j in range(weight.shape[0]):
        if up[j] == 1 and weight[j] > 0.0:
            last = j
            mark -= weight[j]
            if mark < 0.0:
                return j
    return last  # rounding left the mark a hair above zero


@kernel(inline=True)
def weighted_by_table(table: Reals, weight: Reals, up: Ints, stream: Stream) -> int:
    """What `weighted` gives in law, from an alias table: two draws whatever n, while the server drawn is up.

    Args:
        table: From `alias_table`, shape (2 n,).
        weight: The weights it was made of, shape (n,).
        up: 1 where a server may be chosen, shape (n,).
        stream: Two draws, three where the server drawn is not up.
    """
    n = weight.shape[0]
    j = integers(stream, n)
    if uniform(stream) >= table[j]:
        j = int(table[n + j])
    return j if up[j] == 1 else weighted(weight, up, stream)


def alias_table(weight: Reals) -> Reals:
    """Walker's alias table, built as Vose (1991) does.

    Args:
        weight: Positive, shape (n,).

    Returns:
        Shape (2 n,): the share of cell j that is j's own, then the server that has the rest of it.
    """
    n = len(weight)
    share = np.asarray(weight, np.float64) * (n / float(np.sum(weight)))
    table = np.concatenate([np.ones(n), np.arange(n)])
    small = [j for j in range(n) if share[j] < 1.0]
    large = [j for j in range(n) if share[j] >= 1.0]
    while small and large:
        less, more = small.pop(), large[-1]
        table[less], table[n + less] = share[less], more
        share[more] -= 1.0 - share[less]
        if share[more] < 1.0:
            small.append(large.pop())
    return table
