# mypy: disable-error-code="no-any-return"
"""The life of a request: it arrives, is routed, served or rejected, answered or given up."""

from __future__ import annotations

from collections.abc import Callable

from qoslab.domains.balancing.books import item, note_end, note_sent, redirected, release, take
from qoslab.domains.balancing.faults import takes_requests
from qoslab.domains.balancing.fifo import enter
from qoslab.domains.balancing.hooks import COMPLETE, LOSS, REPLY, ROUTE
from qoslab.domains.balancing.measure import next_segment, record
from qoslab.domains.balancing.probes import (
    ask,
    note_service,
    read_note,
    tell_busy,
    tell_idle,
    write_note,
)
from qoslab.domains.balancing.state import (
    ARRIVED,
    ASK_IDLE,
    ASK_PIGGYBACK,
    ASKS,
    AT_BALANCER,
    AT_SERVER,
    ATTEMPTS,
    BOUND_NUMBER,
    BOUND_TIME,
    CLIENTS,
    CLOSED,
    COPY,
    CURSOR,
    DRAIN_END,
    ENDED,
    FILLED,
    FLAG_CANCEL,
    FLAGS,
    GIVE_UP,
    HEDGE,
    HEDGED,
    HOP_HIGH,
    HOP_LOW,
    HORIZON,
    LAST,
    LEARN,
    LIVE,
    LOST,
    MOVING,
    NODE_HIGH,
    NODE_LOW,
    OFFERED,
    PROBES,
    REDIRECTED,
    REJECTED,
    RETRIED,
    RETRY,
    RETRY_DELAY,
    SEGMENT,
    SERVING,
    THINK,
    THINKING,
    TIMED_OUT,
    TIMEOUT,
    UNTRACKED,
    WAITING,
    WANTS,
    World,
)
from qoslab.domains.balancing.stations import admit, take_out
from qoslab.domains.balancing.view import DONE, FLOW, NUMBER, UP
from qoslab.engine.heap import cancel, push
from qoslab.engine.hooks import check_index
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import exponential, uniform

__all__ = [
    "arrive",
    "come",
    "dispatch",
    "finish",
    "give_up",
    "hedge",
    "learn",
    "reach_server",
    "think",
    "think_over",
]

GENERAL = True
"""Whether the kernel knows everything but FIFO at constant speed without delays, timeouts or changes."""
PROBING = True
"""Whether servers can be asked."""
_NOT_TRACKED = -2


@kernel
def delay(w: World, hops: int) -> float:
    """A time on the network, 0 where there is none."""
    clock, stream = w.clock, w.streams.network
    time = 0.0
    if clock[HOP_HIGH] > 0.0:
        for _ in range(hops):
            time += clock[HOP_LOW] + (clock[HOP_HIGH] - clock[HOP_LOW]) * uniform(stream)
            if clock[NODE_HIGH] > 0.0:
                time += clock[NODE_LOW] + (clock[NODE_HIGH] - clock[NODE_LOW]) * uniform(stream)
    return time


@kernel
def _draw_ahead(w: World) -> int:
    """A slot with the next request of the batch."""
    jobs, counts, batch = w.jobs, w.counts, w.batch
    k = counts[CURSOR]
    counts[CURSOR] = k + 1
    job = take(jobs, counts)
    jobs.size[job] = batch.size[k]
    jobs.balancer[job] = batch.balancer[k]
    jobs.flow[job] = batch.flow[k]
    jobs.attempt[job] = 0
    jobs.io[job] = batch.io[k]
    if GENERAL:
        jobs.server[job] = -1
        jobs.alone[job] = 0
        jobs.twin[job] = -1
        jobs.bucket[job] = -1
        jobs.patience[job] = -1
        jobs.second[job] = -1
        jobs.state[job] = MOVING
        if w.stations.split.shape[1] > 0:
            _split(w, job)
    return job


@kernel
def _split(w: World, job: int) -> None:
    """Split core work and input/output over the stages, uniformly over all ways to do it."""
    split = w.stations.split
    for first in range(2):
        total = 0.0
        count = split.shape[1] // 2 - first
        for k in range(count):
            part = exponential(w.streams.stages)
            split[job, 2 * k + first] = part
            total += part
        for k in range(count):
            split[job, 2 * k + first] /= total


@kernel
def _begin(w: World, job: int, now: float) -> None:
    """A request comes into being."""
    jobs, counts = w.jobs, w.counts
    number = counts[ARRIVED]
    while number >= counts[BOUND_NUMBER] or now >= w.clock[BOUND_TIME]:
        next_segment(w.board, w.servers, w.tally, w.bounds, w.clock, counts, now)
    counts[ARRIVED] = number + 1
    counts[LIVE] += 1
    jobs.born[job] = now
    jobs.number[job] = number
    jobs.segment[job] = counts[SEGMENT]
    w.tally.events[counts[SEGMENT], OFFERED] += 1


@kernel
def arrive(w: World, now: float) -> int:
    """The next request of the batch arrives."""
    job = _draw_ahead(w)
    _begin(w, job, now)
    return job


@kernel
def think(w: World, now: float) -> None:
    """A closed-loop client thinks about its next request, if there is one left."""
    counts = w.counts
    if counts[CURSOR] < counts[FILLED]:
        time = w.batch.time[counts[CURSOR]]
        push(w.heap, now + time, item(THINK, _draw_ahead(w)))
        counts[THINKING] += 1


@kernel
def think_over(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A closed-loop client sends its request; after the last one the measured time ends."""
    counts, clock = w.counts, w.clock
    counts[THINKING] -= 1
    if counts[CLOSED] == 1:
        release(w.jobs, counts, job)
        return
    _begin(w, job, now)
    if (
        counts[LAST] == 1
        and counts[CURSOR] == counts[FILLED]
        and counts[THINKING] == 0
        and clock[HORIZON] > now
    ):
        clock[HORIZON] = now
        clock[DRAIN_END] = clock[DRAIN_END] * now  # it held how many times the horizon
    come(w, decide, job, now)


@kernel
def come(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A client sends a request, for the first time or again."""
    w.jobs.state[job] = MOVING
    if w.clock[TIMEOUT] > 0.0:
        w.jobs.patience[job] = push(w.heap, now + w.clock[TIMEOUT], item(GIVE_UP, job))
    time = delay(w, 2)
    if time > 0.0:
        push(w.heap, now + time, item(AT_BALANCER, job))
    else:
        dispatch(w, decide, job, now)


@kernel
def _track(w: World, job: int, lb: int) -> bool:
    """Give a request an entry in its balancer's flow table; False where another flow has it."""
    jobs, table = w.jobs, w.table
    bucket = jobs.flow[job] % table.shape[1]
    if table[lb, bucket] == 1:
        jobs.bucket[job] = _NOT_TRACKED
        w.tally.events[jobs.segment[job], UNTRACKED] += 1
        return False
    table[lb, bucket] = 1
    jobs.bucket[job] = bucket
    return True


@kernel
def dispatch(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A balancer routes a request to a server."""
    board, jobs = w.board, w.jobs
    lb = jobs.balancer[job]
    board.request[FLOW] = jobs.flow[job]
    board.request[NUMBER] = jobs.number[job]
    board.size[0] = jobs.size[job]
    n = board.queue.shape[0]
    j = 0
    if n > 1:
        j = check_index(decide(board, lb, w.streams.policy[lb], ROUTE, 0, 0.0, now), n)
    other = -1
    if GENERAL:
        other = jobs.server[jobs.twin[job]] if jobs.twin[job] >= 0 else -1
    if board.counts[lb, UP, j] == 0 or j == other:
        j = redirected(board, lb, w.streams.redirect, other)
        w.tally.events[jobs.segment[job], REDIRECTED] += 1
    jobs.server[job] = j
    jobs.sent[job] = now
    if GENERAL:
        _send(w, decide, job, lb, j, now)
    else:
        note_sent(board, w.counts[WANTS], lb, j, now)
        reach_server(w, decide, job, now)
    if PROBING and w.clock[PROBES] > 0.0:
        ask(w, decide, lb, now)


@kernel
def _send(w: World, decide: Callable[..., int], job: int, lb: int, j: int, now: float) -> None:
    """A routed request leaves its balancer."""
    jobs = w.jobs
    jobs.bucket[job] = -1
    if w.table.shape[1] == 0 or _track(w, job, lb):
        note_sent(w.board, w.counts[WANTS], lb, j, now)
    if w.clock[HEDGE] > 0.0 and jobs.twin[job] < 0 and jobs.alone[job] == 0:
        jobs.second[job] = push(w.heap, now + w.clock[HEDGE], item(COPY, job))
    time = delay(w, 1)
    if time > 0.0:
        push(w.heap, now + time, item(AT_SERVER, job))
    else:
        reach_server(w, decide, job, now)


@kernel
def reach_server(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A server takes or rejects a request."""
    board, jobs = w.board, w.jobs
    j = jobs.server[job]
    if GENERAL:
        if jobs.alone[job] == 1 and w.counts[FLAGS] & FLAG_CANCEL:
            learn(w, decide, job, now)
            return
        full = board.queue[j] >= w.servers.limit[j]
        if full or not takes_requests(w, j):
            refuse(w, decide, job, j, now)
            return
    elif board.queue[j] >= w.servers.limit[j]:
        refuse(w, decide, job, j, now)
        return
    if PROBING:
        jobs.met[job] = board.queue[j]
        jobs.entered[job] = now
    if GENERAL:
        admit(w, job, j, now)
    else:
        enter(w, job, j, now)
    if PROBING and board.queue[j] == 1 and w.counts[ASKS] & ASK_IDLE:
        tell_busy(w, decide, j, jobs.balancer[job], now)


@kernel(inline=True)
def forget(w: World, job: int, now: float) -> None:
    """A balancer strikes a request off its books."""
    jobs = w.jobs
    lb = jobs.balancer[job]
    if GENERAL:
        if jobs.bucket[job] == _NOT_TRACKED:
            return
        if jobs.bucket[job] >= 0:
            w.table[lb, jobs.bucket[job]] = 0
    note_end(w.board, w.counts[WANTS], lb, jobs.server[job], jobs.sent[job], now)


@kernel(inline=True)
def hear_of_loss(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """The policy hears of a rejection or a timeout."""
    unknown = False
    if GENERAL:
        unknown = w.jobs.bucket[job] == _NOT_TRACKED or w.jobs.server[job] < 0
    if w.counts[WANTS] & (1 << LOSS) and not unknown:
        lb = w.jobs.balancer[job]
        decide(w.board, lb, w.streams.policy[lb], LOSS, w.jobs.server[job], 0.0, now)


@kernel
def refuse(w: World, decide: Callable[..., int], job: int, j: int, now: float) -> None:  # noqa: ARG001
    """A server rejects a request; its client sends it again later or not at all."""
    jobs, counts = w.jobs, w.counts
    forget(w, job, now)
    hear_of_loss(w, decide, job, now)
    w.tally.events[jobs.segment[job], REJECTED] += 1
    if GENERAL:
        twin = jobs.twin[job]
        if twin >= 0:
            jobs.twin[twin] = -1
            _hand_over(w, job, twin)
        _stop_clocks(w, job)
        if twin >= 0 or jobs.alone[job] == 1:  # nobody waits for this copy
            release(jobs, counts, job)
            return
    jobs.attempt[job] += 1
    if jobs.attempt[job] < counts[ATTEMPTS]:
        w.tally.events[jobs.segment[job], RETRIED] += 1
        push(w.heap, now + w.clock[RETRY_DELAY], item(RETRY, job))
        return
    w.tally.events[jobs.segment[job], LOST] += 1
    counts[LIVE] -= 1
    release(jobs, counts, job)
    if GENERAL and counts[CLIENTS] > 0:
        think(w, now)


@kernel
def finish(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A request leaves its server; the answer goes to the client, the news to the balancer."""
    jobs, counts = w.jobs, w.counts
    j = jobs.server[job]
    if PROBING:
        note_service(w, job, j, now)
        if w.board.queue[j] == 0 and counts[ASKS] & ASK_IDLE:
            tell_idle(w, decide, j, now)
    if GENERAL:
        _answer(w, decide, job, j, now)
    else:
        record(w.tally, jobs, w.clock, job, j, now - jobs.born[job])
        counts[LIVE] -= 1
        learn(w, decide, job, now)


@kernel
def _stop_clocks(w: World, job: int) -> None:
    """Take what would befall a request if it were late off the heap."""
    jobs = w.jobs
    if jobs.patience[job] >= 0:
        cancel(w.heap, jobs.patience[job])
        jobs.patience[job] = -1
    if jobs.second[job] >= 0:
        cancel(w.heap, jobs.second[job])
        jobs.second[job] = -1


@kernel
def _hand_over(w: World, job: int, twin: int) -> None:
    """The copy that is left of a request inherits its client's patience, which ends when it would have ended."""
    jobs = w.jobs
    timer = jobs.patience[job]
    if timer >= 0:
        w.heap.item[timer] = item(GIVE_UP, twin)
        jobs.patience[twin] = timer
        jobs.patience[job] = -1


@kernel
def _answer(w: World, decide: Callable[..., int], job: int, j: int, now: float) -> None:
    """The answer is on its way: it is counted if the client still waits for it."""
    jobs, counts = w.jobs, w.counts
    jobs.state[job] = ENDED
    back = delay(w, 1)
    if jobs.alone[job] == 0:
        jobs.alone[job] = 1
        _stop_clocks(w, job)
        record(w.tally, jobs, w.clock, job, j, now + back - jobs.born[job])
        counts[LIVE] -= 1
        twin = jobs.twin[job]
        if twin >= 0:
            jobs.twin[twin] = -1
            jobs.twin[job] = -1
            abandon(w, decide, twin, now)
        if counts[CLIENTS] > 0:
            think(w, now + back)
    back = delay(w, 1)
    if back > 0.0:
        if counts[ASKS] & ASK_PIGGYBACK:
            write_note(w, job, jobs.balancer[job], j, now)
        push(w.heap, now + back, item(LEARN, job))
    else:
        learn(w, decide, job, now)


@kernel
def learn(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A balancer learns that a request of its own has ended."""
    jobs, board, counts = w.jobs, w.board, w.counts
    j, lb = jobs.server[job], jobs.balancer[job]
    forget(w, job, now)
    answered = True
    if GENERAL:
        answered = jobs.bucket[job] != _NOT_TRACKED and jobs.state[job] == ENDED
    if answered:
        board.counts[lb, DONE, j] += 1
        if PROBING and counts[ASKS] & ASK_PIGGYBACK:
            if w.clock[HOP_HIGH] == 0.0:  # else it was written when the answer left
                write_note(w, job, lb, j, now)
            read_note(w, job, lb, j)
            if counts[WANTS] & (1 << REPLY):
                decide(board, lb, w.streams.policy[lb], REPLY, j, 0.0, now)
        if counts[WANTS] & (1 << COMPLETE):
            decide(board, lb, w.streams.policy[lb], COMPLETE, j, now - jobs.sent[job], now)
    release(jobs, counts, job)


@kernel
def abandon(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """Nobody waits for this copy of a request any more; it ends now where servers are told, else in its own time."""
    jobs = w.jobs
    jobs.alone[job] = 1
    _stop_clocks(w, job)
    if w.counts[FLAGS] & FLAG_CANCEL and (jobs.state[job] == WAITING or jobs.state[job] == SERVING):
        forget(w, job, now)
        jobs.bucket[job] = -1
        take_out(w, job, now)
        if w.board.queue[jobs.server[job]] == 0 and w.counts[ASKS] & ASK_IDLE:
            tell_idle(w, decide, jobs.server[job], now)


@kernel
def give_up(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A client's patience is over. It sends the request anew, in another slot, or thinks of the next one."""
    jobs, counts = w.jobs, w.counts
    jobs.patience[job] = -1
    hear_of_loss(w, decide, job, now)
    w.tally.events[jobs.segment[job], TIMED_OUT] += 1
    again = jobs.attempt[job] + 1 < counts[ATTEMPTS]
    if again:
        fresh = _copy(w, job)
        jobs.attempt[fresh] = jobs.attempt[job] + 1
        w.tally.events[jobs.segment[job], RETRIED] += 1
        push(w.heap, now + w.clock[RETRY_DELAY], item(RETRY, fresh))
    else:
        w.tally.events[jobs.segment[job], LOST] += 1
        counts[LIVE] -= 1
    twin = jobs.twin[job]
    if twin >= 0:
        jobs.twin[twin] = -1
        jobs.twin[job] = -1
        abandon(w, decide, twin, now)
    abandon(w, decide, job, now)
    if not again and counts[CLIENTS] > 0:
        think(w, now)


@kernel
def _copy(w: World, job: int) -> int:
    """A slot with the same request."""
    jobs, split = w.jobs, w.stations.split
    fresh = take(jobs, w.counts)
    jobs.born[fresh] = jobs.born[job]
    jobs.size[fresh] = jobs.size[job]
    jobs.io[fresh] = jobs.io[job]
    jobs.balancer[fresh] = jobs.balancer[job]
    jobs.flow[fresh] = jobs.flow[job]
    jobs.number[fresh] = jobs.number[job]
    jobs.segment[fresh] = jobs.segment[job]
    jobs.attempt[fresh] = jobs.attempt[job]
    jobs.server[fresh] = -1
    jobs.alone[fresh] = 0
    jobs.twin[fresh] = -1
    jobs.bucket[fresh] = -1
    jobs.patience[fresh] = -1
    jobs.second[fresh] = -1
    jobs.state[fresh] = MOVING
    for k in range(split.shape[1]):
        split[fresh, k] = split[job, k]
    return fresh


@kernel
def hedge(w: World, decide: Callable[..., int], job: int, now: float) -> None:
    """A request has been out for long: its balancer sends a copy to another server."""
    jobs = w.jobs
    jobs.second[job] = -1
    if jobs.twin[job] >= 0:
        return
    copy = _copy(w, job)
    jobs.twin[copy] = job
    jobs.twin[job] = copy
    w.tally.events[jobs.segment[job], HEDGED] += 1
    dispatch(w, decide, copy, now)
