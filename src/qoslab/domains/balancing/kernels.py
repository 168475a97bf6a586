# mypy: disable-error-code="no-any-return"
"""The event loop. Constants specialise it: `GENERAL`, `PROBING` (in `requests`) and `FULL` (in `measure`)."""

from __future__ import annotations

import math
from collections.abc import Callable

from qoslab.domains.balancing.books import index_of, item, kind_of
from qoslab.domains.balancing.faults import break_down, change, mend, notice, wander
from qoslab.domains.balancing.fifo import leave
from qoslab.domains.balancing.hooks import TICK as ON_TICK
from qoslab.domains.balancing.measure import close, sample
from qoslab.domains.balancing.probes import answer, deliver, report
from qoslab.domains.balancing.requests import (
    arrive,
    come,
    dispatch,
    finish,
    give_up,
    hedge,
    learn,
    reach_server,
    think,
    think_over,
)
from qoslab.domains.balancing.state import (
    ANSWER,
    AT_BALANCER,
    AT_SERVER,
    BREAK,
    CHANGE,
    CLIENTS,
    CLOSED,
    COPY,
    CURSOR,
    DECIDER,
    DONE,
    DOWN,
    DRAIN_END,
    DRIFT,
    EVENTS,
    FILLED,
    GIVE_UP,
    GROW,
    HORIZON,
    KICK,
    LAST,
    LEARN,
    LIVE,
    MARGIN,
    MEAN_UP,
    MEND,
    MOVING,
    NOTICE,
    NOW,
    PAUSE,
    PAUSES,
    PROBED,
    REFILL,
    REPORT,
    REPORT_STEP,
    RETRY,
    ROOM,
    SAMPLE,
    SAMPLE_STEP,
    SPARE,
    STARTED,
    STRANDED,
    THINK,
    THINKING,
    TICK,
    TICK_STEP,
    UNTIL,
    WANTS,
    World,
)
from qoslab.domains.balancing.stations import drop, end_of_stage
from qoslab.engine.heap import first_time as first_event
from qoslab.engine.heap import holds, pop, push, size
from qoslab.engine.kernel import kernel
from qoslab.engine.timers import first, first_time

__all__ = ["advance"]

GENERAL = True
"""Whether the kernel knows everything but FIFO at constant speed without delays, timeouts or changes."""
PROBING = True
"""Whether servers can be asked."""

LEADS_NOWHERE = sum(1 << kind for kind in (SAMPLE, TICK, REPORT, DRIFT, ANSWER, PROBED, LEARN, NOTICE))
"""Kinds of events, as bits, that bring no request further."""


@kernel
def tick(w: World, decide: Callable[..., int], lb: int, now: float) -> None:
    """A balancer's periodic work."""
    push(w.heap, now + w.clock[TICK_STEP], item(TICK, lb))
    if w.counts[WANTS] & (1 << ON_TICK):
        decide(w.board, lb, w.streams.policy[lb], ON_TICK, 0, 0.0, now)


@kernel
def server_reports(w: World, decide: Callable[..., int], j: int, now: float) -> None:
    """A server's periodic report to all balancers."""
    push(w.heap, now + w.clock[REPORT_STEP], item(REPORT, j))
    for lb in range(w.board.counts.shape[0]):
        report(w, decide, lb, j, now)


@kernel
def lose_one(w: World, decide: Callable[..., int], j: int, now: float) -> None:
    """A server that lost all it held gives up one request, at once, and the next in the next event."""
    job = drop(w, j, now)
    if job >= 0:
        push(w.heap, now, item(KICK, j))
        w.jobs.state[job] = MOVING
        reach_server(w, decide, job, now)


@kernel
def happen(w: World, decide: Callable[..., int], code: int, now: float) -> None:
    """An event of the general model."""
    kind, index = kind_of(code), index_of(code)
    if kind == AT_BALANCER:
        dispatch(w, decide, index, now)
    elif kind == AT_SERVER:
        reach_server(w, decide, index, now)
    elif kind == LEARN:
        learn(w, decide, index, now)
    elif kind == THINK:
        think_over(w, decide, index, now)
    elif kind == RETRY:
        come(w, decide, index, now)
    elif kind == GIVE_UP:
        give_up(w, decide, index, now)
    elif kind == COPY:
        hedge(w, decide, index, now)
    elif kind == CHANGE:
        change(w, index, now)
    elif kind == BREAK:
        break_down(w, index, now)
    elif kind == MEND:
        mend(w, index, now)
    elif kind == NOTICE:
        notice(w, index)
    elif kind == DRIFT:
        wander(w, now)
    elif kind == KICK:
        lose_one(w, decide, index, now)


@kernel
def stranded(w: World) -> bool:
    """Whether every client of a closed loop waits for a server that has failed and that nothing will repair.

    The caller has seen that no server is at work. Then only an event about a request or a server can lead on; the time
    grid, periodic work, wandering speeds and news of what is over cannot. A run with a horizon ends by itself.
    """
    clock, counts, heap = w.clock, w.counts, w.heap
    repaired = clock[MEAN_UP] > 0.0 and clock[MEAN_UP] < math.inf
    if counts[DOWN] == 0 or repaired or counts[THINKING] > 0 or clock[HORIZON] < math.inf:
        return False
    for slot in range(heap.item.shape[0]):
        if holds(heap, slot) and LEADS_NOWHERE & (1 << kind_of(heap.item[slot])) == 0:
            return False
    return True


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
    closed_loop = False
    if GENERAL:
        closed_loop = counts[CLIENTS] > 0
    while True:
        if counts[SPARE] < counts[MARGIN] or size(w.heap) + counts[MARGIN] > w.heap.item.shape[0]:
            return GROW
        left = counts[FILLED] - counts[CURSOR]
        arrival = math.inf
        if closed_loop and left < ROOM and counts[LAST] == 0:
            return REFILL
        if left > 0 and not closed_loop:
            arrival = batch.time[counts[CURSOR]]
        elif counts[LAST] == 0 and not closed_loop:
            return REFILL
        elif counts[CLOSED] == 0:
            arrival = clock[HORIZON]
        elif counts[LIVE] == 0:
            return DONE
        else:
            arrival = clock[DRAIN_END]
        if GENERAL and closed_loop and counts[STARTED] < counts[CLIENTS]:
            counts[STARTED] += 1
            think(w, 0.0)
            continue
        departure = first_time(w.timers)
        if GENERAL and closed_loop and departure == math.inf and stranded(w):
            counts[STRANDED] = counts[LIVE]
            clock[HORIZON] = clock[NOW]
            clock[DRAIN_END] = clock[NOW]
            continue
        event = first_event(w.heap)
        now = departure if departure <= event else event
        now = now if now <= arrival else arrival
        if now > until:
            clock[NOW] = until
            return UNTIL
        clock[NOW] = now
        counts[EVENTS] += 1
        if now == departure:
            job = 0
            if GENERAL:  # noqa: SIM108 - the compiler prunes statements
                job = end_of_stage(w, first(w.timers), now)
            else:
                job = leave(w, first(w.timers), now)
            if job >= 0:
                finish(w, decide, job, now)
        elif now == event:
            code = pop(w.heap)
            kind, index = kind_of(code), index_of(code)
            if kind == SAMPLE:
                if counts[CLOSED] == 0:
                    sample(w.board, w.servers, w.tally, counts, now)
                    push(w.heap, now + clock[SAMPLE_STEP], SAMPLE)
            elif kind == TICK:
                tick(w, decide, index, now)
                if counts[PAUSES] == 1:
                    counts[DECIDER] = index
                    return PAUSE
            elif PROBING and kind == ANSWER:
                deliver(w, decide, index, now)
            elif PROBING and kind == PROBED:
                answer(w, index, now)
            elif PROBING and kind == REPORT:
                server_reports(w, decide, index, now)
            elif GENERAL:
                happen(w, decide, code, now)
            elif kind == RETRY:
                dispatch(w, decide, index, now)
        elif left > 0 and not closed_loop:
            if GENERAL:
                come(w, decide, arrive(w, now), now)
            else:
                dispatch(w, decide, arrive(w, now), now)
        elif counts[CLOSED] == 1:
            return DONE
        else:
            close(w.board, w.servers, w.tally, counts, now)
