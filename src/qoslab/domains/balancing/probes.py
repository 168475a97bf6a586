# mypy: disable-error-code="no-any-return"
"""What servers tell: answers to probes, periodic reports, reports of idle servers, notes on responses.

An answer on its way is kept in a slot for requests, so that what arrives late is what was true when it left. A server
that has failed or is removed says nothing: a probe that reaches it has no answer, and its reports stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from qoslab.domains.balancing.books import item, release, take
from qoslab.domains.balancing.hooks import REPLY
from qoslab.domains.balancing.measure import settle
from qoslab.domains.balancing.state import (
    ANSWER,
    ASK_LATENCY,
    ASKS,
    HOP_HIGH,
    HOP_LOW,
    OUT,
    PROBE_HIGH,
    PROBE_LOW,
    PROBED,
    PROBES,
    RECENT,
    REMOVED,
    World,
)
from qoslab.domains.balancing.view import (
    CAPACITY,
    LAST_DONE,
    LAST_SERVED,
    LAST_TIME,
    LATENCY,
    MEMBER,
    QUEUE,
    RATE,
    SERVICE,
    STAMP,
    USAGE,
)
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import integers, uniform

__all__ = ["ask", "deliver", "inform", "note_service", "read_note", "tell_busy", "tell_idle", "write_note"]

GENERAL = True
"""Whether servers may fail or be removed."""
_WEIGHT = 0.1
"""Weight of the newest request in a server's mean time in service."""
_ENOUGH = 4
"""Requests of a similar queue that an estimate of latency is made from, at least, where there are so many."""


@kernel(inline=True)
def note_service(w: World, job: int, j: int, now: float) -> None:
    """A server remembers how long a request took, and how many it met."""
    servers, jobs = w.servers, w.jobs
    number = servers.recent[j]
    took = now - jobs.since[job]
    servers.service[j] += took if number == 0 else _WEIGHT * (took - servers.service[j])
    servers.recent_met[j, number % RECENT] = jobs.met[job]
    servers.recent_latency[j, number % RECENT] = now - jobs.entered[job]
    servers.recent[j] = number + 1


@kernel(inline=True)
def _latency_here(w: World, j: int, k: int) -> float:
    """A remembered latency, brought down in proportion where the request met more than are in the server now.

    Without this an idle server would go on telling the latency of when it was full, and get nothing that tells better.
    """
    met, queue = w.servers.recent_met[j, k], w.board.queue[j]
    latency = w.servers.recent_latency[j, k]
    return latency * (queue + 1.0) / (met + 1.0) if met > queue else latency


@kernel
def latency_estimate(w: World, j: int) -> float:
    """Median latency of recent requests that met about as many as are in the server now (as Prequal's servers do)."""
    servers = w.servers
    kept = servers.recent[j] if servers.recent[j] < RECENT else RECENT
    if kept == 0:
        return 0.0
    queue = w.board.queue[j]
    reach, found = 0, 0
    while found < _ENOUGH and found < kept:
        found = 0
        for k in range(kept):
            found += 1 if abs(servers.recent_met[j, k] - queue) <= reach else 0
        reach = 2 * reach + 1
    reach = (reach - 1) // 2
    best = math.inf
    for k in range(kept):
        if abs(servers.recent_met[j, k] - queue) <= reach:
            value = _latency_here(w, j, k)
            at_most = 0
            for i in range(kept):
                near = abs(servers.recent_met[j, i] - queue) <= reach
                at_most += 1 if near and _latency_here(w, j, i) <= value else 0
            if 2 * at_most >= found and value < best:
                best = value
    return best


@kernel
def write_note(w: World, slot: int, lb: int, j: int, now: float) -> None:
    """Put a server's answer to a balancer, as it is true now, into a slot."""
    board, servers, jobs = w.board, w.servers, w.jobs
    settle(board, servers, j, now)
    answers = board.answers
    since = now - answers[lb, LAST_TIME, j]
    capacity = board.truth[CAPACITY, j]
    jobs.tag[slot] = board.queue[j]
    jobs.io[slot] = servers.service[j]
    jobs.born[slot] = now
    jobs.size[slot] = latency_estimate(w, j) if w.counts[ASKS] & ASK_LATENCY else 0.0
    usage, rate = answers[lb, USAGE, j], answers[lb, RATE, j]
    if since > 0.0:
        usage = (
            (servers.served[j] - answers[lb, LAST_SERVED, j]) / (capacity * since) if capacity > 0.0 else 0.0
        )
        rate = (servers.recent[j] - answers[lb, LAST_DONE, j]) / since
        answers[lb, LAST_SERVED, j] = servers.served[j]
        answers[lb, LAST_DONE, j] = servers.recent[j]
        answers[lb, LAST_TIME, j] = now
    jobs.since[slot] = usage
    jobs.entered[slot] = rate


@kernel
def read_note(w: World, slot: int, lb: int, j: int) -> None:
    """A balancer reads an answer."""
    answers, jobs = w.board.answers, w.jobs
    answers[lb, QUEUE, j] = jobs.tag[slot]
    answers[lb, LATENCY, j] = jobs.size[slot]
    answers[lb, SERVICE, j] = jobs.io[slot]
    answers[lb, USAGE, j] = jobs.since[slot]
    answers[lb, RATE, j] = jobs.entered[slot]
    answers[lb, STAMP, j] = jobs.born[slot]


@kernel(inline=True)
def _is_silent(w: World, j: int) -> bool:
    """Whether a server says nothing: it has failed, or is removed or not yet added."""
    if GENERAL:
        return w.servers.status[j] == 0 or w.servers.pool[j] == REMOVED
    return False


@kernel
def deliver(w: World, decide: Callable[..., int], slot: int, now: float) -> None:
    """An answer reaches its balancer."""
    lb, j = w.jobs.balancer[slot], w.jobs.server[slot]
    read_note(w, slot, lb, j)
    release(w.jobs, w.counts, slot)
    decide(w.board, lb, w.streams.policy[lb], REPLY, j, 0.0, now)


@kernel
def _delay(w: World, hops: int) -> float:
    """The time of a probe or report, besides its hops in the network."""
    clock = w.clock
    low, high = clock[PROBE_LOW], clock[PROBE_HIGH]
    time = low + (high - low) * uniform(w.streams.probes) if high > 0.0 else 0.0
    if clock[HOP_HIGH] > 0.0:
        for _ in range(hops):
            time += clock[HOP_LOW] + (clock[HOP_HIGH] - clock[HOP_LOW]) * uniform(w.streams.probes)
    return time


@kernel
def inform(w: World, decide: Callable[..., int], lb: int, j: int, delay: float, now: float) -> None:
    """A server sends its present state to a balancer."""
    if _is_silent(w, j):
        return
    slot = take(w.jobs, w.counts)
    w.jobs.balancer[slot] = lb
    w.jobs.server[slot] = j
    write_note(w, slot, lb, j, now)
    if delay > 0.0:
        push(w.heap, now + delay, item(ANSWER, slot))
    else:
        deliver(w, decide, slot, now)


@kernel
def report(w: World, decide: Callable[..., int], lb: int, j: int, now: float) -> None:
    """A server reports to a balancer, of its own accord."""
    inform(w, decide, lb, j, _delay(w, 1), now)


@kernel(inline=True)
def _member(w: World, lb: int, rank: int) -> int:
    """The server of this rank, from 0, among those that a balancer knows to be in the pool and at work."""
    if w.counts[OUT] == 0:
        return rank
    j = -1
    while rank >= 0:
        j += 1
        rank -= w.board.counts[lb, MEMBER, j]
    return j


@kernel
def ask(w: World, decide: Callable[..., int], lb: int, now: float) -> None:
    """A balancer probes some of its servers, drawn without replacement (Floyd's algorithm)."""
    stream, chosen = w.streams.probes, w.servers.scratch
    n = w.board.queue.shape[0]
    if GENERAL:
        n -= w.counts[OUT]
    wanted = int(w.clock[PROBES])
    rest = w.clock[PROBES] - wanted
    wanted += 1 if rest > 0.0 and uniform(stream) < rest else 0
    wanted = wanted if wanted < n else n
    for k in range(wanted):
        last = n - wanted + k
        j = integers(stream, last + 1)
        for i in range(k):
            if chosen[i] == j:
                j = last
                break
        chosen[k] = j
        if GENERAL:
            j = _member(w, lb, j)
        delay = _delay(w, 2)
        if delay > 0.0:
            slot = take(w.jobs, w.counts)
            w.jobs.balancer[slot] = lb
            w.jobs.server[slot] = j
            w.jobs.since[slot] = 0.5 * delay
            push(w.heap, now + 0.5 * delay, item(PROBED, slot))
        else:
            inform(w, decide, lb, j, 0.0, now)


@kernel
def answer(w: World, slot: int, now: float) -> None:
    """A probe has reached its server; the answer is on its way."""
    if _is_silent(w, w.jobs.server[slot]):
        release(w.jobs, w.counts, slot)
        return
    back = w.jobs.since[slot]
    write_note(w, slot, w.jobs.balancer[slot], w.jobs.server[slot], now)
    push(w.heap, now + back, item(ANSWER, slot))


@kernel
def tell_idle(w: World, decide: Callable[..., int], j: int, now: float) -> None:
    """A server that has become idle tells one balancer."""
    if _is_silent(w, j):
        return
    lb = integers(w.streams.probes, w.board.counts.shape[0])
    w.servers.told[j] = lb
    report(w, decide, lb, j, now)


@kernel
def tell_busy(w: World, decide: Callable[..., int], j: int, lb: int, now: float) -> None:
    """A server that was idle has got a request: the balancer it told, if another sent it, hears that."""
    told = w.servers.told[j]
    w.servers.told[j] = -1
    if told >= 0 and told != lb:
        report(w, decide, told, j, now)
