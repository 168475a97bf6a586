"""Rewards of learners, all from a balancer's own measurements: fairness of completion times over servers, or delay.

With l_j the discounted mean of own completion times on server j (servers without a sample are left out):

| name | reward | source |
|---|---|---|
| `jain` | mean(l)^2 / mean(l^2) - 1 | Jain's index, Yao et al. 2021 |
| `g` | prod sin(pi l_j / (2 max l)) - 1 | G's index, Yao et al. 2021 |
| `bossaer` | prod l_j / max l - 1 | Bossaer's index, Yao et al. 2021 |
| `vbf` | -mean((l_j - mean l)^2) | variance-based fairness, Yao and Ding 2022 |
| `log_vbf` | -log mean((l_j - mean l)^2) | the same |
| `vbf_log_vbf` | the sum of both | the same |
| `ms` | -max l | makespan, the same |
| `pbf` | prod l_j / max l | product-based fairness, the same |
| `delay` | -(mean completion time of the own requests that ended in the step) | ours |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAIRNESS", "REWARDS", "bossaer", "g_index", "jain", "variance"]

Reals = NDArray[np.float64]


def jain(times: Reals) -> float:
    """Jain's index of positive numbers, between 1 / n and 1."""
    return float(times.mean() ** 2 / np.square(times).mean())


def g_index(times: Reals) -> float:
    """G's index of positive numbers, between 0 and 1."""
    return float(np.sin(0.5 * np.pi * times / times.max()).prod())


def bossaer(times: Reals) -> float:
    """Bossaer's index of positive numbers, between 0 and 1."""
    return float((times / times.max()).prod())


def variance(times: Reals) -> float:
    """The variance over servers."""
    return float(times.var())


def _log_variance(times: Reals) -> float:
    return float(np.log(max(variance(times), 1e-12)))


FAIRNESS: Mapping[str, Callable[[Reals], float]] = {
    "jain": lambda times: jain(times) - 1.0,
    "g": lambda times: g_index(times) - 1.0,
    "bossaer": lambda times: bossaer(times) - 1.0,
    "vbf": lambda times: -variance(times),
    "log_vbf": lambda times: -_log_variance(times),
    "vbf_log_vbf": lambda times: -variance(times) - _log_variance(times),
    "ms": lambda times: -float(times.max()),
    "pbf": bossaer,
}
"""Rewards by name, from the l_j of servers that have any sample."""
REWARDS = (*FAIRNESS, "delay")
"""Names of all rewards."""
