"""`qoslab verify balancing`: the simulator against closed forms, published tables and another simulator's figures.

Closed forms: each check runs fixed seeds, and the exact value must lie in Student's interval over them, at a level
that makes the chance of any false alarm in the whole suite 1 % (Bonferroni). Its half-width must be below 1 % of the
exact value, with `quick` 5 %; a check whose interval is wider fails, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.method import MethodEntry
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import delayed_verification, published, theory, verification_simlb
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.world import is_general

__all__ = ["Exact", "exact_checks", "verify"]

SEEDS = 20
"""Replications of every check; their seeds are fixed by the check's name."""
SUITE_ERROR = 0.01
"""Chance that any check of a closed form fails although the simulator is right."""


@dataclass(frozen=True)
class Exact:
    """A value that is known exactly, and the study that must meet it.

    Attributes:
        name: What is checked.
        source: Where the value comes from.
        expected: The value.
        scenario: The scenario's values; `requests` is added.
        method: Name of the policy.
        parameters: The policy's parameters.
        quick: Requests per replication that bring the half-width below 5 %.
        full: Requests per replication that bring the half-width below 1 %.
        metric: The metric that must meet the value.
        double: Whether the value is a limit of many servers: the scenario is run at its size and at twice its
            size, and 2 T(2n) - T(n) removes the error of order 1/n.
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
    double: bool = False


def exact_checks() -> list[Exact]:
    """Every closed form that the simulator is held against."""
    return [*_single_server(), *_many_cores(), *_splits(), *_policies(), *_limits()]


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Check the simulator against closed forms, published tables and SimLB's measured figures."""
    suite = exact_checks()
    level = 1.0 - SUITE_ERROR / len(suite)
    for exact in suite:
        yield _closed_form(exact, level, context, quick=quick)
    yield from delayed_verification.mean_field(context, quick=quick)
    yield from delayed_verification.simulated(context, quick=quick)
    yield from delayed_verification.controlled(context, quick=quick)
    for row in published.FAIRNESS:
        yield _fairness(row, context, quick=quick)
    yield from verification_simlb.simlb(context, quick=quick)


def _closed_form(exact: Exact, level: float, context: Context, *, quick: bool) -> Check:
    from scipy.special import stdtrit

    requests = exact.quick if quick else exact.full
    values = _values(exact, exact.scenario, requests, context, quick=quick)
    if exact.double:
        values = 2.0 * _values(exact, _doubled(exact.scenario), 2 * requests, context, quick=quick) - values
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    half = float(stdtrit(SEEDS - 1, 0.5 + level / 2)) * spread / SEEDS**0.5
    low, high = mean - half, mean + half
    bound = (0.05 if quick else 0.01) * exact.expected
    good = low <= exact.expected <= high and half <= bound
    note = "" if half <= bound else f"the half-width {half:.3g} is above {bound:.3g}"
    status: Any = "pass" if good else "fail"
    return Check(exact.name, exact.source, exact.expected, mean, low, high, status, note)


def _values(
    exact: Exact, scenario: Mapping[str, Any], requests: int, context: Context, *, quick: bool
) -> np.ndarray[Any, Any]:
    """The metric of every seed, shape (SEEDS,)."""
    raw = {"warmup": {"rule": "fraction", "fraction": 0.1}} | dict(scenario)
    world = BalancingScenario.model_validate(raw | ({} if "duration_s" in raw else {"requests": requests}))
    entry = registry.method("balancing", exact.method)
    if exact.metric in {"response_time_mean_s", "utilisation"} and not _shares_a_kernel(
        entry, world, quick=quick
    ):
        world = world.model_copy(update={"metrics": "mean"})
    seeds = [Seed(0, "verify", exact.name, replication) for replication in range(SEEDS)]
    outcomes = run(world, entry.cls(**exact.parameters), seeds, context)
    return np.array([outcome.metrics[exact.metric] for outcome in outcomes])


def _shares_a_kernel(entry: MethodEntry, world: BalancingScenario, *, quick: bool) -> bool:
    """Whether other rows need the event loop that measures all, so that one for means alone is not worth compiling.

    Means alone are measured faster, which pays in long runs; a probing policy finds the loop of the delayed rows.
    """
    return is_general(world) or (quick and entry.information != "probing")


def _doubled(scenario: Mapping[str, Any]) -> dict[str, Any]:
    servers = dict(scenario["servers"])
    return dict(scenario) | {
        "servers": servers | {"count": 2 * servers["count"]},
        "balancers": 2 * scenario.get("balancers", 1) if scenario.get("balancers", 1) > 1 else 1,
    }


def _single_server() -> Iterator[Exact]:
    one = {"servers": {"count": 1}}
    shared = {"servers": {"count": 1, "discipline": {"kind": "ps"}}}
    two_phase = {"sizes": {"law": "hyperexponential", "scv": 4.0}}
    for rho, quick, full in ((0.5, 20_000, 200_000), (0.8, 60_000, 1_000_000), (0.9, 260_000, 7_500_000)):
        name = f"M/M/1 mean response time, rho = {rho}"
        yield Exact(name, "1 / (mu - lambda)", theory.mm1(rho), one | {"load": rho}, "random", quick, full)
    yield Exact(
        "M/M/1 99th percentile of the response time, rho = 0.8",
        "exponential law, -ln 0.01 / (mu - lambda)",
        -np.log(0.01) * theory.mm1(0.8),
        one | {"load": 0.8},
        "random",
        200_000,
        8_000_000,
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
        500_000,
    )
    yield Exact(
        "M/G/1, SCV = 4, rho = 0.7",
        "Pollaczek and Khinchine",
        theory.mg1(0.7, 1.0, 4.0),
        one | {"load": 0.7} | two_phase,
        "random",
        200_000,
        4_000_000,
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
    for rho, quick, full in ((0.8, 40_000, 700_000), (0.9, 120_000, 2_500_000)):
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
    for rho, quick, full in ((0.5, 20_000, 280_000), (0.8, 50_000, 900_000), (0.9, 200_000, 6_000_000)):
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
    for d, rho, quick, full in (
        (2, 0.7, 20_000, 200_000),
        (2, 0.9, 60_000, 1_000_000),
        (3, 0.9, 60_000, 1_000_000),
    ):
        yield Exact(
            f"JSQ({d}) as servers grow without bound, rho = {rho}",
            "mean field; 2 T(2n) - T(n), n = 128",
            theory.jsq_d_mean_field(d, rho),
            {"servers": {"count": 128}, "load": rho},
            "jsq",
            quick,
            full,
            parameters={"d": d},
            double=True,
        )
    yield Exact(
        "JIQ, 10 servers per balancer, rho = 0.9",
        "mean field, random reports; 2 T(2n) - T(n), n = 200",
        theory.jiq_random(10, 0.9),
        {"servers": {"count": 200}, "balancers": 20, "load": 0.9},
        "jiq",
        60_000,
        1_400_000,
        double=True,
    )


def _fairness(row: published.Fairness, context: Context, *, quick: bool) -> Check:
    """Two servers of 4 and 2 cores, identical tasks; mean Jain index of residual work."""
    raw = published.two_servers(row.load) | {"requests": 6_000 if quick else 60_000}
    name = f"table A {row.policy} {row.load}"
    got = _mean(raw, row.policy, "fairness_jain", name, context, parameters=row.parameters)
    return Check.within(
        f"Jain index, 4 + 2 cores, load {row.load:g}, {row.policy}",
        "SimLB, run by us, one seed",
        expected=row.index,
        got=got,
        low=row.index - 0.03,
        high=row.index + 0.03,
        note=f"RLB poster, table A: {row.poster}" if row.poster else row.note,
    )


def _mean(
    raw: Mapping[str, Any],
    policy: str,
    metric: str,
    name: str,
    context: Context,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> float:
    world = BalancingScenario.model_validate(dict(raw))
    method = registry.method("balancing", policy).cls(**(parameters or {}))
    outcomes = run(world, method, [Seed(0, "verify", name, k) for k in range(10)], context)
    return float(np.mean([outcome.metrics[metric] for outcome in outcomes]))
