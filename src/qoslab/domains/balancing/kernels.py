"""The event loop: arrivals, service, completions, ticks. Constants specialise it: see `GENERAL` and `measure.FULL`."""

from __future__ import annotations

import math
from collections.abc import Callable

from qoslab.domains.balancing.hooks import COMPLETE, ROUTE, TICK
from qoslab.domains.balancing.measure import close, next_segment, record, sample, settle
from qoslab.domains.balancing.state import (
    ARRIVED,
    ATTEMPTS,
    BOUND_NUMBER,
    BOUND_TIME,
    CLOSED,
    CURSOR,
    DECIDER,
    DONE,
    DRAIN_END,
    EVENTS,
    FILLED,
    FREE,
    GROW,
    HORIZON,
    LAST,
    LIVE,
    LOST,
    MARGIN,
    NOW,
    OFFERED,
    PAUSE,
    PAUSES,
    REDIRECTED,
    REFILL,
    REJECTED,
    RETRIED,
    RETRY,
    RETRY_DELAY,
    SAMPLE,
    SAMPLE_STEP,
    SEGMENT,
    SPARE,
    TICK_STEP,
    UNTIL,
    WANTS,
    Ints,
    Jobs,
    Reals,
    Servers,
    World,
)
from qoslab.domains.balancing.state import TICK as TICK_EVENT
from qoslab.domains.balancing.view import (
    ACTIVE,
    AREA,
    BUSY,
    DRAIN,
    FLOW,
    LEFT,
    NUMBER,
    OPENED,
    SENT,
    TOUCHED,
    UP,
    Board,
)
from qoslab.domains.balancing.view import DONE as ANSWERED
from qoslab.engine.heap import first_time as first_event
from qoslab.engine.heap import pop, push
from qoslab.engine.hooks import check_index
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers
from qoslab.engine.timers import first, first_time, set_timer, stop_timer

__all__ = ["advance"]

GENERAL = True
"""Whether the kernel knows everything but FIFO at constant speed without delays, timeouts or changes."""


@kernel(inline=True)
def take(jobs: Jobs, counts: Ints) -> int:
    """A free slot; there is one."""
    job = counts[FREE]
    counts[FREE] = jobs.next[job]
    counts[SPARE] -= 1
    return job


@kernel(inline=True)
def release(jobs: Jobs, counts: Ints, job: int) -> None:
    """Give a slot back."""
    jobs.generation[job] += 1
    jobs.next[job] = counts[FREE]
    counts[FREE] = job
    counts[SPARE] += 1


@kernel(inline=True)
def touch(board: Board, lb: int, j: int, now: float) -> None:
    """Bring a balancer's own measurements of a server up to date."""
    local = board.local
    since = now - local[lb, TOUCHED, j]
    active = board.counts[lb, ACTIVE, j]
    local[lb, TOUCHED, j] = now
    local[lb, AREA, j] += since * active
    if active > 0:
        local[lb, BUSY, j] += since


@kernel(inline=True)
def note_sent(board: Board, lb: int, j: int, now: float) -> None:
    """A balancer counts a request that it sends."""
    touch(board, lb, j, now)
    board.counts[lb, ACTIVE, j] += 1
    board.counts[lb, SENT, j] += 1
    board.local[lb, OPENED, j] += now


@kernel(inline=True)
def note_end(board: Board, lb: int, j: int, sent: float, now: float) -> None:
    """A balancer counts the end of a request, answered or not."""
    touch(board, lb, j, now)
    board.counts[lb, ACTIVE, j] -= 1
    board.local[lb, OPENED, j] -= sent
    if board.counts[lb, ACTIVE, j] == 0:
        board.local[lb, OPENED, j] = 0.0  # no rounding is carried over


@kernel
def redirected(board: Board, lb: int, stream: Stream) -> int:
    """A server drawn uniformly from those that are up; from all, where none is."""
    n = board.queue.shape[0]
    up = 0
    for j in range(n):
        up += board.counts[lb, UP, j]
    if up == 0:
        return integers(stream, n)
    rank = integers(stream, up)
    for j in range(n):
        rank -= board.counts[lb, UP, j]
        if rank < 0:
            return j
    return n - 1


@kernel(inline=True)
def start(w: World, job: int, core: int, j: int, now: float) -> None:
    """Let a core work on a request."""
    w.servers.core[core] = job
    set_timer(w.timers, core, now + w.jobs.size[job] / w.servers.speed[j])


@kernel(inline=True)
def enter(w: World, job: int, j: int, now: float) -> None:
    """A request enters a server that has room."""
    board, servers, jobs = w.board, w.servers, w.jobs
    settle(board, servers, j, now)
    board.queue[j] += 1
    board.truth[LEFT, j] += jobs.size[job]
    idle = servers.idle[j]
    if idle > 0:
        servers.idle[j] = idle - 1
        board.truth[DRAIN, j] += servers.speed[j]
        start(w, job, servers.spare[servers.first[j] + idle - 1], j, now)
        return
    jobs.next[job] = -1
    if servers.head[j] < 0:
        servers.head[j] = job
    else:
        jobs.next[servers.tail[j]] = job
    servers.tail[j] = job


@kernel(inline=True)
def leave(w: World, core: int, now: float) -> int:
    """The request that a core has finished leaves its server; the core takes the next one."""
    board, servers, jobs = w.board, w.servers, w.jobs
    job, j = servers.core[core], servers.owner[core]
    settle(board, servers, j, now)
    board.queue[j] -= 1
    waiting = servers.head[j]
    if waiting >= 0:
        servers.head[j] = jobs.next[waiting]
        start(w, waiting, core, j, now)
        return job
    stop_timer(w.timers, core)
    servers.spare[servers.first[j] + servers.idle[j]] = core
    servers.idle[j] += 1
    if servers.idle[j] == servers.cores[j]:
        board.truth[DRAIN, j] = 0.0
        board.truth[LEFT, j] = 0.0
    else:
        board.truth[DRAIN, j] -= servers.speed[j]
    return job


@kernel(inline=True)
def dispatch(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A balancer routes a request, and the server takes or rejects it."""
    board, jobs, servers = w.board, w.jobs, w.servers
    lb = jobs.balancer[job]
    board.request[FLOW] = jobs.flow[job]
    board.request[NUMBER] = jobs.number[job]
    board.size[0] = jobs.size[job]
    j = 0
    n = board.queue.shape[0]
    if n > 1:
        j = check_index(decide(board, lb, w.streams.policy[lb], ROUTE, 0, 0.0, now), n)
    if board.counts[lb, UP, j] == 0:
        j = redirected(board, lb, w.streams.redirect)
        w.tally.events[jobs.segment[job], REDIRECTED] += 1
    jobs.server[job] = j
    jobs.sent[job] = now
    note_sent(board, lb, j, now)
    if board.queue[j] >= servers.limit[j]:
        refuse(w, decide, job, j, now)
    else:
        enter(w, job, j, now)


@kernel(inline=True)
def refuse(w: World, decide: Callable[..., int], job: int, j: int, now: float) -> None:
    """A server rejects a request; its client sends it again later or gives up."""
    jobs = w.jobs
    w.tally.events[jobs.segment[job], REJECTED] += 1
    note_end(w.board, jobs.balancer[job], j, jobs.sent[job], now)
    jobs.attempt[job] += 1
    if jobs.attempt[job] < w.counts[ATTEMPTS]:
        w.tally.events[jobs.segment[job], RETRIED] += 1
        push(w.heap, now + w.clock[RETRY_DELAY], RETRY + 16 * job)
    else:
        w.tally.events[jobs.segment[job], LOST] += 1
        w.counts[LIVE] -= 1
        release(jobs, w.counts, job)


@kernel(inline=True)
def arrive(w: World, now: float) -> int:
    """The next request of the batch comes into being."""
    jobs, counts, batch = w.jobs, w.counts, w.batch
    k = counts[CURSOR]
    counts[CURSOR] = k + 1
    number = counts[ARRIVED]
    while number >= counts[BOUND_NUMBER] or now >= w.clock[BOUND_TIME]:
        next_segment(w.board, w.servers, w.tally, w.bounds, w.clock, counts, now)
    counts[ARRIVED] = number + 1
    counts[LIVE] += 1
    job = take(jobs, counts)
    jobs.born[job] = now
    jobs.size[job] = batch.size[k]
    jobs.io[job] = batch.io[k]
    jobs.balancer[job] = batch.balancer[k]
    jobs.flow[job] = batch.flow[k]
    jobs.number[job] = number
    jobs.segment[job] = counts[SEGMENT]
    jobs.attempt[job] = 0
    w.tally.events[counts[SEGMENT], OFFERED] += 1
    return job


@kernel(inline=True)
def finish(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """The client has its answer, and the balancer knows."""
    jobs, board = w.jobs, w.board
    j, lb, sent = jobs.server[job], jobs.balancer[job], jobs.sent[job]
    record(w.tally, jobs, w.clock, job, j, now - jobs.born[job])
    note_end(board, lb, j, sent, now)
    board.counts[lb, ANSWERED, j] += 1
    if w.counts[WANTS] & (1 << COMPLETE):
        decide(board, lb, w.streams.policy[lb], COMPLETE, j, now - sent, now)
    w.counts[LIVE] -= 1
    release(jobs, w.counts, job)


@kernel
def advance(w: World, decide: Callable[..., int], until: float) -> int:
    """Go on with a run.

    Args:
        w: The world.
        decide: The policy.
        until: When to stop, s.

    Returns:
        `DONE`; `UNTIL` when `until` is reached; `REFILL` when the batch is used up; `GROW` when slots or events run
        short; `PAUSE` at a tick of balancer `counts[DECIDER]` that waits for a decision.
    """
    clock, counts, batch = w.clock, w.counts, w.batch
    while True:
        if counts[SPARE] < counts[MARGIN] or w.heap.counts[0] + counts[MARGIN] > w.heap.time.shape[0]:
            return GROW
        arrival = math.inf
        if counts[CURSOR] < counts[FILLED]:
            arrival = batch.time[counts[CURSOR]]
        elif counts[LAST] == 0:
            return REFILL
        elif counts[CLOSED] == 0:
            arrival = clock[HORIZON]
        elif counts[LIVE] == 0:
            return DONE
        else:
            arrival = clock[DRAIN_END]
        departure = first_time(w.timers)
        event = first_event(w.heap)
        now = departure if departure <= event else event
        now = now if now <= arrival else arrival
        if now > until:
            clock[NOW] = until
            return UNTIL
        clock[NOW] = now
        counts[EVENTS] += 1
        if now == departure:
            finish(w, decide, leave(w, first(w.timers), now), now)
        elif now == event:
            item = pop(w.heap)
            kind = item & 15
            index = (item >> 4) & 0xFFFFFFFF
            if kind == SAMPLE:
                if counts[CLOSED] == 0:
                    sample(w.board, w.servers, w.tally, counts, now)
                    push(w.heap, now + clock[SAMPLE_STEP], SAMPLE)
            elif kind == TICK_EVENT:
                push(w.heap, now + clock[TICK_STEP], item)
                if counts[WANTS] & (1 << TICK):
                    decide(w.board, index, w.streams.policy[index], TICK, 0, 0.0, now)
                if counts[PAUSES] == 1:
                    counts[DECIDER] = index
                    return PAUSE
            elif kind == RETRY:
                dispatch(w, decide, index, now)
        elif counts[CURSOR] < counts[FILLED]:
            dispatch(w, decide, arrive(w, now), now)
        elif counts[CLOSED] == 1:
            return DONE
        else:
            close(w.board, w.servers, w.tally, counts, now)
