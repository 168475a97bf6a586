"""Figures of others that the simulator is held against, each with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "DELAYED",
    "FAIRNESS",
    "SIMLB",
    "SIMLB_LEFT_OUT",
    "Delayed",
    "Fairness",
    "LeftOut",
    "SimLb",
    "System",
    "two_servers",
]


@dataclass(frozen=True)
class Fairness:
    """A Jain index of residual work, one balancer and two servers of 4 and 2 cores with identical tasks.

    Attributes:
        policy: Our name of the policy.
        load: The load.
        index: The index that SimLB gave when we ran it.
        poster: The index that the poster gives for its single run; None where it gives none.
        parameters: Parameters of our policy.
        note: What was inferred about the policy that SimLB ran.
    """

    policy: str
    load: float
    index: float
    poster: float | None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class System:
    """A system that SimLB was run on.

    Attributes:
        name: What it is.
        flows: Requests of a run.
        scenario: Our scenario of it.
    """

    name: str
    flows: int
    scenario: Mapping[str, Any]


@dataclass(frozen=True)
class SimLb:
    """A figure that SimLB gave.

    Attributes:
        system: The system.
        policy: Our name of the policy.
        metric: Our name of the metric.
        value: Mean over its runs; s for times.
        runs: How many runs that is.
        tolerance: Relative; None where it is computed from the spread of our own runs.
        parameters: Parameters of our policy.
        changed: What differs from the system's scenario.
        note: What a reader must know.
    """

    system: System
    policy: str
    metric: str
    value: float
    runs: int = 1
    tolerance: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        """What is compared, such as `1 balancer, 8 servers, load 0.8: p99 of lsq`."""
        metric = self.metric.removeprefix("response_time_").removesuffix("_s").replace("_", " ")
        told = ", ".join(f"{key} = {value}" for key, value in self.parameters.items())
        return f"{self.system.name}: {metric} of {self.policy}{f' ({told})' if told else ''}"


@dataclass(frozen=True)
class LeftOut:
    """A figure of SimLB that is not compared, and why."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True)
class Delayed:
    """Drops per queue over 500 mean service times under information of age 0 to dt."""

    dt: float
    policy: str
    beta: float
    drops: float


_FAIRNESS: dict[str, dict[float, tuple[float, float | None]]] = {
    "weighted_random": {0.6: (0.756, 0.753), 0.8: (0.750, 0.788), 0.9: (0.782, 0.787)},
    "lsq": {0.6: (0.768, 0.768), 0.8: (0.794, 0.789), 0.9: (0.799, 0.806)},
    "sed": {0.6: (0.820, 0.841), 0.8: (0.889, 0.902), 0.9: (0.926, 0.929)},
    "lwl": {0.6: (0.880, None), 0.8: (0.931, None), 0.9: (0.951, None)},
}

_TIME_LEFT = (
    "SimLB's srt was inferred to compare time left, not work left: of the two readings only this one "
    "agrees at all three loads"
)
_READING: dict[str, tuple[dict[str, Any], str]] = {"lwl": ({"compare": "time"}, _TIME_LEFT)}

FAIRNESS = tuple(
    Fairness(policy, load, ours, poster, *_READING.get(policy, ({}, "")))
    for policy, row in _FAIRNESS.items()
    for load, (ours, poster) in row.items()
)
"""Our runs of SimLB, which reproduce table A of the RLB poster (arXiv 2111.00008); beside them the poster's figures.

The poster has no row for `srt`, our `lwl`. With `compare = "work"` our index is .819, .850 and .862 at the three
loads, with `compare = "time"` .863, .926 and .955; SimLB gave .880, .931 and .951.
"""

_LINK = {"hop_s": [0.0001, 0.001], "node_s": [0.000001, 0.00001]}
_SIMLB = {"network": _LINK, "retry": {"delay_s": 40.0}, "sizes": {"law": "exponential", "mean_s": 0.5}}


def two_servers(load: float) -> dict[str, Any]:
    """The poster's system: one balancer, servers of 4 and 2 cores, tasks of 0.1 s."""
    return {
        "servers": {"count": 2, "cores": [4, 2], "limit": 64, "weights": "cores"},
        "load": load,
        "sizes": {"law": "deterministic", "mean_s": 0.1},
        "network": _LINK,
        "retry": {"delay_s": 40.0},
    }


def _system(balancers: int, count: int, cores: list[int], load: float) -> dict[str, Any]:
    servers = {"count": count, "cores": cores, "limit": 64, "weights": "cores"}
    return {"servers": servers, "balancers": balancers, "load": load} | _SIMLB


_SMALL = System("1 balancer, 8 servers, load 0.8", 6_000, _system(1, 8, [1, 2], 0.8))
_LARGE = System("2 balancers, 64 servers, load 0.9", 10_000, _system(2, 64, [2, 4], 0.9))
_NOT_SAID = "the length of SimLB's run was not noted: that of its other runs of this size is taken"
_EQUAL_LARGE = System("1 balancer, 64 equal servers, load 0.9", 10_000, _system(1, 64, [1], 0.9))
_EQUAL_SMALL = System("1 balancer, 8 equal servers, load 0.8", 6_000, _system(1, 8, [1], 0.8))
_METRICS = ("response_time_mean_s", "response_time_p95_s", "response_time_p99_s", "fairness_jain")
_SOJOURN = (
    "SimLB's time begins in the server, ours at the client: here rejected requests, which it sends again after 40 s, "
    "are not sent again"
)

_LEAST_AGREED = (
    f"{_TIME_LEFT}; of all rows its index here is the farthest off for its tolerance, .69 by either reading"
)

_THREE_RUNS: dict[tuple[str, str], tuple[tuple[float, float | None], ...]] = {
    (_SMALL.name, "lsq"): ((0.718, 0.08), (3.06, 0.12)),
    (_SMALL.name, "sed"): ((0.631, 0.08), (2.60, 0.12)),
    (_SMALL.name, "weighted_random"): ((1.87, 0.20), (9.43, None)),
    (_LARGE.name, "lsq"): ((0.663, 0.10), (2.58, None)),
    (_LARGE.name, "sed"): ((0.513, 0.10), (2.28, None)),
}
"""Mean and 99th percentile of three runs, each with its tolerance; tolerances that stand here were set at the start."""

_D2: dict[str, Any] = {"d": 2}
_ONE_RUN: tuple[tuple[System, str, dict[str, Any], tuple[float, ...]], ...] = (
    (_SMALL, "random", {}, (10.90, 33.1, 37.8, 0.477)),
    (_SMALL, "weighted_random", {}, (2.125, 6.51, 13.6, 0.461)),
    (_SMALL, "lsq", {}, (0.720, 2.09, 3.20, 0.583)),
    (_SMALL, "lsq_d", {}, (0.940, 2.65, 3.99, 0.565)),
    (_SMALL, "sed", {}, (0.623, 1.76, 2.60, 0.569)),
    (_SMALL, "sed_d", {}, (0.822, 2.24, 3.36, 0.560)),
    (_SMALL, "jsq", {}, (0.735, 2.07, 3.16, 0.591)),
    (_SMALL, "jsq", _D2, (1.139, 3.26, 4.74, 0.594)),
    (_SMALL, "lwl", {"compare": "time"}, (0.732, 1.80, 2.61, 0.745)),
    (_SMALL, "active_wcmp", {}, (1.317, 3.89, 6.36, 0.559)),
    (_SMALL, "hlb", _D2, (0.855, 2.44, 3.62, 0.566)),
    (_LARGE, "weighted_random", {}, (1.423, 3.90, 5.30, 0.533)),
    (_LARGE, "lsq", {}, (0.638, 1.72, 2.47, 0.685)),
    (_LARGE, "lsq_d", {}, (1.041, 2.65, 3.59, 0.653)),
    (_LARGE, "sed", {}, (0.512, 1.49, 2.31, 0.710)),
    (_LARGE, "sed_d", {}, (0.796, 2.02, 2.86, 0.678)),
    (_LARGE, "jsq", {}, (0.630, 1.73, 2.55, 0.692)),
    (_LARGE, "jsq", _D2, (0.803, 2.09, 2.86, 0.668)),
    (_EQUAL_LARGE, "lsq_d", {}, (1.436, 3.49, 4.88, 0.599)),
    (_EQUAL_LARGE, "lsq", {}, (0.591, 1.74, 2.66, 0.478)),
    (_EQUAL_SMALL, "random", {}, (2.673, 7.89, 10.5, 0.499)),
)
"""Mean, 95th and 99th percentile of the time in the server, s, and Jain's index of residual work."""


def _of_three_runs(system: System, policy: str) -> Iterator[SimLb]:
    figures = _THREE_RUNS.get((system.name, policy), ())
    for metric, (value, tolerance) in zip(_METRICS[::2], figures, strict=False):
        yield SimLb(system, policy, metric, value, runs=3, tolerance=tolerance)


def _simlb() -> Iterator[SimLb]:
    for system, policy, parameters, values in _ONE_RUN:
        better = {} if parameters else {row.metric: row for row in _of_three_runs(system, policy)}
        yield from better.values()
        changed, note = _reservation(system, policy)
        for metric, value in zip(_METRICS, values, strict=True):
            if metric not in better:
                yield SimLb(system, policy, metric, value, parameters=parameters, changed=changed, note=note)


def _reservation(system: System, policy: str) -> tuple[dict[str, Any], str]:
    """What differs from the system's scenario, and what a reader must know of the figures."""
    if system is _SMALL and policy == "random":
        return {"retry": None}, _SOJOURN
    if system in (_EQUAL_SMALL, _EQUAL_LARGE):
        return {}, _NOT_SAID
    if policy == "lwl":
        return {}, _LEAST_AGREED
    return {}, ""


SIMLB = tuple(_simlb())
"""Our runs of SimLB (branch rlb): three runs where there are as many, else one; the first tenth is dropped."""

_HLB = (
    "left out: our {ours} s come from another policy. SimLB's hlb takes ages from a reservoir whose empty places count "
    "as zeros of full freshness, and applies its score twice; ours reads the ages of open requests"
)
SIMLB_LEFT_OUT = tuple(
    LeftOut(f"{_SMALL.name}: {name} of hlb", value, _HLB.format(ours=ours))
    for name, value, ours in (("mean", 1.209, 0.67), ("p95", 2.95, 1.94), ("p99", 3.91, 2.91))
)
"""The figures that our policy of the same name does not meet, and why."""

DELAYED = tuple(
    Delayed(dt, policy, beta, drops)
    for dt, beta, values in (
        (1.0, 2.0, (38.3, 2.45, 3.17)),
        (3.0, 2.0, (39.9, 17.72, 17.68)),
        (5.0, 0.8, (40.0, 31.3, 28.3)),
        (7.0, 0.3, (39.8, 41.1, 33.3)),
        (10.0, 0.2, (41.0, 52.8, 37.7)),
    )
    for policy, drops in zip(("rnd", "jsq2", "softmin"), values, strict=True)
)
"""Our reference computation with 8 arrival sequences, for the model of arXiv 2208.04777."""
