# mypy: disable-error-code="no-any-return"
"""What the learned policy remembers of each server: completions, busy time and request-seconds, discounted four ways.

The discount is counted in completions, not in seconds: while each server completes one request on average, memory k
keeps exp(-1 / SPANS[k]). So the same policy fits sites of a request a second and of a thousand. What is read off the
memories has no unit either: rates are relative to the fleet's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["INPUTS", "MEMORIES", "PER_MEMORY", "ROWS", "SPANS", "read_off", "remember"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

SPANS = (4.0, 24.0, 150.0, 1000.0)
"""Lengths of the memories, in completions of the mean server."""
MEMORIES = len(SPANS)
PER_MEMORY = 4
INPUTS = MEMORIES * PER_MEMORY
"""Numbers per server that the network sees. Of each memory: the logarithms of the rate while busy, relative to the
fleet's, and of the number in flight while busy; how much was completed; and the share of time busy."""
ROWS = 3 * MEMORIES
"""Rows of the memories: completions, busy time, s, and request-seconds, of each memory in turn."""
DONE, BUSY, AREA = range(3)


@kernel
def remember(memories: Table, lengths: Reals, new: Table, up: Ints, length_s: float) -> None:
    """Discount all memories and take in what happened since the last time.

    Args:
        memories: Shape (12, n), see `ROWS`.
        lengths: Discounted time of each memory, s, shape (4,).
        new: Completions, busy time and request-seconds since the last time, shape (3, n).
        up: 1 where a server may be chosen, shape (n,).
        length_s: Time since the last time, s.
    """
    n = up.shape[0]
    fleet, done = 0, 0.0
    for j in range(n):
        fleet += up[j]
        done += new[DONE, j]
    for k in range(MEMORIES):
        keep = math.exp(-done / ((fleet if fleet > 0 else 1) * SPANS[k]))
        lengths[k] = keep * lengths[k] + length_s
        for what in range(3):
            for j in range(n):
                memories[3 * k + what, j] = keep * memories[3 * k + what, j] + new[what, j]


@kernel
def read_off(memories: Table, lengths: Reals, up: Ints, inputs: Table) -> float:
    """What the network sees of each server.

    Args:
        memories: See `remember`.
        lengths: See `remember`.
        up: 1 where a server may be chosen, shape (n,).
        inputs: Overwritten, shape (16, n), see `INPUTS`.

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
        unit = busy / done
        seen = done / fleet
        for j in range(n):
            completed, worked = memories[3 * k + DONE, j], memories[3 * k + BUSY, j]
            held = memories[3 * k + AREA, j]
            # One completion at the fleet's rate stands in while a server has few.
            inputs[PER_MEMORY * k, j] = math.log((completed + 1.0) / (worked / unit + 1.0))
            inputs[PER_MEMORY * k + 1, j] = math.log((held + unit) / (worked + unit))
            inputs[PER_MEMORY * k + 2, j] = 0.3 * math.log(1.0 + completed)
            inputs[PER_MEMORY * k + 3, j] = worked / lengths[k]
    return seen
