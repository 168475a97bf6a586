"""`qoslab verify balancing`: closed forms, published tables, another simulator's figures, what learned policies reach.

Closed forms: each check runs fixed seeds, and the exact value must lie in Student's interval over them, at a level
that makes the chance of any false alarm in the whole suite 1 % (Bonferroni). Its half-width must be below 1 % of the
exact value, with `quick` 5 %; a check whose interval is wider fails, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.method import MethodEntry
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import (
    delayed_verification,
    published,
    theory,
    verification_learned,
    verification_simlb,
)
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.verification_forms import HEAVY_LOADS, HEAVY_WEIGHTS, Exact, exact_checks
from qoslab.domains.balancing.world import is_general

__all__ = ["verify"]

FloatArray = NDArray[np.float64]

SEEDS = 20
"""Replications of every check; their seeds are fixed by the check's name."""
SUITE_ERROR = 0.01
"""Chance that any check of a closed form fails although the simulator is right."""


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Check the simulator against closed forms, published tables and SimLB's measured figures."""
    suite = exact_checks(quick=quick)
    level = 1.0 - SUITE_ERROR / len(exact_checks())
    for exact in suite:
        yield _closed_form(exact, level, context, quick=quick)
    yield from delayed_verification.mean_field(context, quick=quick)
    yield from delayed_verification.simulated(context, quick=quick)
    yield from delayed_verification.controlled(context, quick=quick)
    yield from verification_learned.learned(context, quick=quick)
    for row in published.FAIRNESS:
        yield _fairness(row, context, quick=quick)
    yield from verification_simlb.simlb(context, quick=quick)


def _closed_form(exact: Exact, level: float, context: Context, *, quick: bool) -> Check:
    from scipy.special import stdtrit

    values = _figures(exact, context, quick=quick)
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    half = float(stdtrit(SEEDS - 1, 0.5 + level / 2)) * spread / SEEDS**0.5
    low, high = mean - half, mean + half
    bound = (0.05 if quick else 0.01) * exact.expected
    good = exact.expected <= high and half <= bound and (low <= exact.expected or exact.rule == "at least")
    note = "" if half <= bound else f"the half-width {half:.3g} is above {bound:.3g}"
    status: Any = "pass" if good else "fail"
    return Check(exact.name, exact.source, exact.expected, mean, low, high, status, note)


def _figures(exact: Exact, context: Context, *, quick: bool) -> FloatArray:
    """The figure that must meet the value, one for each seed."""
    requests = exact.quick if quick else exact.full
    if exact.rule == "heavy":
        terms = zip(HEAVY_WEIGHTS, HEAVY_LOADS, strict=True)
        scaled = [w * _heavy(exact, load, requests, context, quick=quick) for w, load in terms]
        return np.asarray(np.sum(scaled, axis=0))
    values = _values(exact, exact.scenario, requests, context, quick=quick)
    if exact.rule == "double":
        return 2.0 * _values(exact, _doubled(exact.scenario), 2 * requests, context, quick=quick) - values
    return values


def _heavy(exact: Exact, load: float, requests: int, context: Context, *, quick: bool) -> FloatArray:
    """(1 - rho) times the total work at one load, with the work of one server as fast as all as a control variate.

    Both serve the same requests, and the mean work of the one server is known, so that nearly all noise cancels.
    """
    count = exact.scenario["servers"]["count"]
    requests = round(requests * (1.0 - HEAVY_LOADS[0]) / (1.0 - load))
    apart = dict(exact.scenario) | {"load": load}
    pooled = apart | {"servers": {"count": 1, "speeds": [float(count)]}}
    excess = count * (
        _values(exact, apart, requests, context, quick=quick)
        - _values(exact, pooled, requests, context, quick=quick)
    )
    known = theory.mg1_work(load, 1.0, exact.scenario.get("sizes", {}).get("scv", 1.0))
    return np.asarray((1.0 - load) * (excess + known))


def _values(
    exact: Exact, scenario: Mapping[str, Any], requests: int, context: Context, *, quick: bool
) -> FloatArray:
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
