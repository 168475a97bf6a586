# mypy: disable-error-code="no-any-return"
"""Draws requests ahead, in batches: when they arrive, how big they are, which balancer they meet.

Nothing here depends on a policy, so all policies of a scenario meet the same requests.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.state import Batch
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, bits, exponential, normal, uniform

__all__ = ["EXPONENTIAL", "LawTable", "Source", "draw", "fill"]

Reals = NDArray[np.float64]

EXPONENTIAL, DETERMINISTIC, ERLANG, UNIFORM, LOGNORMAL, HYPEREXPONENTIAL, PARETO, EMPIRICAL = range(8)
"""Kinds of laws."""
POISSON, RENEWAL, MODULATED, SERIES, CLOSED, RECORDED = range(6)
"""Kinds of arrivals."""
RANDOM, HASH, ROUND_ROBIN = range(3)
"""How requests spread over balancers."""

KIND, SPREAD, BALANCERS, FLOWS, STATE, EMITTED, TURN = range(7)
"""Entries of `Source.counts`."""
LATEST, RATE, UNTIL, STEP = range(4)
"""Entries of `Source.clock`."""


class LawTable(NamedTuple):
    """A law in numbers.

    Attributes:
        kind: Which law, int64, shape (1,).
        values: Its parameters, float64, shape (4,).
        points: Values of an empirical law, increasing, float64, shape (k,).
        shares: Cumulative shares at these, float64, shape (k,).
    """

    kind: NDArray[np.int64]
    values: Reals
    points: Reals
    shares: Reals


class Source(NamedTuple):
    """Where requests come from.

    Attributes:
        gap: Law of gaps or think times.
        size: Law of sizes.
        io: Law of input/output times.
        rates: Rates of states or steps, or recorded times, float64, shape (k,).
        sojourns: Mean sojourns of states, or recorded sizes (empty: drawn), float64.
        flows: Recorded flows, int64 (empty: drawn).
        shares: Cumulative shares of the balancers, float64, shape (m,).
        clock: Time of the latest arrival and more, float64, shape (4,).
        counts: Kinds and cursors, int64, shape (7,).
        arrivals: Stream of gaps.
        modulation: Stream of changes of state.
        sizes: Stream of sizes.
        ios: Stream of input/output times.
        spread: Stream of flows and balancers.
    """

    gap: LawTable
    size: LawTable
    io: LawTable
    rates: Reals
    sojourns: Reals
    flows: NDArray[np.int64]
    shares: Reals
    clock: Reals
    counts: NDArray[np.int64]
    arrivals: Stream
    modulation: Stream
    sizes: Stream
    ios: Stream
    spread: Stream


@kernel
def draw(law: LawTable, stream: Stream) -> float:
    """One value of a law."""
    kind = law.kind[0]
    a, b, c = law.values[0], law.values[1], law.values[2]
    if kind == EXPONENTIAL:
        return a * exponential(stream)
    if kind == DETERMINISTIC:
        return a
    if kind == UNIFORM:
        return a + (b - a) * uniform(stream)
    if kind == LOGNORMAL:
        return math.exp(a + b * normal(stream))
    if kind == HYPEREXPONENTIAL:
        mean = a if uniform(stream) < c else b
        return mean * exponential(stream)
    if kind == PARETO:
        return a * math.exp(-math.log1p(-c * uniform(stream)) / b)
    if kind == ERLANG:
        total = 0.0
        for _ in range(int(b)):
            total += exponential(stream)
        return a * total
    return _interpolated(law.points, law.shares, uniform(stream))


@kernel
def _interpolated(points: Reals, shares: Reals, u: float) -> float:
    """The value at cumulative share u, linear between points."""
    low, high = 0, shares.shape[0] - 1
    while high - low > 1:
        middle = (low + high) >> 1
        if shares[middle] <= u:
            low = middle
        else:
            high = middle
    rise = shares[high] - shares[low]
    part = (u - shares[low]) / rise if rise > 0.0 else 1.0
    return points[low] + part * (points[high] - points[low])


@kernel
def _modulated_gap(s: Source) -> float:
    """To the next arrival while the rate jumps between states; the state's end is kept in the clock."""
    now = s.clock[LATEST]
    start = now
    while True:
        state = s.counts[STATE]
        if s.clock[UNTIL] < 0.0:
            s.clock[UNTIL] = now + s.sojourns[state] * exponential(s.modulation)
        rate = s.rates[state]
        if rate > 0.0:
            gap = exponential(s.arrivals) / rate
            if now + gap <= s.clock[UNTIL]:
                return now + gap - start
        now = s.clock[UNTIL]
        s.clock[UNTIL] = -1.0
        s.counts[STATE] = (state + 1) % s.rates.shape[0]


@kernel
def _series_gap(s: Source) -> float:
    """To the next arrival while the rate follows a series; each step's exposure is used up in turn."""
    start = s.clock[LATEST]
    now = start
    need = exponential(s.arrivals)
    step = s.clock[STEP]
    while True:
        rate = s.rates[s.counts[STATE] % s.rates.shape[0]]
        end = (s.counts[STATE] + 1) * step
        if need <= rate * (end - now):
            return now + need / rate - start
        need -= rate * (end - now)
        now = end
        s.counts[STATE] += 1


@kernel
def _balancer(s: Source, flow: int) -> int:
    """The balancer of the next request."""
    m = s.shares.shape[0]
    if m == 1:
        return 0
    if s.counts[SPREAD] == ROUND_ROBIN:
        s.counts[TURN] = (s.counts[TURN] + 1) % m
        return s.counts[TURN]
    u = _hashed(flow) if s.counts[SPREAD] == HASH else uniform(s.spread)
    lb = 0
    while lb < m - 1 and s.shares[lb] <= u:
        lb += 1
    return lb


@kernel(inline=True)
def _hashed(flow: int) -> float:
    """A number in [0, 1) that depends on the flow alone (Lehmer steps on 31 bits, so that Python agrees)."""
    x = (flow & 0x3FFFFFFF) + 1
    x = (x * 48271) % 2147483647
    x = ((x ^ (flow >> 30)) & 0x7FFFFFFF) % 2147483646 + 1
    x = (x * 16807) % 2147483647
    x = (x * 69621) % 2147483647
    return x / 2147483647.0


@kernel
def _flow(s: Source) -> int:
    """The flow of the next request: one of a fixed number, or a new one, known by 62 random bits."""
    word = int(high62(s.spread))
    return word % s.counts[FLOWS] if s.counts[FLOWS] > 0 else word


def _compiled_high62(stream: Stream) -> np.int64:
    return np.int64(bits(stream) >> np.uint64(2))


@kernel(inline=True, twin=_compiled_high62)
def high62(stream: Stream) -> int:
    """62 random bits."""
    return bits(stream) >> 2


@kernel
def fill(s: Source, batch: Batch, start: int, end: int, last_time: float) -> int:
    """Draw the next requests.

    Args:
        s: The source.
        batch: What is filled.
        start: First row to fill.
        end: The row behind the last.
        last_time: Requests that would arrive after this time are not taken; the source is then used up.

    Returns:
        The row behind the last that was filled: `end`, or less where the source is used up.
    """
    kind = s.counts[KIND]
    has_io = s.io.kind[0] != DETERMINISTIC or s.io.values[0] > 0.0
    for k in range(start, end):
        if kind == RECORDED:
            number = s.counts[EMITTED]
            if number >= s.rates.shape[0] or s.rates[number] > last_time:
                return k
            batch.time[k] = s.rates[number]
            batch.size[k] = s.sojourns[number] if s.sojourns.shape[0] > 0 else draw(s.size, s.sizes)
            batch.flow[k] = s.flows[number] if s.flows.shape[0] > 0 else _flow(s)
        else:
            if kind == POISSON:
                gap = exponential(s.arrivals) * s.clock[RATE]
            elif kind == MODULATED:
                gap = _modulated_gap(s)
            elif kind == SERIES:
                gap = _series_gap(s)
            else:
                gap = draw(s.gap, s.arrivals)
            time = gap if kind == CLOSED else s.clock[LATEST] + gap
            if kind != CLOSED and time > last_time:
                return k
            s.clock[LATEST] = time
            batch.time[k] = time
            batch.size[k] = draw(s.size, s.sizes)
            batch.flow[k] = _flow(s)
        batch.io[k] = draw(s.io, s.ios) if has_io else 0.0
        batch.balancer[k] = _balancer(s, batch.flow[k])
        s.counts[EMITTED] += 1
    return end
