# mypy: disable-error-code="no-any-return"
"""What a load balancer may see: three views, one for each class of information, and the board they are cut from.

The simulator keeps one `Board` for all balancers. A policy never gets it: it gets the view of its class, made of this
balancer's own rows and of nothing else. `LocalView` has no field of a server's true state, so a blind policy that
reaches for one does not compile.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = [
    "Board",
    "LocalView",
    "OracleView",
    "ProbeView",
    "View",
    "age_of_open",
    "area_of_open",
    "busy_time",
    "work_left",
]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]
IntCube = np.ndarray[tuple[int, int, int], np.dtype[np.int64]]
Cube = np.ndarray[tuple[int, int, int], np.dtype[np.float64]]

ACTIVE, UP, SENT, DONE, MEMBER = range(5)
"""Rows of `Board.counts`."""
WEIGHT, OPENED, BUSY, AREA, TOUCHED = range(5)
"""Rows of `Board.local`."""
QUEUE, LATENCY, SERVICE, USAGE, RATE, STAMP, LAST_SERVED, LAST_DONE, LAST_TIME = range(9)
"""Rows of `Board.answers`."""
CAPACITY, LEFT, SINCE, DRAIN = range(4)
"""Rows of `Board.truth`."""
FLOW, NUMBER = range(2)
"""Entries of `Board.request`."""


class Board(NamedTuple):
    """All that any policy may read or write, for m balancers and n servers.

    Attributes:
        counts: Own counters of each balancer, int64, shape (m, 5, n).
        local: Own measurements of each balancer, float64, shape (m, 5, n).
        mem: Each policy's memory per server, float64, shape (m, a, n).
        box: Each policy's other memory, float64, shape (m, b).
        par: The policy's parameters, float64, shape (k,).
        answers: The last answer of each server to each balancer, float64, shape (m, 9, n).
        queue: True number of requests in each server, int64, shape (n,).
        truth: True capacity and remaining work of each server, float64, shape (4, n).
        request: The request being routed: its flow and number, int64, shape (2,).
        size: The size of the request being routed, float64, shape (1,).
    """

    counts: IntCube
    local: Cube
    mem: Cube
    box: Table
    par: Reals
    answers: Cube
    queue: Ints
    truth: Table
    request: Ints
    size: Reals


class LocalView(NamedTuple):
    """What one balancer knows without asking: its own bookkeeping. Blind policies get this and nothing else.

    Attributes:
        balancer: This balancer's number, 0 to m - 1.
        flow: Key of the request's flow (its 5-tuple, its content): equal for requests that belong together.
        active: Own requests in flight on each server, int64, shape (n,).
        up: 1 where a server may be chosen, else 0, int64, shape (n,). A choice of another server is replaced by a
            uniformly drawn one that is up.
        sent: Own requests sent so far, int64, shape (n,).
        done: Own requests answered so far, int64, shape (n,).
        weight: The server's weight, float64, shape (n,): what the operator configured, or what this policy made of it.
        opened: Sum of the sending instants of the requests in flight, float64, shape (n,); see `age_of_open`.
        busy: Time with own requests in flight up to `touched`, float64, shape (n,); see `busy_time`.
        area: Integral of `active` over time up to `touched`, float64, shape (n,); see `area_of_open`.
        touched: When `busy` and `area` were last brought up to date, float64, shape (n,).
        mem: The policy's own memory per server, float64, shape (a, n).
        box: The policy's own other memory, float64, shape (b,).
        par: The policy's parameters, float64, shape (k,).
    """

    balancer: int
    flow: int
    active: Ints
    up: Ints
    sent: Ints
    done: Ints
    weight: Reals
    opened: Reals
    busy: Reals
    area: Reals
    touched: Reals
    mem: Table
    box: Reals
    par: Reals


class ProbeView(NamedTuple):
    """A `LocalView` and the last answer of each server to a probe, poll or report.

    Attributes:
        balancer: See `LocalView`; so are the next thirteen.
        flow: ...
        active: ...
        up: ...
        sent: ...
        done: ...
        weight: ...
        opened: ...
        busy: ...
        area: ...
        touched: ...
        mem: ...
        box: ...
        par: ...
        seen_queue: Requests in the server, of all balancers, float64, shape (n,).
        seen_latency: The server's estimate of a request's latency at its present queue, s, float64, shape (n,).
        seen_service: The server's mean time in service, s, float64, shape (n,).
        seen_usage: Share of its cores in use since its answer before, float64, shape (n,).
        seen_rate: Requests finished per second since its answer before, float64, shape (n,).
        seen_at: When the answer was true, s; minus infinity before the first, float64, shape (n,).
    """

    balancer: int
    flow: int
    active: Ints
    up: Ints
    sent: Ints
    done: Ints
    weight: Reals
    opened: Reals
    busy: Reals
    area: Reals
    touched: Reals
    mem: Table
    box: Reals
    par: Reals
    seen_queue: Reals
    seen_latency: Reals
    seen_service: Reals
    seen_usage: Reals
    seen_rate: Reals
    seen_at: Reals


class OracleView(NamedTuple):
    """A `LocalView` and the true state of the servers, as no balancer in the field can know it.

    Attributes:
        balancer: See `LocalView`; so are the next thirteen.
        flow: ...
        active: ...
        up: ...
        sent: ...
        done: ...
        weight: ...
        opened: ...
        busy: ...
        area: ...
        touched: ...
        mem: ...
        box: ...
        par: ...
        queue: Requests in each server, of all balancers, int64, shape (n,).
        capacity: Present speed times cores, float64, shape (n,).
        left: Remaining work at `since`, float64, shape (n,); see `work_left`.
        since: When `left` was true, float64, shape (n,).
        drain: Rate at which `left` shrinks, float64, shape (n,).
        size: Size of the request being routed, in seconds of one core of speed 1.
    """

    balancer: int
    flow: int
    active: Ints
    up: Ints
    sent: Ints
    done: Ints
    weight: Reals
    opened: Reals
    busy: Reals
    area: Reals
    touched: Reals
    mem: Table
    box: Reals
    par: Reals
    queue: Ints
    capacity: Reals
    left: Reals
    since: Reals
    drain: Reals
    size: float


View = LocalView | ProbeView | OracleView


@kernel(inline=True)
def age_of_open(view: View, server: int, now: float) -> float:
    """Mean age of the own requests in flight on a server, s; 0 where there are none."""
    count = view.active[server]
    return now - view.opened[server] / count if count > 0 else 0.0


@kernel(inline=True)
def busy_time(view: View, server: int, now: float) -> float:
    """Time, since the start, in which own requests were in flight on a server, s."""
    running = now - view.touched[server] if view.active[server] > 0 else 0.0
    return view.busy[server] + running


@kernel(inline=True)
def area_of_open(view: View, server: int, now: float) -> float:
    """Integral over time of the own requests in flight on a server, s."""
    return view.area[server] + (now - view.touched[server]) * view.active[server]


@kernel(inline=True)
def work_left(view: OracleView, server: int, now: float) -> float:
    """True remaining work of a server, in seconds of one core of speed 1."""
    left = view.left[server] - (now - view.since[server]) * view.drain[server]
    return left if left > 0.0 else 0.0
