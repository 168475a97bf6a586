"""Every closed form that the simulator is held against, and the study that must meet it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from qoslab.domains.balancing import theory

__all__ = ["HEAVY_LOADS", "HEAVY_WEIGHTS", "Exact", "Rule", "exact_checks"]

Rule = Literal["plain", "double", "heavy", "at least"]
"""How a row's figure comes from runs, and what it must do.

plain: the metric as it is. double: the value is a limit of many servers; the scenario is run at its size and at twice
its size, and 2 T(2n) - T(n) removes the error of order 1/n. heavy: the value is a limit of heavy traffic; (1 - rho)
times the total work at three loads is extrapolated to rho = 1. at least: the value is a lower bound.
"""

HEAVY_LOADS = (0.95, 0.9, 0.8)
HEAVY_WEIGHTS = (8.0 / 3.0, -2.0, 1.0 / 3.0)
"""With 1 - rho = e, 2 e, 4 e these weights leave neither the term of order e nor that of order e^2 (Richardson)."""


@dataclass(frozen=True)
class Exact:
    """A value that is known exactly, and the study that must meet it.

    Attributes:
        name: What is checked.
        source: Where the value comes from.
        expected: The value.
        scenario: The scenario's values; `requests` is added.
        method: Name of the policy.
        quick: Requests per replication that bring the half-width below 5 %; 0 for a row of the full run alone.
        full: Requests per replication that bring the half-width below 1 %.
        parameters: The policy's parameters.
        metric: The metric that must meet the value.
        rule: How the figure comes from runs.
    """

    name: str
    source: str
    expected: float
    scenario: Mapping[str, Any]
    method: str
    quick: int
    full: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metric: str = "response_time_mean_s"
    rule: Rule = "plain"


def exact_checks(*, quick: bool = False) -> list[Exact]:
    """Every closed form that the simulator is held against; where quick those of a quick run."""
    suite = [*_single_server(), *_many_cores(), *_splits(), *_policies(), *_limits(), *_pooled()]
    return [exact for exact in suite if exact.quick or not quick]


def _single_server() -> Iterator[Exact]:
    one = {"servers": {"count": 1}}
    shared = {"servers": {"count": 1, "discipline": {"kind": "ps"}}}
    two_phase = {"sizes": {"law": "hyperexponential", "scv": 4.0}}
    for rho, quick, full in ((0.5, 20_000, 240_000), (0.8, 60_000, 1_200_000), (0.9, 320_000, 9_500_000)):
        name = f"M/M/1 mean response time, rho = {rho}"
        yield Exact(name, "1 / (mu - lambda)", theory.mm1(rho), one | {"load": rho}, "random", quick, full)
    yield Exact(
        "M/M/1 99th percentile of the response time, rho = 0.8",
        "exponential law, -ln 0.01 / (mu - lambda)",
        -np.log(0.01) * theory.mm1(0.8),
        one | {"load": 0.8},
        "random",
        200_000,
        9_500_000,
        metric="response_time_p99_s",
    )
    deterministic = one | {"load": 0.8, "sizes": {"law": "deterministic"}}
    yield Exact(
        "M/D/1, rho = 0.8",
        "Pollaczek and Khinchine",
        theory.md1(0.8),
        deterministic,
        "random",
        30_000,
        600_000,
    )
    for rho, quick, full in ((0.7, 200_000, 4_500_000), (0.9, 0, 24_000_000)):
        yield Exact(
            f"M/G/1, SCV = 4, rho = {rho}",
            "Pollaczek and Khinchine",
            theory.mg1(rho, 1.0, 4.0),
            one | {"load": rho} | two_phase,
            "random",
            quick,
            full,
        )
    laws: dict[str, dict[str, Any]] = {
        "exponential": {"law": "exponential"},
        "deterministic": {"law": "deterministic"},
        "hyperexponential": two_phase["sizes"],
    }
    for law, sizes in laws.items():
        yield Exact(
            f"M/G/1 processor sharing, {law} sizes, rho = 0.7",
            "insensitivity, E[S] / (1 - rho)",
            theory.mg1_ps(0.7),
            shared | {"load": 0.7, "sizes": sizes},
            "random",
            60_000,
            1_200_000,
        )
    for law, quick in (("exponential", 0), ("hyperexponential", 60_000)):
        yield Exact(
            f"M/G/1 processor sharing, {law} sizes, rho = 0.7: response time per own size",
            "conditional response time x / (1 - rho)",
            theory.mg1_ps_conditional(1.0, 0.7),
            shared | {"load": 0.7, "sizes": laws[law]},
            "random",
            quick,
            1_200_000,
            metric="slowdown_mean",
        )
    yield Exact(
        "M/M/1/8 share of rejected requests, rho = 1.2",
        "birth-death chain",
        theory.mm1k_loss(1.2, 8),
        {"servers": {"count": 1, "limit": 8}, "load": 1.2},
        "random",
        40_000,
        600_000,
        metric="rejected_share",
    )
    yield Exact(
        "closed loop of 10 clients, think time 5, one server",
        "finite source M/M/1//N",
        theory.finite_source(10, 5.0),
        {
            "servers": {"count": 1},
            "arrivals": {"kind": "closed", "clients": 10, "think": {"law": "exponential", "mean_s": 5.0}},
        },
        "random",
        30_000,
        500_000,
    )


def _many_cores() -> Iterator[Exact]:
    for rho, quick, full in ((0.8, 40_000, 800_000), (0.9, 120_000, 3_000_000)):
        yield Exact(
            f"M/M/8 mean response time, rho = {rho}",
            "Erlang C",
            theory.mmc(8, 8 * rho),
            {"servers": {"count": 1, "cores": [8]}, "load": rho},
            "random",
            quick,
            full,
        )


def _splits() -> Iterator[Exact]:
    eight = {"servers": {"count": 8}, "load": 0.8}
    yield Exact(
        "random split over 8 M/M/1, rho = 0.8",
        "1 / (mu - lambda)",
        theory.mm1(0.8),
        eight,
        "random",
        60_000,
        1_000_000,
    )
    yield Exact(
        "round robin over 8 servers, rho = 0.8",
        "Erlang-8 arrivals, GI/M/1",
        theory.erlang_arrivals_m1(8, 0.8),
        eight,
        "round_robin",
        40_000,
        1_000_000,
    )
    speeds = (4.0, 2.0, 1.0, 0.5)
    split = theory.heterogeneous_split(0.7 * sum(speeds), speeds)
    used = tuple(float(share) for share in split)
    yield Exact(
        "best static split over unequal M/M/1, rho = 0.7",
        "square-root rule",
        theory.split_response_time(
            [x for x in used if x > 0], [s for s, x in zip(speeds, used, strict=True) if x > 0]
        ),
        {
            "servers": {"count": 4, "speeds": list(speeds), "weights": [max(x, 1e-12) for x in used]},
            "load": 0.7,
        },
        "weighted_random",
        60_000,
        1_000_000,
    )


def _policies() -> Iterator[Exact]:
    for rho, quick, full in (
        (0.5, 20_000, 330_000),
        (0.7, 40_000, 600_000),
        (0.8, 55_000, 1_100_000),
        (0.9, 210_000, 7_200_000),
    ):
        yield Exact(
            f"JSQ over two servers, rho = {rho}",
            "balance equations of the chain",
            theory.jsq_two_exact(rho, limit=250),
            {"servers": {"count": 2}, "load": rho},
            "jsq",
            quick,
            full,
        )


def _limits() -> Iterator[Exact]:
    for d, rho, n, quick, full in (
        (2, 0.7, 128, 20_000, 240_000),
        (2, 0.8, 128, 0, 400_000),
        (2, 0.9, 128, 60_000, 1_200_000),
        (2, 0.95, 512, 0, 3_600_000),
        (3, 0.9, 128, 60_000, 1_200_000),
    ):
        yield Exact(
            f"JSQ({d}) as servers grow without bound, rho = {rho}",
            f"mean field; 2 T(2n) - T(n), n = {n}",
            theory.jsq_d_mean_field(d, rho),
            {"servers": {"count": n}, "load": rho, "warmup": _warmup(rho)},
            "jsq",
            quick,
            full,
            parameters={"d": d},
            rule="double",
        )
    for ratio, rho, n, quick, full in (
        (10, 0.9, 200, 60_000, 1_700_000),
        (40, 0.9, 800, 0, 450_000),
        (10, 0.7, 200, 0, 150_000),
    ):
        yield Exact(
            f"JIQ, {ratio} servers per balancer, rho = {rho}",
            f"mean field, random reports; 2 T(2n) - T(n), n = {n}",
            theory.jiq_random(ratio, rho),
            {"servers": {"count": n}, "balancers": n // ratio, "load": rho},
            "jiq",
            quick,
            full,
            rule="double",
        )
    yield Exact(
        "JSQ over 400 servers, rho = 0.8: nobody waits",
        "T -> E[S] as servers grow at a fixed load",
        1.0,
        {"servers": {"count": 400}, "load": 0.8},
        "jsq",
        10_000,
        100_000,
    )


def _warmup(rho: float) -> dict[str, Any]:
    """The usual tenth; at the highest loads, where a start from empty takes longest to be forgotten, a third."""
    return {"rule": "fraction", "fraction": 0.1 if rho < 0.95 else 1.0 / 3.0}


def _pooled() -> Iterator[Exact]:
    """What servers apart have in common with one that is as fast as all."""
    for law, scv, quick, full in (
        ("exponential", 1.0, 15_000, 400_000),
        ("hyperexponential", 4.0, 0, 400_000),
    ):
        yield Exact(
            f"JSQ over two servers in heavy traffic, {law} sizes: (1 - rho) total work",
            "one pooled M/G/1, (1 + SCV) / 2; rho = 0.8, 0.9, 0.95 extrapolated to 1",
            theory.heavy_traffic_work(1.0, scv),
            {"servers": {"count": 2}, "sizes": {"law": law} | ({"scv": scv} if scv > 1.0 else {})},
            "jsq",
            quick,
            full,
            metric="residual_work_mean_s",
            rule="heavy",
        )
    cores = {"servers": {"count": 8, "cores": [1, 2]}, "load": 0.8}
    for policy in ("sed", "lsq", "little"):
        yield Exact(
            f"{policy} over 12 cores in 8 servers, rho = 0.8: no better than pooled cores",
            "lower bound for any blind policy, M/M/12",
            theory.mmc(12, 9.6),
            cores,
            policy,
            20_000 if policy == "sed" else 0,
            350_000,
            rule="at least",
        )
        yield Exact(
            f"{policy} over speeds 4 and 1, rho = 0.1: no better than the fastest server alone",
            "lower bound for any blind policy, E[S] / largest speed",
            0.25,
            {"servers": {"count": 2, "speeds": [4.0, 1.0]}, "load": 0.1},
            policy,
            10_000 if policy == "sed" else 0,
            180_000,
            rule="at least",
        )
