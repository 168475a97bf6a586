"""The state of a run, in arrays: what the kernels work on, what a paused run keeps, what grows when it is full."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.view import Board
from qoslab.engine.heap import Heap, grown, heap
from qoslab.engine.histogram import histogram
from qoslab.engine.timers import Timers

__all__ = [
    "Batch",
    "Jobs",
    "Servers",
    "Stations",
    "Streams",
    "Tally",
    "World",
    "make_tally",
    "with_more_room",
]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
IntTable = np.ndarray[tuple[int, int], np.dtype[np.int64]]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

# What `advance` returns.
DONE, UNTIL, REFILL, GROW, PAUSE = range(5)

# Entries of `World.clock`.
NOW, HORIZON, DRAIN_END, BOUND_TIME, SAMPLE_STEP, TICK_STEP, REPORT_STEP, RETRY_DELAY = range(8)
PROBES, PROBE_LOW, PROBE_HIGH, TIMEOUT, HEDGE, HOP_LOW, HOP_HIGH, NODE_LOW, NODE_HIGH = range(8, 17)
MEAN_UP, MEAN_DOWN, DETECTION, DRIFT_STEP, DRIFT_KEEP, DRIFT_NOISE, PER_BATCH = range(17, 24)
CLOCK_SIZE = 24

# Entries of `World.counts`.
CURSOR, FILLED, LAST, FREE, SPARE, LIVE, SEGMENT, BOUND_NUMBER, ARRIVED, CLOSED = range(10)
WANTS, ATTEMPTS, MARGIN, ASKS, PAUSES, DECIDER, CLIENTS, STARTED, FLAGS, SAMPLES = range(10, 20)
EVENTS, STRIDE, ROWS, THINKING, DOWN, STRANDED, OUT = range(20, 27)
COUNTS_SIZE = 27

WANTS_TIMES = 1 << 8
"""Bit of `counts[WANTS]`: the policy reads times of its requests in flight."""
ROOM = 8
"""Rows of the batch that a closed-loop event may use up."""

# Bits of `counts[ASKS]` and `counts[FLAGS]`.
ASK_IDLE, ASK_PIGGYBACK, ASK_LATENCY = 1, 2, 4
FLAG_CANCEL, FLAG_LOSE = 1, 2

# Kinds of events on the heap; see `item`.
SAMPLE, TICK, RETRY, ANSWER, REPORT, AT_BALANCER, AT_SERVER, LEARN, GIVE_UP, COPY = range(10)
CHANGE, BREAK, MEND, NOTICE, DRIFT, THINK, PROBED, KICK = range(10, 18)

# What a request is doing, `Jobs.state`.
MOVING, WAITING, SERVING, ENDED, GONE = range(5)

# Values of `Servers.pool`.
REMOVED, IN_POOL, DRAINED = range(3)

# Rows of `Tally.events`.
OFFERED, FINISHED, REJECTED, TIMED_OUT, RETRIED, LOST, UNTRACKED, HEDGED, REDIRECTED = range(9)
EVENT_ROWS = 9

# Rows of `Tally.fairness`.
GRID, JAIN, G_INDEX, BOSSAER, WORK, WORK_MOST, BUSY_GRID = range(7)
FAIRNESS_ROWS = 7

BATCHES = 1024
SERIES_ROWS = 512
RECENT = 32
"""Requests that a server's estimate of latency looks back on."""


class Batch(NamedTuple):
    """Requests to come, drawn ahead by `workload`.

    Attributes:
        time: When each arrives, s; with closed-loop clients its think time; float64, shape (b,).
        size: Its work, s on a core of speed 1, float64, shape (b,).
        io: Its input/output time, s, float64, shape (b,).
        balancer: The balancer it goes to, int64, shape (b,).
        flow: Its flow's key, int64, shape (b,).
    """

    time: Reals
    size: Reals
    io: Reals
    balancer: Ints
    flow: Ints


class Jobs(NamedTuple):
    """Requests in the system, in slots that are used again; all shapes (slots,).

    Attributes:
        born: When the client sent it first, s.
        sent: When its balancer sent it to a server, s.
        size: Work, s.
        io: Input/output time, s.
        since: When its service began, s.
        entered: When it entered its server, s.
        tag: Virtual time at which its present stage ends.
        server: Its server; -1 for none.
        balancer: Its balancer.
        flow: Its flow.
        number: Its number of arrival.
        segment: The segment of the run it arrived in.
        attempt: How often it was sent.
        next: The next in a list: of free slots, of those waiting.
        state: What it is doing, see the names above.
        alone: 1 once its client has given it up or has another copy's answer.
        left: Left child in its station's heap.
        right: Right child.
        stage: Stages already ended.
        met: Requests in the server when it entered.
        twin: The other copy of a hedged request; -1 for none.
        bucket: Its bucket in the flow table; -1 for none, -2 for not tracked.
        patience: Place on the heap of the event that its client gives it up; -1 for none.
        second: Place on the heap of the event that a copy is sent; -1 for none.
    """

    born: Reals
    sent: Reals
    size: Reals
    io: Reals
    since: Reals
    entered: Reals
    tag: Reals
    server: Ints
    balancer: Ints
    flow: Ints
    number: Ints
    segment: Ints
    attempt: Ints
    next: Ints
    state: Ints
    alone: Ints
    left: Ints
    right: Ints
    stage: Ints
    met: Ints
    twin: Ints
    bucket: Ints
    patience: Ints
    second: Ints


class Servers(NamedTuple):
    """The servers beyond what `Board.queue` and `Board.truth` hold; shapes (n,) but where noted.

    Attributes:
        cores: Cores.
        slots: Requests in service at most.
        limit: Requests held at most.
        speed: Present speed of a core; 0 for a failed server.
        base: First speed of a core.
        relative: Present relative speed by plan and drift, of which `speed` is base times this while up, shape (2, n).
        status: 1 working, 0 failed.
        pool: 1 takes requests, 2 drained, 0 removed or not yet added.
        head: First waiting request; -1 for none.
        tail: Last waiting request.
        idle: Idle cores.
        core: Per core: its running request, shape (cores in all,).
        spare: Stacks of idle cores, server after server, shape (cores in all,).
        first: First core of each server.
        owner: Server of each core, shape (cores in all,).
        served: Work done so far.
        available: Integral over time of the capacity that takes part: speed times cores, while the server is in the
            pool or still holds requests. Kept by the general event loop alone; elsewhere capacity is constant.
        area: Integral of requests in the server over time.
        told: Balancer that the server, idle, reported to; -1 for none.
        recent_met: Requests met by recent requests, shape (n, 32).
        recent_latency: Latencies of recent requests, shape (n, 32).
        recent: Completions so far, for the two tables above and for rates.
        service: Exponentially weighted mean time in service.
        drift: State of the wandering speed.
        scratch: Numbers of servers while some are chosen.
    """

    cores: Ints
    slots: Ints
    limit: Ints
    speed: Reals
    base: Reals
    relative: Table
    status: Ints
    pool: Ints
    head: Ints
    tail: Ints
    idle: Ints
    core: Ints
    spare: Ints
    first: Ints
    owner: Ints
    served: Reals
    available: Reals
    area: Reals
    told: Ints
    recent_met: IntTable
    recent_latency: Table
    recent: Ints
    service: Reals
    drift: Reals
    scratch: Ints


class Stations(NamedTuple):
    """Where requests are in service under sharing: cores of server j at j, its input/output at n + j; shapes (2n,).

    Attributes:
        virtual: Work each request in the station has had since the station was last empty.
        since: When `virtual` was true.
        rate: How fast `virtual` grows.
        root: First request of the station's heap; -1 for none.
        inside: Requests in the station.
        held: Places in service taken, shape (n,) of it.
        split: Stage shares of each job slot: core stages, then input/output, shape (slots, 2 stages).
    """

    virtual: Reals
    since: Reals
    rate: Reals
    root: Ints
    inside: Ints
    held: Ints
    split: Table


class Streams(NamedTuple):
    """Random streams that the kernels draw from, one per purpose.

    Attributes:
        policy: Each balancer's, uint64, shape (m, 4).
        network: Delays, shape (4,).
        probes: Which servers are probed, delays of answers, reports of idle servers.
        stages: Splits into stages.
        failures: Each server's, shape (n, 4).
        drift: Each server's, shape (n, 4).
        redirect: Replacement of forbidden choices.
    """

    policy: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
    network: NDArray[np.uint64]
    probes: NDArray[np.uint64]
    stages: NDArray[np.uint64]
    failures: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
    drift: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
    redirect: NDArray[np.uint64]


class Tally(NamedTuple):
    """What is measured, by segment of the run (s of them): a request counts in the segment it arrived in.

    Attributes:
        events: Counters, int64, shape (s, 9).
        total: Sum of response times, shape (s,).
        slowdown: Sum of slowdowns, shape (s,).
        response: Histograms of response times, int64, shape (s, buckets).
        slow: Histograms of slowdowns, int64, shape (s, buckets).
        handled: Requests finished by each server, int64, shape (s, n).
        begin: When each segment began, and the horizon behind the last, shape (s + 1,).
        answered: Requests finished by these times, int64, shape (s + 1,).
        served: Work done by each server at these times, shape (s + 1, n).
        available: Integral of each server's capacity that takes part at these times, shape (s + 1, n).
        area: Integral of each server's queue at these times, shape (s + 1, n).
        fairness: Sums over the time grid, shape (s, 7).
        batch_total: Sums of response times in batches of equal numbers of arrivals, shape (1024,).
        batch_count: Finished requests in these batches, int64, shape (1024,).
        series: Rows of (time, jain, g, bossaer, work, work of the fullest), thinned when full, shape (512, 6).
        queues: Queue of each server at the same times, shape (512, q); q = 0 where no series are kept.
        work: Scratch: time to finish of each server, shape (n,).
    """

    events: IntTable
    total: Reals
    slowdown: Reals
    response: IntTable
    slow: IntTable
    handled: IntTable
    begin: Reals
    answered: Ints
    served: Table
    available: Table
    area: Table
    fairness: Table
    batch_total: Reals
    batch_count: Ints
    series: Table
    queues: IntTable
    work: Reals


class World(NamedTuple):
    """The whole state of a run.

    Attributes:
        board: What policies see and write.
        batch: Requests to come.
        jobs: Requests in the system.
        servers: The servers.
        stations: Service under sharing.
        timers: Next end of service, per core (FIFO) or station.
        heap: All other events.
        streams: Random numbers.
        tally: Measurements.
        clock: Times and periods, float64, see the names above.
        counts: Cursors and switches, int64, see the names above.
        bounds: Where segments end: number of the request and time, shape (2, s).
        changes: Planned changes: action, server, value; shape (3, k).
        speeds: Recorded relative speeds, a row for each server in turn, shape (r, steps).
        table: Flow tables of the balancers, int64, shape (m, buckets).
    """

    board: Board
    batch: Batch
    jobs: Jobs
    servers: Servers
    stations: Stations
    timers: Timers
    heap: Heap
    streams: Streams
    tally: Tally
    clock: Reals
    counts: Ints
    bounds: Table
    changes: Table
    speeds: Table
    table: IntTable


_REALS = frozenset({"born", "sent", "size", "io", "since", "entered", "tag"})


def make_jobs(slots: int) -> Jobs:
    """A pool of free slots, each linked to the next."""
    columns: Any = [np.zeros(slots, np.float64 if name in _REALS else np.int64) for name in Jobs._fields]
    jobs = Jobs(*columns)
    jobs.next[:] = np.arange(1, slots + 1)
    jobs.next[-1] = -1
    return jobs


def with_more_room(w: World) -> World:
    """The same world with twice the slots for requests and more room for events."""
    old = len(w.jobs.born)
    jobs = make_jobs(2 * old)
    for new, before in zip(jobs, w.jobs, strict=True):
        new[:old] = before
    jobs.next[old:-1] = np.arange(old + 1, 2 * old)
    jobs.next[-1] = w.counts[FREE]
    w.counts[FREE] = old
    w.counts[SPARE] += old
    split = np.zeros((2 * old, w.stations.split.shape[1]))
    split[:old] = w.stations.split
    return w._replace(jobs=jobs, heap=grown(w.heap), stations=w.stations._replace(split=split))


def make_tally(segments: int, servers: int, *, full: bool, series: bool) -> Tally:
    """An empty tally; histograms have no buckets where only means are wanted."""
    buckets = len(histogram()) if full else 0
    return Tally(
        events=np.zeros((segments, EVENT_ROWS), np.int64),
        total=np.zeros(segments),
        slowdown=np.zeros(segments),
        response=np.zeros((segments, buckets), np.int64),
        slow=np.zeros((segments, buckets), np.int64),
        handled=np.zeros((segments, servers), np.int64),
        begin=np.full(segments + 1, math.inf),
        answered=np.zeros(segments + 1, np.int64),
        served=np.zeros((segments + 1, servers)),
        available=np.zeros((segments + 1, servers)),
        area=np.zeros((segments + 1, servers)),
        fairness=np.zeros((segments, FAIRNESS_ROWS)),
        batch_total=np.zeros(BATCHES),
        batch_count=np.zeros(BATCHES, np.int64),
        series=np.zeros((SERIES_ROWS, 6)),
        queues=np.zeros((SERIES_ROWS, servers if series else 0), np.int64),
        work=np.zeros(servers),
    )


def make_heap(room: int) -> Heap:
    """An empty heap."""
    return heap(room)
