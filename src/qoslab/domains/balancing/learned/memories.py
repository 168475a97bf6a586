# mypy: disable-error-code="no-any-return"
"""What the learned policy remembers of each server: completions, busy time and request-seconds, discounted.

The discount is counted in completions, not in seconds: while each server completes one request on average, fixed memory
k keeps exp(-1 / SPANS[k]). So the same policy fits sites of a request a second and of a thousand. The pace of the gated
memories is not fixed: a network says at every look, and for every server, how fast each of them forgets. What is read
off the memories has no unit either: rates are relative to the fleet's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = [
    "FIXED_INPUTS",
    "GATED",
    "INPUTS",
    "MEMORIES",
    "PER_MEMORY",
    "ROWS",
    "SPANS",
    "read_gated",
    "read_off",
    "remember",
    "retain",
]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

SPANS = (4.0, 24.0, 150.0, 1000.0)
"""Lengths of the fixed memories, in completions of the mean server."""
MEMORIES = len(SPANS)
GATED = 2
"""Gated memories."""
PER_MEMORY = 4
FIXED_INPUTS = MEMORIES * PER_MEMORY
"""Numbers per server that are read off fixed memories. Of each memory: the logarithms of the rate while busy, relative
to the fleet's, and of the number in flight while busy; how much was completed; and the share of time busy."""
INPUTS = FIXED_INPUTS + GATED * PER_MEMORY
"""The same of all memories, the gated ones last."""
FIXED_ROWS = 3 * MEMORIES
ROWS = FIXED_ROWS + 4 * GATED
"""Rows of the memories: completions, busy time, s, and request-seconds, of each fixed memory in turn; then the same and
the time, s, of each gated memory, whose windows differ between servers."""
DONE, BUSY, AREA, TIME = range(4)


@kernel
def remember(memories: Table, lengths: Reals, new: Table, up: Ints, length_s: float) -> float:
    """Discount the fixed memories and take in what happened since the last time.

    Args:
        memories: Shape (20, n), see `ROWS`.
        lengths: Discounted time of each fixed memory, s, shape (4,).
        new: Completions, busy time and request-seconds since the last time, shape (3, n).
        up: 1 where a server may be chosen, shape (n,).
        length_s: Time since the last time, s.

    Returns:
        Completions since the last time, per server that is up.
    """
    n = up.shape[0]
    fleet, done = 0, 0.0
    for j in range(n):
        fleet += up[j]
        done += new[DONE, j]
    each = done / (fleet if fleet > 0 else 1)
    for k in range(MEMORIES):
        keep = math.exp(-each / SPANS[k])
        lengths[k] = keep * lengths[k] + length_s
        for what in range(3):
            for j in range(n):
                memories[3 * k + what, j] = keep * memories[3 * k + what, j] + new[what, j]
    return each


@kernel
def retain(memories: Table, rates: Table, new: Table, each: float, length_s: float) -> None:
    """Let the gated memories forget at the rates given, and take in what happened since the last time.

    Args:
        memories: See `remember`.
        rates: Forgetting of each gated memory and server, per completion of the mean server, shape (2, n).
        new: See `remember`.
        each: Completions since the last time, per server that is up.
        length_s: Time since the last time, s.
    """
    for k in range(GATED):
        first = FIXED_ROWS + 4 * k
        for j in range(new.shape[1]):
            keep = math.exp(-each * rates[k, j])
            memories[first + DONE, j] = keep * memories[first + DONE, j] + new[DONE, j]
            memories[first + BUSY, j] = keep * memories[first + BUSY, j] + new[BUSY, j]
            memories[first + AREA, j] = keep * memories[first + AREA, j] + new[AREA, j]
            memories[first + TIME, j] = keep * memories[first + TIME, j] + length_s


@kernel
def read_off(memories: Table, lengths: Reals, up: Ints, inputs: Table) -> float:
    """What the fixed memories say of each server.

    Args:
        memories: See `remember`.
        lengths: See `remember`.
        up: 1 where a server may be chosen, shape (n,).
        inputs: The first `FIXED_INPUTS` rows are overwritten, shape (24, n), see `INPUTS`.

    Returns:
        Completions that the longest memory holds, per server that is up; nothing is written where this is 0.
    """
    n = up.shape[0]
    fleet, seen = 0, 0.0
    for k in range(MEMORIES):
        fleet, done, busy = 0, 0.0, 0.0
        for j in range(n):
            fleet += up[j]
            done += memories[3 * k + DONE, j] if up[j] == 1 else 0.0
            busy += memories[3 * k + BUSY, j] if up[j] == 1 else 0.0
        if done <= 0.0 or busy <= 0.0:
            return 0.0
        seen = done / fleet
        for j in range(n):
            _read(memories[3 * k : 3 * k + 3], lengths[k], busy / done, j, inputs[PER_MEMORY * k :])
    return seen


@kernel
def read_gated(memories: Table, up: Ints, inputs: Table) -> None:
    """What the gated memories say of each server.

    Args:
        memories: See `remember`.
        up: 1 where a server may be chosen, shape (n,).
        inputs: The rows behind the first `FIXED_INPUTS` are overwritten, shape (24, n), see `INPUTS`.
    """
    n = up.shape[0]
    for k in range(GATED):
        held = memories[FIXED_ROWS + 4 * k : FIXED_ROWS + 4 * k + 4]
        done, busy = 0.0, 0.0
        for j in range(n):
            done += held[DONE, j] if up[j] == 1 else 0.0
            busy += held[BUSY, j] if up[j] == 1 else 0.0
        unit = busy / done if done > 0.0 and busy > 0.0 else 1.0
        for j in range(n):
            _read(held, held[TIME, j], unit, j, inputs[FIXED_INPUTS + PER_MEMORY * k :])


@kernel
def _read(held: Table, length_s: float, unit: float, j: int, inputs: Table) -> None:
    """Four numbers of server j; one completion at the fleet's rate stands in while a server has few."""
    inputs[0, j] = math.log((held[DONE, j] + 1.0) / (held[BUSY, j] / unit + 1.0))
    inputs[1, j] = math.log((held[AREA, j] + unit) / (held[BUSY, j] + unit))
    inputs[2, j] = 0.3 * math.log(1.0 + held[DONE, j])
    inputs[3, j] = held[BUSY, j] / length_s
