# mypy: disable-error-code="no-any-return"
"""Reservoirs of what a balancer measures of its own requests, and the five statistics that a learner gets of each.

After Yao, Ding and Clausen, Reinforced Workload Distribution Fairness (ML for Systems at NeurIPS 2021): a new sample
overwrites one of the slots, drawn uniformly, so that ages of samples are exponentially distributed. Unlike in the
authors' released code, slots that were never filled do not count.

Durations so far of open requests are sampled at own arrivals, before the request is routed: one server is drawn, all
alike, and one of its requests. So of n servers each gets a sample in n arrivals on average, and none while it has no
request. A sample stays when its request has ended. Of each server 32 open requests are tracked: one that is sent while
so many are tracked is never sampled, so that with more in flight durations come out too long. With one server no
request is routed, and none of these samples, nor of the times between arrivals, is taken.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.choosing import least_per_weight
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = ["BOX_SIZE", "MEM_ROWS", "SLOTS", "STATISTICS", "on_complete", "route", "summary"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

SLOTS = 32
"""Samples in a reservoir."""
STATISTICS = ("mean", "std", "p90", "discounted_mean", "decayed_mean")
"""Of samples v with ages a: mean, standard deviation, 90th percentile; sum v b^a / sum b^a; mean of v b^a."""

# Rows of `mem`: values and times of completion times; the same of durations so far; when open requests were sent.
SCORE = 0
FINISHED = 1
OPEN = FINISHED + 2 * SLOTS
SENT = OPEN + 2 * SLOTS
FINISHED_COUNT = SENT + SLOTS
OPEN_COUNT = FINISHED_COUNT + 1
TRACKED = OPEN_COUNT + 1
EARNED = TRACKED + 1
MEM_ROWS = EARNED + 2

# Entries of `box`: values and times of inter-arrival times, how many there are, and when the last request came.
GAPS = 0
GAP_COUNT = 2 * SLOTS
LAST = GAP_COUNT + 1
BOX_SIZE = LAST + 1


@kernel(inline=True)
def _slot(count: float, stream: Stream) -> int:
    """Where a new sample goes."""
    return int(count) if count < SLOTS else integers(stream, SLOTS)


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:
    """Shortest expected delay with the weights in force; samples the gap before and at most one open request."""
    mem, box = view.mem, view.box
    if box[LAST] >= 0.0:
        k = _slot(box[GAP_COUNT], stream)
        box[GAPS + k], box[GAPS + SLOTS + k] = now - box[LAST], now
        box[GAP_COUNT] += 1.0 if box[GAP_COUNT] < SLOTS else 0.0
    box[LAST] = now
    _sample_open(view, stream, now)
    server = least_per_weight(view.active, 1.0, view.weight, view.up, mem[SCORE], stream)
    if mem[TRACKED, server] < SLOTS:
        mem[SENT + int(mem[TRACKED, server]), server] = now
        mem[TRACKED, server] += 1.0
    return server


@kernel
def _sample_open(view: LocalView, stream: Stream, now: float) -> None:
    """The duration so far of one tracked request of one server, both drawn uniformly; none where it has none."""
    mem = view.mem
    j = integers(stream, view.up.shape[0])
    if view.active[j] == 0:
        mem[TRACKED, j] = 0.0
    if (
        mem[TRACKED, j] > view.active[j]
    ):  # a request went elsewhere than it was routed, or was lost: the oldest goes
        for k in range(1, int(mem[TRACKED, j])):
            mem[SENT + k - 1, j] = mem[SENT + k, j]
        mem[TRACKED, j] -= 1.0
    tracked = int(mem[TRACKED, j])
    if tracked > 0:
        age = now - mem[SENT + integers(stream, tracked), j]
        k = _slot(mem[OPEN_COUNT, j], stream)
        mem[OPEN + k, j], mem[OPEN + SLOTS + k, j] = age, now
        mem[OPEN_COUNT, j] += 1.0 if mem[OPEN_COUNT, j] < SLOTS else 0.0


@kernel
def on_complete(view: LocalView, stream: Stream, server: int, duration: float, now: float) -> None:
    """The completion time is sampled; the request is no longer open."""
    mem = view.mem
    k = _slot(mem[FINISHED_COUNT, server], stream)
    mem[FINISHED + k, server], mem[FINISHED + SLOTS + k, server] = duration, now
    mem[FINISHED_COUNT, server] += 1.0 if mem[FINISHED_COUNT, server] < SLOTS else 0.0
    mem[EARNED, server] += 1.0
    mem[EARNED + 1, server] += duration
    tracked = int(mem[TRACKED, server])
    sent, nearest, found = now - duration, math.inf, -1
    for i in range(tracked):
        apart = abs(mem[SENT + i, server] - sent)
        if apart < nearest:
            nearest, found = apart, i
    if found >= 0 and nearest <= 1e-9 * (1.0 + now):
        for i in range(found + 1, tracked):
            mem[SENT + i - 1, server] = mem[SENT + i, server]
        mem[TRACKED, server] -= 1.0


@kernel
def summary(
    values: Reals, times: Reals, count: int, now: float, base: float, room: Reals, out: Reals
) -> None:
    """The five statistics of a reservoir, all 0 while it is empty.

    Args:
        values: Shape (SLOTS,), the first `count` are filled.
        times: When each was taken, s.
        count: How many there are.
        now: The present time, s.
        base: b, the factor by which a sample's weight falls in a second.
        room: Overwritten, shape (SLOTS,).
        out: Overwritten, shape (5,), in the order of `STATISTICS`.
    """
    for k in range(out.shape[0]):
        out[k] = 0.0
    if count == 0:
        return
    total, weighted, weights = 0.0, 0.0, 0.0
    log_base = math.log(base)
    for k in range(count):
        fresh = math.exp(log_base * (now - times[k]))
        total += values[k]
        weighted += values[k] * fresh
        weights += fresh
    mean = total / count
    spread = 0.0
    for k in range(count):
        spread += (values[k] - mean) * (values[k] - mean)
        i = k
        while i > 0 and room[i - 1] > values[k]:
            room[i] = room[i - 1]
            i -= 1
        room[i] = values[k]
    place = 0.9 * (count - 1)
    low = int(place)
    high = low + 1 if low + 1 < count else low
    out[0] = mean
    out[1] = math.sqrt(spread / count)
    out[2] = room[low] + (place - low) * (room[high] - room[low])
    out[3] = weighted / weights if weights > 0.0 else mean  # all samples are older than the numbers reach
    out[4] = weighted / count
