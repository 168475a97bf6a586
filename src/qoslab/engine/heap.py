# mypy: disable-error-code="no-any-return"
"""Pending events in arrays: earliest first, equal times in the order they were pushed.

An event is a time and an item, an int that means something to the caller: a kind, a slot, an index into its arrays.
Where each event has a place of its own (a server's next departure, a link's next success) use `qoslab.engine.timers`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel
from qoslab.engine.tournament import replay, replay_all

__all__ = [
    "Heap",
    "cancel",
    "clear",
    "first_item",
    "first_time",
    "grown",
    "heap",
    "holds",
    "is_full",
    "pop",
    "push",
    "size",
]

_SLOT_BITS = 24  # a key is push number * 2**24 + slot: room for 1.6e7 events at once and 5e11 in all
_SLOT = (1 << _SLOT_BITS) - 1
_NO_KEY = (1 << 63) - 1


class Heap(NamedTuple):
    """Events ordered by (time, order of pushing), as a tournament over slots.

    Attributes:
        time: Time of the first event under each node, float64, shape (2 * width,); node 1 is the root.
        key: Its key, int64, shape (2 * width,).
        item: What the event of each slot is, int64, shape (width,).
        free: The free slots, from place `size` on, int64, shape (width,).
        counts: Events held and the next push number, int64, shape (2,).
    """

    time: NDArray[np.float64]
    key: NDArray[np.int64]
    item: NDArray[np.int64]
    free: NDArray[np.int64]
    counts: NDArray[np.int64]


@kernel
def heap(capacity: int) -> Heap:
    """Room for at least `capacity` events, none held; a push costs log2(capacity) steps, so begin small and grow.

    Raises:
        ValueError: More than 2**24 events were asked for.
    """
    width = 1
    while width < capacity:
        width *= 2
    if width > _SLOT + 1:
        raise ValueError("a heap holds at most 2**24 events")  # noqa: EM101 - kernels raise literals
    return Heap(
        np.full(2 * width, math.inf),
        np.full(2 * width, _NO_KEY),
        np.zeros(width, np.int64),
        np.arange(width),
        np.zeros(2, np.int64),
    )


@kernel(inline=True)
def size(h: Heap) -> int:
    """Events held."""
    return h.counts[0]


@kernel(inline=True)
def is_full(h: Heap) -> bool:
    """Whether a push needs `grown` first."""
    return h.counts[0] == h.item.shape[0]


@kernel(inline=True)
def first_time(h: Heap) -> float:
    """Time of the earliest event; infinity where there is none."""
    return h.time[1]


@kernel(inline=True)
def first_item(h: Heap) -> int:
    """Item of the earliest event of a heap that is not empty."""
    return h.item[h.key[1] & _SLOT]


@kernel(inline=True)
def holds(h: Heap, slot: int) -> bool:
    """Whether the event of a slot is pending."""
    return h.key[h.item.shape[0] + slot] != _NO_KEY


@kernel
def clear(h: Heap) -> None:
    """Forget all events, and start counting pushes again."""
    h.time[:] = math.inf
    h.key[:] = _NO_KEY
    h.counts[:] = 0
    for slot in range(h.free.shape[0]):
        h.free[slot] = slot


@kernel
def grown(h: Heap) -> Heap:
    """The same events, in the same slots, with room for twice as many.

    A kernel that makes arrays counts references; grow outside the loop of events, in the function that calls it.
    """
    width = h.item.shape[0]
    new = heap(2 * width)
    new.time[2 * width : 3 * width] = h.time[width:]
    new.key[2 * width : 3 * width] = h.key[width:]
    new.item[:width] = h.item
    new.free[:width] = h.free
    new.counts[:] = h.counts
    replay_all(new.time, new.key)
    return new


@kernel(inline=True)
def push(h: Heap, time: float, item: int) -> int:
    """Add an event to a heap that is not full.

    Args:
        h: The heap.
        time: When; not NaN.
        item: What.

    Returns:
        The event's slot, good for `cancel` as long as the event is held.
    """
    held, order = h.counts[0], h.counts[1]
    slot = h.free[held]
    h.counts[0] = held + 1
    h.counts[1] = order + 1
    h.item[slot] = item
    replay(h.time, h.key, h.item.shape[0] + slot, time, (order << _SLOT_BITS) + slot)
    return slot


@kernel(inline=True)
def cancel(h: Heap, slot: int) -> int:
    """Take the event of a slot out, whenever it is due.

    Returns:
        Its item.
    """
    held = h.counts[0] - 1
    h.counts[0] = held
    h.free[held] = slot
    replay(h.time, h.key, h.item.shape[0] + slot, math.inf, _NO_KEY)
    return h.item[slot]


@kernel(inline=True)
def pop(h: Heap) -> int:
    """Take the earliest event out of a heap that is not empty; `first_time` before gives its time.

    Returns:
        Its item.
    """
    return cancel(h, h.key[1] & _SLOT)
