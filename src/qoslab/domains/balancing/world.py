"""Builds the state of a run from a scenario, a policy and a seed."""

from __future__ import annotations

import math

import numpy as np

from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.arrivals import Closed, Renewal
from qoslab.domains.balancing.books import item
from qoslab.domains.balancing.hooks import Probing, Site, Wiring
from qoslab.domains.balancing.laws import Deterministic
from qoslab.domains.balancing.scenario import BalancingScenario, Fifo, LimitedSharing, ProcessorSharing
from qoslab.domains.balancing.source import Demand, cores, speeds
from qoslab.domains.balancing.state import (
    Batch,
    Servers,
    Stations,
    Streams,
    World,
    make_heap,
    make_jobs,
    make_tally,
)
from qoslab.domains.balancing.view import CAPACITY, MEMBER, STAMP, UP, WEIGHT, Board
from qoslab.engine.heap import push
from qoslab.engine.streams import exponential, normal, stream, streams
from qoslab.engine.timers import timers

__all__ = [
    "configured_weights",
    "drained_by",
    "is_general",
    "make_site",
    "make_world",
    "variant",
    "wanted_requests",
]

BATCH_SIZE = 4096
MSER_SEGMENTS = 32
_ENDLESS = 2**62
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
_ACTIONS = ("speed", "drain", "remove", "add", "fail", "repair")
"""Actions of planned changes, in the order of `faults`."""


def is_general(s: BalancingScenario) -> bool:
    """Whether a scenario needs more than FIFO servers of constant speed without delays, timeouts or changes."""
    parts = (s.stages, s.network, s.timeout_s, s.buckets, s.hedge_s, s.drift, s.failures)
    plain = isinstance(s.servers.discipline, Fifo) and not isinstance(s.arrivals, Closed) and not s.changes
    return not plain or any(part is not None for part in parts)


def variant(s: BalancingScenario, wiring: Wiring) -> dict[str, bool]:
    """The constants that the event loop is specialised with; few combinations, as each is compiled once."""
    general = is_general(s)
    return {
        "GENERAL": general,
        "PROBING": general or wiring.probing != Probing(),
        "FULL": s.metrics == "full",
    }


def configured_weights(s: BalancingScenario) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """What balancers are told about the servers, shape (n,)."""
    told = s.servers.weights
    if told == "equal":
        return np.ones(s.servers.count)
    if told == "cores":
        return cores(s).astype(np.float64)
    if told == "capacity":
        return speeds(s) * cores(s)
    return np.resize(np.array(told, np.float64), s.servers.count)


def make_site(s: BalancingScenario, demand: Demand, seed: Seed) -> Site:
    """What the operator of this scenario knows."""
    return Site(
        servers=s.servers.count,
        balancers=s.balancers,
        weight=configured_weights(s),
        seed=seed,
        mean_size_s=demand.mean_size_s,
        rate_per_s=demand.rate_per_s,
    )


def make_world(
    s: BalancingScenario, demand: Demand, wiring: Wiring, site: Site, seed: Seed, *, series: bool
) -> World:
    """The state at time 0.

    Args:
        s: The scenario.
        demand: What its requests need.
        wiring: The policy.
        site: What the policy was told.
        seed: The trial's seed.
        series: Whether series for figures are kept.
    """
    m, n = s.balancers, s.servers.count
    margin = m + 2 * n + 16
    bounds = _bounds(s, demand)
    world = World(
        board=_board(s, wiring, site),
        batch=_batch(),
        jobs=make_jobs(max(256, 2 * margin)),
        servers=_servers(s),
        stations=_stations(s, max(256, 2 * margin)),
        timers=timers(2 * n if is_general(s) else int(cores(s).sum())),
        heap=make_heap(max(256, 4 * margin + sum(len(c.servers) for c in s.changes))),
        streams=_streams(s, seed),
        tally=make_tally(bounds.shape[1], n, full=s.metrics == "full", series=series),
        clock=_clock(s, demand, wiring),
        counts=np.zeros(state.COUNTS_SIZE, np.int64),
        bounds=bounds,
        changes=_changes(s),
        speeds=demand.speeds,
        table=np.zeros((m, s.buckets or 0), np.int64),
    )
    _set_counts(world, s, wiring, margin)
    _first_events(world, s, wiring, seed)
    _first_pool(world, s)
    world.tally.begin[0] = 0.0
    return world


def _board(s: BalancingScenario, wiring: Wiring, site: Site) -> Board:
    m, n = s.balancers, s.servers.count
    counts = np.zeros((m, 5, n), np.int64)
    counts[:, [UP, MEMBER]] = 1
    local = np.zeros((m, 5, n))
    local[:, WEIGHT] = site.weight if wiring.weight is None else wiring.weight
    answers = np.zeros((m, 9, n))
    answers[:, STAMP] = -math.inf
    mem = np.zeros((0, n)) if wiring.mem is None else np.asarray(wiring.mem, np.float64)
    box = np.asarray(wiring.box, np.float64)
    truth = np.zeros((4, n))
    truth[CAPACITY] = speeds(s) * cores(s)
    return Board(
        counts=counts,
        local=local,
        mem=np.array(np.broadcast_to(mem, (m, *mem.shape[-2:])), order="C"),
        box=np.array(np.broadcast_to(box, (m, box.shape[-1])), order="C"),
        par=np.array(wiring.par, np.float64).reshape(-1),
        answers=answers,
        queue=np.zeros(n, np.int64),
        truth=truth,
        request=np.zeros(2, np.int64),
        size=np.zeros(1),
    )


def _batch() -> Batch:
    return Batch(
        time=np.zeros(BATCH_SIZE),
        size=np.zeros(BATCH_SIZE),
        io=np.zeros(BATCH_SIZE),
        balancer=np.zeros(BATCH_SIZE, np.int64),
        flow=np.zeros(BATCH_SIZE, np.int64),
    )


def _servers(s: BalancingScenario) -> Servers:
    n, c = s.servers.count, cores(s)
    first = np.concatenate([[0], np.cumsum(c)[:-1]]).astype(np.int64)
    total = int(c.sum())
    discipline = s.servers.discipline
    slots = c.copy()
    if isinstance(discipline, LimitedSharing):
        slots = c * discipline.slots_per_core
    elif isinstance(discipline, ProcessorSharing):
        slots = np.full(n, _ENDLESS)
    limit = _ENDLESS if s.servers.limit is None else s.servers.limit
    return Servers(
        cores=c,
        slots=slots,
        limit=np.full(n, limit),
        speed=speeds(s),
        base=speeds(s),
        relative=np.ones((2, n)),
        status=np.ones(n, np.int64),
        pool=np.ones(n, np.int64),
        head=np.full(n, -1),
        tail=np.full(n, -1),
        idle=c.copy(),
        core=np.full(total, -1),
        spare=np.arange(total),
        first=first,
        owner=np.repeat(np.arange(n), c),
        served=np.zeros(n),
        available=np.zeros(n),
        area=np.zeros(n),
        told=np.full(n, -1),
        recent_met=np.zeros((n, state.RECENT), np.int64),
        recent_latency=np.zeros((n, state.RECENT)),
        recent=np.zeros(n, np.int64),
        service=np.zeros(n),
        drift=np.zeros(n),
        scratch=np.zeros(n, np.int64),
    )


def _stations(s: BalancingScenario, slots: int) -> Stations:
    n = s.servers.count
    return Stations(
        virtual=np.zeros(2 * n),
        since=np.zeros(2 * n),
        rate=np.zeros(2 * n),
        root=np.full(2 * n, -1),
        inside=np.zeros(2 * n, np.int64),
        held=np.zeros(n, np.int64),
        split=np.zeros((slots, 2 * s.stages.count if s.stages else 0)),
    )


def _streams(s: BalancingScenario, seed: Seed) -> Streams:
    n = s.servers.count
    return Streams(
        policy=streams(seed.stream("policy"), s.balancers),
        network=stream(seed.stream("network")),
        probes=stream(seed.stream("probes")),
        stages=stream(seed.stream("stages")),
        failures=streams(seed.stream("failures"), n if s.failures else 0),
        drift=streams(seed.stream("drift"), n if s.drift else 0),
        redirect=stream(seed.stream("redirect")),
    )


def _expected_requests(s: BalancingScenario, demand: Demand) -> float:
    if s.duration_s is not None:
        return s.duration_s * demand.rate_per_s
    return float(wanted_requests(s, demand))


def wanted_requests(s: BalancingScenario, demand: Demand) -> int:
    """How many requests arrive; with a duration, more than ever will."""
    if s.duration_s is not None:
        return _ENDLESS
    recorded = s.arrivals.kind == "trace"
    return s.requests or (len(demand.rates) if recorded else 100_000)


def drained_by(s: BalancingScenario, horizon: float) -> float:
    """When a run ends at the latest whose last request arrived at `horizon`: answers are awaited as long again."""
    return horizon * (2.0 if s.drain else 1.0)


def _bounds(s: BalancingScenario, demand: Demand) -> state.Table:
    """Where segments end, shape (2, s): number of the request that begins the next one, or its time."""
    rule = s.warmup.rule
    count = MSER_SEGMENTS if rule == "mser" else 2
    if (rule == "fraction" and s.warmup.fraction == 0.0) or (rule == "time" and s.warmup.seconds == 0.0):
        count = 1
    bounds = np.full((2, count), [[float(_ENDLESS)], [math.inf]])
    shares = np.arange(1, count) / count if rule == "mser" else np.full(count - 1, s.warmup.fraction)
    if rule == "time":
        bounds[1, :-1] = s.warmup.seconds
    elif s.duration_s is not None:
        bounds[1, :-1] = shares * s.duration_s
    else:
        bounds[0, :-1] = np.ceil(shares * wanted_requests(s, demand))
    return bounds


def _sample_step_s(s: BalancingScenario, length_s: float, gap_s: float) -> float:
    """Step of about 2000 samples; where arrivals come at equal gaps, one that meets them at all phases alike.

    The golden section is the ratio worst approximated by fractions, so its multiples fill a gap most evenly.
    """
    step = length_s / 2000.0
    if not (isinstance(s.arrivals, Renewal) and isinstance(s.arrivals.gap, Deterministic)):
        return step
    if step >= gap_s:
        return gap_s * (math.floor(step / gap_s) + _GOLDEN)
    return gap_s / (math.floor(gap_s / step) + _GOLDEN)


def _clock(s: BalancingScenario, demand: Demand, wiring: Wiring) -> state.Reals:
    clock = np.zeros(state.CLOCK_SIZE)
    expected = max(_expected_requests(s, demand), 1.0)
    length = expected / demand.rate_per_s
    clock[state.HORIZON] = math.inf if s.duration_s is None else s.duration_s
    clock[state.DRAIN_END] = math.inf if s.duration_s is None else drained_by(s, s.duration_s)
    clock[state.SAMPLE_STEP] = s.sample_step_s or _sample_step_s(s, length, length / expected)
    clock[state.TICK_STEP] = wiring.tick_s
    clock[state.RETRY_DELAY] = s.retry.delay_s if s.retry else 0.0
    clock[state.PER_BATCH] = state.BATCHES / expected
    clock[state.REPORT_STEP] = wiring.probing.every_s
    clock[state.PROBES] = wiring.probing.per_request
    clock[[state.PROBE_LOW, state.PROBE_HIGH]] = wiring.probing.delay_s
    clock[state.TIMEOUT] = s.timeout_s or 0.0
    clock[state.HEDGE] = s.hedge_s or 0.0
    if s.network:
        clock[[state.HOP_LOW, state.HOP_HIGH]] = s.network.hop_s
        clock[[state.NODE_LOW, state.NODE_HIGH]] = s.network.node_s
    if s.failures:
        clock[state.MEAN_UP] = s.failures.mean_up_s or math.inf
        clock[state.MEAN_DOWN] = s.failures.mean_down_s
        clock[state.DETECTION] = s.failures.detection_s
    if s.drift:
        keep = math.exp(-s.drift.step_s / s.drift.correlation_s)
        clock[state.DRIFT_STEP], clock[state.DRIFT_KEEP] = s.drift.step_s, keep
        clock[state.DRIFT_NOISE] = math.sqrt(math.log1p(s.drift.cv**2) * (1.0 - keep**2))
    return clock


def _changes(s: BalancingScenario) -> state.Table:
    """Planned changes: action, server, value; in the order of the scenario, shape (3, k)."""
    rows = [
        (_ACTIONS.index(change.action), server, change.speed or 0.0)
        for change in s.changes
        for server in change.servers
    ]
    return np.array(rows, np.float64).reshape(-1, 3).T.copy()


def _set_counts(w: World, s: BalancingScenario, wiring: Wiring, margin: int) -> None:
    counts = w.counts
    counts[state.SPARE] = len(w.jobs.born)
    counts[state.WANTS] = wiring.wants + wiring.reads_times * state.WANTS_TIMES
    counts[state.ATTEMPTS] = s.retry.attempts if s.retry else 1
    counts[state.MARGIN] = margin
    counts[state.PAUSES] = wiring.pause
    counts[state.STRIDE] = 1
    counts[state.BOUND_NUMBER] = int(w.bounds[0, 0])
    w.clock[state.BOUND_TIME] = w.bounds[1, 0]
    probing = wiring.probing
    counts[state.ASKS] = (
        probing.idle * state.ASK_IDLE
        + probing.piggyback * state.ASK_PIGGYBACK
        + probing.latency * state.ASK_LATENCY
    )
    counts[state.CLIENTS] = s.arrivals.clients if isinstance(s.arrivals, Closed) else 0
    lose = s.failures is not None and s.failures.lose
    counts[state.FLAGS] = s.cancel * state.FLAG_CANCEL + lose * state.FLAG_LOSE


def _first_events(w: World, s: BalancingScenario, wiring: Wiring, seed: Seed) -> None:
    """Put on the heap what happens by itself."""
    n = s.servers.count
    if s.metrics == "full":
        push(w.heap, w.clock[state.SAMPLE_STEP], item(state.SAMPLE, 0))
    if wiring.tick_s > 0.0:
        phases = seed.generator("ticks").uniform(size=s.balancers)
        for lb, phase in enumerate(phases):
            at = wiring.tick_s * (float(phase) if wiring.stagger else 1.0)
            push(w.heap, at, item(state.TICK, lb))
    if wiring.probing.every_s > 0.0:
        for j in range(n):
            push(w.heap, wiring.probing.every_s, item(state.REPORT, j))
    times = [change.at_s for change in s.changes for _ in change.servers]
    for number, at in enumerate(times):
        push(w.heap, at, item(state.CHANGE, number))
    if s.failures and s.failures.mean_up_s:
        for j in range(n):
            push(w.heap, s.failures.mean_up_s * exponential(w.streams.failures[j]), item(state.BREAK, j))
    if s.drift:
        spread = math.sqrt(math.log1p(s.drift.cv**2))
        for j in range(n):
            w.servers.drift[j] = spread * normal(w.streams.drift[j])
        push(w.heap, 0.0, item(state.DRIFT, 0))


def _first_pool(w: World, s: BalancingScenario) -> None:
    """Servers whose first change is `add` start outside the pool."""
    seen: set[int] = set()
    for change in sorted(s.changes, key=lambda each: each.at_s):
        fresh = [j for j in change.servers if j not in seen]
        seen.update(fresh)
        if change.action == "add" and fresh:
            w.servers.pool[fresh] = 0
            w.counts[state.OUT] += len(fresh)
            for row in (UP, MEMBER):
                w.board.counts[:, row, fresh] = 0
