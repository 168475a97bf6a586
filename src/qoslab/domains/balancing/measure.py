# mypy: disable-error-code="no-any-return"
"""Kernels that measure: response times, residual work on a time grid, segments of the run."""

from __future__ import annotations

import math

from qoslab.domains.balancing.state import (
    BATCHES,
    BOSSAER,
    BOUND_NUMBER,
    BOUND_TIME,
    BUSY_GRID,
    CLOSED,
    FINISHED,
    G_INDEX,
    GRID,
    IN_POOL,
    JAIN,
    PER_BATCH,
    ROWS,
    SAMPLES,
    SEGMENT,
    SERIES_ROWS,
    STRIDE,
    WORK,
    WORK_MOST,
    Ints,
    Jobs,
    Reals,
    Servers,
    Table,
    Tally,
)
from qoslab.domains.balancing.view import CAPACITY, DRAIN, LEFT, SINCE, Board
from qoslab.engine.histogram import bucket
from qoslab.engine.kernel import kernel

__all__ = ["begin_segment", "record", "sample", "settle"]

GENERAL = True
"""Whether servers' capacity may change."""
FULL = True
"""Whether distributions are measured beside means; a constant that kernels are specialised for."""


@kernel(inline=True)
def settle(board: Board, servers: Servers, j: int, now: float) -> None:
    """Bring a server's remaining work, work done and the integrals of its queue and capacity up to date."""
    truth = board.truth
    since = now - truth[SINCE, j]
    work = since * truth[DRAIN, j]
    truth[LEFT, j] -= work
    truth[SINCE, j] = now
    servers.served[j] += work
    servers.area[j] += since * board.queue[j]
    if GENERAL:
        takes_part = (servers.pool[j] == IN_POOL) | (board.queue[j] > 0)
        servers.available[j] += since * truth[CAPACITY, j] if takes_part else 0.0


@kernel
def record(tally: Tally, jobs: Jobs, clock: Reals, job: int, j: int, response: float) -> None:
    """Count a finished request, in the segment in which it arrived."""
    segment = jobs.segment[job]
    tally.events[segment, FINISHED] += 1
    tally.total[segment] += response
    if FULL:
        batch = int(jobs.number[job] * clock[PER_BATCH])
        batch = batch if batch < BATCHES else BATCHES - 1
        tally.batch_total[batch] += response
        tally.batch_count[batch] += 1
        tally.handled[segment, j] += 1
        slowdown = response / (jobs.size[job] + jobs.io[job])
        tally.slowdown[segment] += slowdown
        tally.response[segment, bucket(response)] += 1
        tally.slow[segment, bucket(slowdown)] += 1


@kernel
def begin_segment(board: Board, servers: Servers, tally: Tally, segment: int, now: float) -> None:
    """Note where every server stands at the border of two segments."""
    tally.begin[segment] = now
    for earlier in range(tally.events.shape[0]):
        tally.answered[segment] += tally.events[earlier, FINISHED]
    for j in range(board.queue.shape[0]):
        settle(board, servers, j, now)
        tally.served[segment, j] = servers.served[j]
        tally.available[segment, j] = board.truth[CAPACITY, j] * now
        if GENERAL:
            tally.available[segment, j] = servers.available[j]
        tally.area[segment, j] = servers.area[j]


@kernel
def next_segment(
    board: Board, servers: Servers, tally: Tally, bounds: Table, clock: Reals, counts: Ints, now: float
) -> None:
    """Begin the next segment and set the borders at which the one after it begins."""
    segment = counts[SEGMENT] + 1
    counts[SEGMENT] = segment
    begin_segment(board, servers, tally, segment, now)
    counts[BOUND_NUMBER] = int(bounds[0, segment])
    clock[BOUND_TIME] = bounds[1, segment]


@kernel
def sample(board: Board, servers: Servers, tally: Tally, counts: Ints, now: float) -> None:
    """Measure residual work at a point of the time grid: mean, largest, and the three indices of fairness.

    A server's residual work is the time it needs to finish what it holds, l_j. Jain: mean(l)^2 / mean(l^2);
    G: product of sin(pi l_j / (2 max l)); Bossaer: product of l_j / max l. Where all are idle no index is defined and
    the point does not count for them.
    """
    truth, work = board.truth, tally.work
    n = work.shape[0]
    total, squares, most = 0.0, 0.0, 0.0
    used = 0
    for j in range(n):
        left = truth[LEFT, j] - (now - truth[SINCE, j]) * truth[DRAIN, j]
        work[j] = -1.0
        if (servers.pool[j] == 0 and left <= 0.0) or truth[CAPACITY, j] <= 0.0:
            continue
        left = left / truth[CAPACITY, j] if left > 0.0 else 0.0
        work[j] = left
        used += 1
        total += left
        squares += left * left
        most = left if left > most else most
    segment = counts[SEGMENT]
    jain, g, bossaer = 1.0, 1.0, 1.0
    if squares > 0.0:
        jain = total * total / (squares * used)
        for j in range(n):
            if work[j] >= 0.0:
                share = work[j] / most
                bossaer *= share
                g *= math.sin(0.5 * math.pi * share)
        tally.fairness[segment, BUSY_GRID] += 1.0
        tally.fairness[segment, JAIN] += jain
        tally.fairness[segment, G_INDEX] += g
        tally.fairness[segment, BOSSAER] += bossaer
    mean = total / used if used > 0 else 0.0
    tally.fairness[segment, GRID] += 1.0
    tally.fairness[segment, WORK] += mean
    if most > tally.fairness[segment, WORK_MOST]:
        tally.fairness[segment, WORK_MOST] = most
    if tally.queues.shape[1] > 0:
        row = _new_row(tally, counts)
        if row >= 0:
            series = tally.series
            series[row, 0], series[row, 1], series[row, 2] = now, jain, g
            series[row, 3], series[row, 4], series[row, 5] = bossaer, mean, most
            for j in range(n):
                tally.queues[row, j] = board.queue[j]


@kernel
def _new_row(tally: Tally, counts: Ints) -> int:
    """Where this point of the grid is kept; -1 for nowhere.

    Every `stride`-th point is kept; when the table is full, every second row is dropped and the stride doubled.
    """
    number = counts[SAMPLES]
    counts[SAMPLES] = number + 1
    if number % counts[STRIDE] != 0:
        return -1
    if counts[ROWS] == SERIES_ROWS:
        for k in range(SERIES_ROWS // 2):
            for column in range(tally.series.shape[1]):
                tally.series[k, column] = tally.series[2 * k, column]
            for j in range(tally.queues.shape[1]):
                tally.queues[k, j] = tally.queues[2 * k, j]
        counts[ROWS] = SERIES_ROWS // 2
        counts[STRIDE] *= 2
        if number % counts[STRIDE] != 0:
            return -1
    counts[ROWS] += 1
    return counts[ROWS] - 1


@kernel
def close(board: Board, servers: Servers, tally: Tally, counts: Ints, now: float) -> None:
    """End the measured time: the last segment ends here, requests in the system may still finish."""
    counts[CLOSED] = 1
    for segment in range(counts[SEGMENT] + 1, tally.begin.shape[0]):
        begin_segment(board, servers, tally, segment, now)
