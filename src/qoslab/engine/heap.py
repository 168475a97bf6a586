# mypy: disable-error-code="no-any-return"
"""A heap of events in arrays: earliest first, equal times in the order they were pushed.

An event is a time and an item, an int that means something to the caller: a kind, a slot, an index into its arrays.
For events that have a slot each (a server's next departure, a link's next success) and that get changed or cancelled,
`qoslab.engine.timers` is faster and needs no dead events.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["Heap", "clear", "first_item", "first_time", "grown", "heap", "is_full", "pop", "push", "size"]


class Heap(NamedTuple):
    """A binary heap ordered by (time, order of arrival).

    Attributes:
        time: Times of the events, float64, shape (capacity,); the first `size` entries are in use.
        order: Push numbers that break ties, int64, shape (capacity,).
        item: What the events are, int64, shape (capacity,).
        counts: Events held and the next push number, int64, shape (2,).
    """

    time: NDArray[np.float64]
    order: NDArray[np.int64]
    item: NDArray[np.int64]
    counts: NDArray[np.int64]


@kernel
def heap(capacity: int) -> Heap:
    """An empty heap with room for `capacity` events; `grown` gives one with more room."""
    return Heap(
        np.empty(capacity, np.float64),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.zeros(2, np.int64),
    )


@kernel(inline=True)
def size(h: Heap) -> int:
    """Events held."""
    return h.counts[0]


@kernel(inline=True)
def is_full(h: Heap) -> bool:
    """Whether a push needs `grown` first."""
    return h.counts[0] == h.time.shape[0]


@kernel(inline=True)
def first_time(h: Heap) -> float:
    """Time of the earliest event; infinity where there is none."""
    return h.time[0] if h.counts[0] > 0 else math.inf


@kernel(inline=True)
def first_item(h: Heap) -> int:
    """Item of the earliest event; -1 where there is none."""
    return h.item[0] if h.counts[0] > 0 else -1


@kernel
def clear(h: Heap) -> None:
    """Forget all events, and start counting pushes again."""
    h.counts[:] = 0


@kernel
def grown(h: Heap) -> Heap:
    """The same events with room for twice as many.

    A kernel writes `if is_full(h): h = grown(h)` before it pushes.
    """
    new = heap(2 * h.time.shape[0] + 1)
    n = h.counts[0]
    new.time[:n] = h.time[:n]
    new.order[:n] = h.order[:n]
    new.item[:n] = h.item[:n]
    new.counts[:] = h.counts
    return new


@kernel(inline=True)
def push(h: Heap, time: float, item: int) -> None:
    """Add an event to a heap that is not full.

    Args:
        h: The heap.
        time: When; not NaN.
        item: What.
    """
    order = h.counts[1]
    place = h.counts[0]
    h.counts[0] = place + 1
    h.counts[1] = order + 1
    while place > 0:
        above = (place - 1) >> 1
        if h.time[above] <= time:  # all that stand here were pushed before
            break
        h.time[place], h.order[place], h.item[place] = h.time[above], h.order[above], h.item[above]
        place = above
    h.time[place], h.order[place], h.item[place] = time, order, item


@kernel(inline=True)
def pop(h: Heap) -> int:
    """Take the earliest event out of a heap that is not empty; `first_time` before gives its time.

    Returns:
        Its item.
    """
    result = h.item[0]
    n = h.counts[0] - 1
    h.counts[0] = n
    time, order, item = h.time[n], h.order[n], h.item[n]
    place = 0
    below = 1
    while below < n:
        other = below + 1
        if other < n and (
            h.time[other] < h.time[below]
            or (h.time[other] == h.time[below] and h.order[other] < h.order[below])
        ):
            below = other
        if time < h.time[below] or (time == h.time[below] and order < h.order[below]):
            break
        h.time[place], h.order[place], h.item[place] = h.time[below], h.order[below], h.item[below]
        place = below
        below = 2 * place + 1
    h.time[place], h.order[place], h.item[place] = time, order, item
    return result
