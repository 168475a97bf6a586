"""The simulator against SimLB, the simulator of RLB's authors: every figure that was measured with it.

A figure rests on one run of SimLB, or on three. Its tolerance is that of a run of the same length here: with the
deviation of log(figure) over our seeds, Student's interval for the difference between the mean of their runs and the
mean of ours, at a level that makes the chance of any false alarm over all rows 1 % (Bonferroni). Rows that state a
tolerance of their own keep it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.published import SIMLB, SIMLB_LEFT_OUT, SimLb
from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["simlb"]

SUITE_ERROR = 0.01
"""Chance that any row with a computed tolerance fails although both simulators draw from the same law."""
SEEDS = 40
QUICK_SEEDS = 10


def simlb(context: Context, *, quick: bool) -> Iterator[Check]:
    """Every figure; where quick only those with a stated tolerance, which ten seeds are enough for."""
    computed = sum(row.tolerance is None for row in SIMLB)
    rows = [row for row in SIMLB if row.tolerance is not None] if quick else SIMLB
    for _, same in groupby(rows, key=lambda row: (row.system.name, row.policy, repr(row.parameters))):
        group = list(same)
        figures = _figures(group[0], context, seeds=QUICK_SEEDS if quick else SEEDS)
        for row in group:
            yield _judged(row, figures[row.metric], SUITE_ERROR / computed)
    if not quick:
        for left_out in SIMLB_LEFT_OUT:
            yield Check.not_run(
                left_out.name, "SimLB, run by us, one seed", expected=left_out.value, note=left_out.reason
            )


def _figures(row: SimLb, context: Context, *, seeds: int) -> Mapping[str, NDArray[np.float64]]:
    """Our metrics of the row's system and policy, each of shape (seeds,)."""
    system = row.system
    world = BalancingScenario.model_validate({**system.scenario, "requests": system.flows, **row.changed})
    method = registry.method("balancing", row.policy).cls(**row.parameters)
    replications = [Seed(0, "verify", f"simlb {system.name}", k) for k in range(seeds)]
    outcomes = list(run(world, method, replications, context))
    return {name: np.array([o.metrics[name] for o in outcomes]) for name in outcomes[0].metrics}


def _judged(row: SimLb, values: NDArray[np.float64], error: float) -> Check:
    got = float(values.mean())
    if row.tolerance is None:
        factor = math.exp(_half_width(np.log(values), row.runs, error))
        low, high = row.value / factor, row.value * factor
    else:
        low, high = row.value * (1 - row.tolerance), row.value * (1 + row.tolerance)
    seeds = "one seed" if row.runs == 1 else f"{row.runs} seeds of its own"
    return Check.within(
        row.name,
        f"SimLB, run by us, {seeds}",
        expected=row.value,
        got=got,
        low=low,
        high=high,
        note=row.note,
    )


def _half_width(values: NDArray[Any], runs: int, error: float) -> float:
    """How far the mean of so many other runs may lie from the mean of these, with this chance of lying farther."""
    from scipy.special import stdtrit

    count = len(values)
    rank = float(stdtrit(count - 1, 1.0 - 0.5 * error))
    return rank * float(values.std(ddof=1)) * math.sqrt(1.0 / runs + 1.0 / count)
