# mypy: disable-error-code="no-any-return"
"""One timer per slot, and the slot whose timer ends first: a tournament tree, our indexed heap.

Setting, moving and stopping a timer are one operation of log2(slots) steps. Equal times are won by the lower slot.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel
from qoslab.engine.tournament import replay, replay_all

__all__ = ["Timers", "first", "first_time", "set_timer", "stop_all", "stop_timer", "time_of", "timers"]


class Timers(NamedTuple):
    """A tournament tree; node 1 is the root, node `width + slot` the leaf of a slot, width a power of two.

    Attributes:
        time: Time of the winner at each node, float64, shape (2 * width,); infinity where nothing runs.
        slot: The winner at each node, int64, shape (2 * width,).
    """

    time: NDArray[np.float64]
    slot: NDArray[np.int64]


@kernel
def timers(slots: int) -> Timers:
    """Timers for slots 0, ..., slots - 1, all stopped."""
    width = 1
    while width < slots:
        width *= 2
    tree = Timers(np.full(2 * width, math.inf), np.zeros(2 * width, np.int64))
    stop_all(tree)
    return tree


@kernel
def stop_all(t: Timers) -> None:
    """Stop every timer."""
    width = t.time.shape[0] >> 1
    for slot in range(width):
        t.slot[width + slot] = slot
    t.time[:] = math.inf
    replay_all(t.time, t.slot)


@kernel(inline=True)
def first(t: Timers) -> int:
    """The slot whose timer ends first, the lowest such slot; slot 0 where no timer runs."""
    return t.slot[1]


@kernel(inline=True)
def first_time(t: Timers) -> float:
    """When the first timer ends; infinity where none runs."""
    return t.time[1]


@kernel(inline=True)
def time_of(t: Timers, slot: int) -> float:
    """When the timer of a slot ends; infinity where it is stopped."""
    return t.time[(t.time.shape[0] >> 1) + slot]


@kernel(inline=True)
def set_timer(t: Timers, slot: int, time: float) -> None:
    """Let the timer of a slot end at `time`, whether it ran or not; infinity stops it.

    Args:
        t: The timers.
        slot: From 0 to slots - 1.
        time: When; not NaN.
    """
    replay(t.time, t.slot, (t.time.shape[0] >> 1) + slot, time, slot)


@kernel(inline=True)
def stop_timer(t: Timers, slot: int) -> None:
    """Stop the timer of a slot, whether it ran or not."""
    set_timer(t, slot, math.inf)
