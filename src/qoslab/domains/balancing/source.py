"""From a scenario's words to the numbers that `workload` draws from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import workload
from qoslab.domains.balancing.arrivals import Closed, Mmpp, Poisson, RateSeries, Renewal, Trace
from qoslab.domains.balancing.laws import (
    Deterministic,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    Lognormal,
    Pareto,
    Uniform,
)
from qoslab.domains.balancing.workload import LawTable, Source
from qoslab.engine.streams import stream

if TYPE_CHECKING:
    from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["Demand", "law_table", "make_demand", "make_source", "mean_of"]

Reals = NDArray[np.float64]
_NONE = np.zeros(0)


class Demand:
    """What a scenario's requests need, worked out once for all its seeds.

    Attributes:
        size: Law of sizes.
        io: Law of input/output times.
        gap: Law of gaps or think times.
        mean_size_s: Mean work of a request.
        rate_per_s: Mean arrival rate; for closed clients an upper bound.
        rates: Rates of states or steps, or recorded times.
        sojourns: Sojourns of states, or recorded sizes.
        flows: Recorded flows.
        kind: Kind of arrivals.
        step_s: Step of a rate series.
        speeds: Recorded relative speeds, shape (r, steps); steps = 0 where none are.
    """

    def __init__(self, scenario: BalancingScenario, context: Context) -> None:
        from qoslab.domains.balancing import data

        s = scenario
        self.size = law_table(s.sizes, context)
        self.io = law_table(s.stages.io, context) if s.stages else _table(workload.DETERMINISTIC, 0.0)
        self.gap = _table(workload.EXPONENTIAL, 1.0)
        self.rates, self.sojourns = _NONE, _NONE
        self.flows = np.zeros(0, np.int64)
        self.step_s = 1.0
        self.mean_size_s = mean_of(s.sizes)
        self.speeds = np.zeros((1, 0))
        if s.drift and (s.drift.file or s.drift.dataset):
            recorded_speeds = data.relative_speeds(s.drift.file, s.drift.dataset, context)
            least = min(map(len, recorded_speeds))
            self.speeds = np.array([series[:least] for series in recorded_speeds])
        arrivals = s.arrivals
        if isinstance(arrivals, Trace):
            self.kind = workload.RECORDED
            recorded = data.trace(arrivals, context)
            self.rates, self.sojourns, self.flows = recorded.times, recorded.sizes, recorded.flows
            if len(self.sojourns):
                self.mean_size_s = float(self.sojourns.mean())
            span = float(self.rates[-1]) or 1.0
            if arrivals.scale:
                wanted = self._rate(s)
                self.rates = self.rates * (len(self.rates) / span / wanted)
                span = float(self.rates[-1]) or 1.0
            self.rate_per_s = len(self.rates) / span
            return
        if isinstance(arrivals, Closed):
            self.kind = workload.CLOSED
            self.gap = law_table(arrivals.think, context)
            each = mean_of(arrivals.think) + self.mean_size_s / max(s.servers.speeds)
            self.rate_per_s = arrivals.clients / each
            return
        rate = self.rate_per_s = self._rate(s)
        if isinstance(arrivals, Poisson):
            self.kind = workload.POISSON
        elif isinstance(arrivals, Renewal):
            self.kind = workload.RENEWAL
            self.gap = law_table(arrivals.gap, context, scale=1.0 / rate / mean_of(arrivals.gap))
        elif isinstance(arrivals, Mmpp):
            self.kind = workload.MODULATED
            self.rates, self.sojourns = np.array(arrivals.rates), np.array(arrivals.sojourns_s)
            self.rates = self.rates * (rate * self.sojourns.sum() / (self.rates @ self.sojourns))
        elif isinstance(arrivals, RateSeries):
            self.kind = workload.SERIES
            self.rates = data.rates(arrivals, context)
            self.rates = self.rates * (rate / self.rates.mean())
            self.step_s = arrivals.step_s

    def _rate(self, s: BalancingScenario) -> float:
        if s.rate_per_s is not None:
            return s.rate_per_s
        assert s.load is not None
        return s.load * float(speeds(s) @ cores(s)) / self.mean_size_s


def speeds(s: BalancingScenario) -> Reals:
    """First speed of each server's cores, shape (n,)."""
    return np.resize(np.array(s.servers.speeds, np.float64), s.servers.count)


def cores(s: BalancingScenario) -> NDArray[np.int64]:
    """Cores of each server, shape (n,)."""
    return np.resize(np.array(s.servers.cores, np.int64), s.servers.count)


def make_demand(scenario: BalancingScenario, context: Context) -> Demand:
    """What the scenario's requests need; reads its data files."""
    return Demand(scenario, context)


def make_source(scenario: BalancingScenario, demand: Demand, seed: Seed) -> Source:
    """The source of one trial's requests; its streams depend on the seed alone, not on the method."""
    counts = np.zeros(7, np.int64)
    counts[workload.KIND] = demand.kind
    counts[workload.SPREAD] = {"random": 0, "hash": 1, "round_robin": 2}[scenario.spread]
    counts[workload.FLOWS] = scenario.flows or 0
    counts[workload.TURN] = -1
    weights = np.array(scenario.spread_weights or [1.0] * scenario.balancers)
    clock = np.zeros(4)
    clock[workload.RATE] = 1.0 / demand.rate_per_s
    clock[workload.UNTIL] = -1.0
    clock[workload.STEP] = demand.step_s
    purposes = ("arrivals", "modulation", "sizes", "io", "spread")
    return Source(
        gap=demand.gap,
        size=demand.size,
        io=demand.io,
        rates=demand.rates,
        sojourns=demand.sojourns,
        flows=demand.flows,
        shares=np.cumsum(weights / weights.sum()),
        clock=clock,
        counts=counts,
        **dict(
            zip(
                ("arrivals", "modulation", "sizes", "ios", "spread"),
                (stream(seed.stream(purpose)) for purpose in purposes),
                strict=True,
            )
        ),
    )


def mean_of(law: object) -> float:
    """Mean of a law, s."""
    return float(law.mean_s)  # type: ignore[attr-defined]


def law_table(law: object, context: Context, *, scale: float = 1.0) -> LawTable:
    """A law in numbers, its values multiplied by `scale`."""
    if isinstance(law, Exponential):
        return _table(workload.EXPONENTIAL, scale * law.mean_s)
    if isinstance(law, Deterministic):
        return _table(workload.DETERMINISTIC, scale * law.mean_s)
    if isinstance(law, Erlang):
        return _table(workload.ERLANG, scale * law.mean_s / law.stages, float(law.stages))
    if isinstance(law, Uniform):
        return _table(workload.UNIFORM, scale * law.low_s, scale * law.high_s)
    if isinstance(law, Lognormal):
        sigma = math.sqrt(math.log1p(law.scv))
        return _table(workload.LOGNORMAL, math.log(scale * law.mean_s) - 0.5 * sigma * sigma, sigma)
    if isinstance(law, Hyperexponential):
        p = 0.5 * (1.0 + math.sqrt((law.scv - 1.0) / (law.scv + 1.0)))
        mean = scale * law.mean_s
        return _table(workload.HYPEREXPONENTIAL, 0.5 * mean / p, 0.5 * mean / (1.0 - p), p)
    if isinstance(law, Pareto):
        cut = 1.0 if law.most is None else 1.0 - math.pow(law.most, -law.shape)
        return _table(workload.PARETO, scale * law.least_s, law.shape, cut)
    assert isinstance(law, Empirical)
    from qoslab.domains.balancing import data

    points, shares = data.distribution(law, context)
    mean = float(np.diff(shares) @ (points[1:] + points[:-1])) / 2.0
    table = _table(workload.EMPIRICAL, 0.0)
    return table._replace(points=points * (scale * law.mean_s / mean), shares=shares)


def _table(kind: int, *values: float) -> LawTable:
    numbers = np.zeros(4)
    numbers[: len(values)] = values
    return LawTable(np.array([kind], np.int64), numbers, _NONE, _NONE)
