"""Parallel FIFO queues with Poisson arrivals and exponential service, from the engine's parts: a model for tests."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.hooks import Hook, check_index
from qoslab.engine.kernel import kernel
from qoslab.engine.moments import add as add_moment
from qoslab.engine.moments import moments
from qoslab.engine.streams import Stream, exponential, integers, stream, streams
from qoslab.engine.timers import Timers, first, first_time, set_timer, stop_timer, timers

LOG = False


class View(NamedTuple):
    length: NDArray[np.int64]


class Queues(NamedTuple):
    seen: View
    timers: Timers  # the next departure of each server
    since: np.ndarray[tuple[int, int], np.dtype[np.float64]]  # arrival times, a ring per server
    head: NDArray[np.int64]
    arrivals: Stream
    services: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
    choices: Stream
    sojourn: NDArray[np.float64]
    trace: NDArray[np.float64]


def route(view: View, choices: Stream, now: float) -> int:
    """Choose the server of the customer that arrives."""
    return 0


ROUTE = Hook(route)


@ROUTE.policy
def any_server(view: View, choices: Stream, now: float) -> int:
    return integers(choices, view.length.shape[0])


@ROUTE.policy
def shorter_of_two(view: View, choices: Stream, now: float) -> int:
    a = integers(choices, view.length.shape[0])
    b = integers(choices, view.length.shape[0])
    return a if view.length[a] <= view.length[b] else b


def queues(servers: int, seed: int, *, room: int = 256, trace: int = 0) -> Queues:
    seeds = np.random.SeedSequence(seed).spawn(3)
    return Queues(
        View(np.zeros(servers, np.int64)),
        timers(servers),
        np.zeros((servers, room)),
        np.zeros(servers, np.int64),
        stream(seeds[0]),
        streams(seeds[1], servers),
        stream(seeds[2]),
        moments(),
        np.zeros(trace),
    )


@kernel
def run(q: Queues, load: float, customers: int, decide: object) -> int:
    """Let `customers` arrive and all be served; the sojourn times go to the moments (and the trace)."""
    length, mask = q.seen.length, q.since.shape[1] - 1
    gap = 1.0 / (load * length.shape[0])
    arrival = exponential(q.arrivals) * gap
    arrived = served = 0
    while served < customers:
        now = first_time(q.timers)
        if arrived < customers and arrival < now:
            k = check_index(decide(q.seen, q.choices, arrival), length.shape[0])
            q.since[k, (q.head[k] + length[k]) & mask] = arrival
            length[k] += 1
            if length[k] == 1:
                set_timer(q.timers, k, arrival + exponential(q.services[k]))
            arrived += 1
            arrival += exponential(q.arrivals) * gap
        else:
            k = first(q.timers)
            time = now - q.since[k, q.head[k]]
            q.head[k] = (q.head[k] + 1) & mask
            length[k] -= 1
            add_moment(q.sojourn, time)
            if LOG:
                q.trace[served] = time
            if length[k] > 0:
                set_timer(q.timers, k, now + exponential(q.services[k]))
            else:
                stop_timer(q.timers, k)
            served += 1
    return arrived + served


@kernel
def run_at_random(q: Queues, load: float, customers: int) -> int:
    """The same with the policy that the model brings along, which is compiled in."""
    return run(q, load, customers, any_server)
