"""What log lines add up to: answers, busy time and request-seconds of each server, counted by compiled kernels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["Counts", "begin_unions", "count_answers", "counts_of", "hold"]

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_SEGMENTS = 64
_MEMORY = 50


class Counts(NamedTuple):
    """Counters of n servers, overwritten in place; each of shape (n,) unless said.

    Attributes:
        done: Answers, a quick refusal in part.
        busy_s: Length of the union of all intervals with an answer's request on the server, s.
        area_s: Sum of their lengths, s.
        answered: Good answers.
        failures: Failed ones.
        ended: When the last of them ended, s since 1970.
        low: Beginnings of the union's last intervals in order of time, s since 1970, shape (n, 65).
        high: Their ends.
        segments: How many there are of these.
        usual_s: Mean of good answers' times, of each server and last of all, s, shape (n + 1,).
        kept: How many answers these are the means of, shape (n + 1,).
        held_since: Since when requests are in flight, s since 1970; nan where none is.
        open_s: Provisional busy time of requests in flight, s.
        open_area_s: Provisional request-seconds of these, s.
        told: Answers, good and failed, at the last observation.
        active: Requests in flight then.
        given_up_s: What counts of requests that ended without a line, and whose line may still come, s.
        given_up_at: When that was last added to, s since 1970.
    """

    done: Reals
    busy_s: Reals
    area_s: Reals
    answered: Reals
    failures: Reals
    ended: Reals
    low: Table
    high: Table
    segments: Ints
    usual_s: Reals
    kept: Ints
    held_since: Reals
    open_s: Reals
    open_area_s: Reals
    told: Reals
    active: Reals
    given_up_s: Reals
    given_up_at: Reals


def counts_of(n: int) -> Counts:
    """The counters of n servers of which nothing is known."""
    zeros = {name: np.zeros(n) for name in Counts._fields}
    never = {name: np.full(n, -math.inf) for name in ("ended", "given_up_at")}
    unions = {"low": np.zeros((n, _SEGMENTS + 1)), "high": np.zeros((n, _SEGMENTS + 1))}
    means = {"usual_s": np.zeros(n + 1), "kept": np.zeros(n + 1, np.int64)}
    others = {"segments": np.zeros(n, np.int64), "held_since": np.full(n, math.nan)}
    return Counts(**zeros | never | unions | means | others)


def begin_unions(counts: Counts, since_s: float, wall_s: float) -> None:
    """Forget all intervals and what is in flight; the time from `since_s` until now counts as covered."""
    counts.low[:, 0], counts.high[:, 0], counts.segments[:] = since_s, wall_s, 1
    counts.held_since[:], counts.ended[:] = math.nan, wall_s
    for provisional in (counts.open_s, counts.open_area_s, counts.active, counts.given_up_s):
        provisional[:] = 0.0


@kernel
def count_answers(counts: Counts, lines: Table) -> None:
    """Take answers in, in the order of their lines.

    Args:
        counts: Overwritten.
        lines: Of each line the server's index, the request's end, s since 1970, its time on the server, s, and the
            status, shape (m, 4).
    """
    for i in range(lines.shape[0]):
        k, end, length, status = int(lines[i, 0]), lines[i, 1], lines[i, 2], lines[i, 3]
        counts.ended[k] = max(counts.ended[k], end)
        if not 100 <= status < 500 or status == 408 or status == 429:
            counts.failures[k] += 1.0
            length = max(length, counts.usual_s[counts.done.shape[0]])
            counts.area_s[k] += length
            counts.busy_s[k] += length
        else:
            counts.answered[k] += 1.0
            counts.area_s[k] += length - _counted_already(counts, k, end - length, length)
            counts.busy_s[k] += _cover(counts, k, end - length, end)
            counts.done[k] += _work(counts, k, length, status)


@kernel
def _work(counts: Counts, k: int, length: float, status: float) -> float:
    """What an answer is of a completion; a good one is learnt from."""
    n = counts.done.shape[0]
    if status < 400:
        _learn(counts, k, length)
        _learn(counts, n, length)
        return 1.0
    usual_s = float(counts.usual_s[k if counts.kept[k] > 0 else n])
    return 1.0 if length >= usual_s else length / usual_s


@kernel
def _learn(counts: Counts, k: int, length: float) -> None:
    """Take a good answer's time into a mean: of all answers at first, later with a memory of some fifty."""
    if counts.kept[k] < _MEMORY:
        counts.kept[k] += 1
    counts.usual_s[k] += (length - counts.usual_s[k]) / counts.kept[k]


@kernel
def _counted_already(counts: Counts, k: int, start: float, length: float) -> float:
    """What counts already of a request that a server seemed to have given up, s: its line came late."""
    given_up_s = counts.given_up_s[k]
    counted = min(given_up_s, length) if start < counts.given_up_at[k] else 0.0
    counts.given_up_s[k] = given_up_s - counted if counted > 0.0 else 0.0
    return counted


@kernel
def _cover(counts: Counts, k: int, start: float, end: float) -> float:
    """Add an interval to a server's union; by how much its length grows, s."""
    low, high, count, known = counts.low[k], counts.high[k], counts.segments[k], 0.0
    # Lines come nearly in the order of their ends, so what overlaps stands at the end.
    first = later = count
    while first > 0 and high[first - 1] >= start:
        first -= 1
        if low[first] > end:
            later = first
        else:
            known += high[first] - low[first]
            start, end = min(start, low[first]), max(end, high[first])
    _move(low, later, count, first + 1)
    _move(high, later, count, first + 1)
    low[first], high[first] = start, end
    count += first + 1 - later
    if count > _SEGMENTS:
        _move(low, 1, count, 0)
        _move(high, 1, count, 0)
        count -= 1
    counts.segments[k] = count
    return end - start - known


@kernel
def _move(row: Reals, begin: int, end: int, to: int) -> None:
    """Move the places from `begin` up to `end` so that they begin at `to`."""
    if to < begin:
        for i in range(begin, end):
            row[to + i - begin] = row[i]
    elif to > begin:
        for i in range(end - 1, begin - 1, -1):
            row[to + i - begin] = row[i]


@kernel
def hold(counts: Counts, active: Reals, wall_s: float, before_s: float, passed_s: float) -> None:
    """Count requests still in flight since the last line of their server; the line of each will tell its own time.

    Args:
        counts: Overwritten.
        active: Requests in flight, shape (n,).
        wall_s: Now, s since 1970.
        before_s: The same at the observation before.
        passed_s: Time since then, s, on a clock that does not go back; 0 at the first.
    """
    for k in range(active.shape[0]):
        answers = counts.answered[k] + counts.failures[k]
        silent, open_s, open_area_s = answers == counts.told[k], 0.0, 0.0
        if active[k] > 0.0:
            if math.isnan(counts.held_since[k]):
                counts.held_since[k] = wall_s
            open_s = max(wall_s - max(counts.held_since[k], counts.ended[k]), 0.0)
            # A request that came late in a long silence was not in flight for all of it.
            longer_s = min(counts.active[k], active[k]) * passed_s
            open_area_s = counts.open_area_s[k] + longer_s if silent else open_s * active[k]
        else:
            counts.held_since[k] = math.nan
            if silent and counts.open_area_s[k] > 0.0:
                _give_up(counts, k, before_s)
        counts.open_s[k], counts.open_area_s[k] = open_s, open_area_s
        counts.told[k], counts.active[k] = answers, active[k]


@kernel
def _give_up(counts: Counts, k: int, before_s: float) -> None:
    """Keep the time of what a server held and gave up without a line, as where it was sent on to another one.

    A line that comes late, as where the client is slow to read, adds what it takes longer.
    """
    counts.busy_s[k] += _cover(counts, k, before_s - counts.open_s[k], before_s)
    counts.area_s[k] += counts.open_area_s[k]
    counts.given_up_s[k] += counts.open_area_s[k]
    counts.given_up_at[k] = before_s
