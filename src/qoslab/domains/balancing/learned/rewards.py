"""Rewards of learners, all from a balancer's own measurements: fairness of completion times over servers, or delay.

With l_j the discounted mean of own completion times on server j (servers without a sample are left out; without any the
reward is 0). A rule takes one row of l_j or many, over the last axis:

| name | reward | source |
|---|---|---|
| `jain` | mean(l)^2 / mean(l^2) - 1 | Jain's index, Yao et al. 2021 |
| `g` | prod sin(pi l_j / (2 max l)) - 1 | G's index, Yao et al. 2021 |
| `bossaer` | prod l_j / max l - 1 | Bossaer's index, Yao et al. 2021 |
| `vbf` | -mean((l_j - mean l)^2) | variance-based fairness, Yao and Ding 2022 |
| `log_vbf` | -log mean((l_j - mean l)^2), 0 for fewer than two servers | the same |
| `vbf_log_vbf` | the sum of both | the same |
| `ms` | -max l | makespan, the same |
| `pbf` | prod l_j / max l | product-based fairness, the same |
| `delay` | -(mean completion time of the own requests that ended in the step) | ours |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAIRNESS", "REWARDS", "bossaer", "fairness", "g_index", "jain", "variance"]

Reals = NDArray[np.float64]

_LEAST = 1e-12
"""Variances below are taken for this, so that their logarithm is finite."""


def jain(times: Reals) -> Any:
    """Jain's index of positive numbers, between 1 / n and 1."""
    return times.mean(axis=-1) ** 2 / np.square(times).mean(axis=-1)


def g_index(times: Reals) -> Any:
    """G's index of positive numbers, between 0 and 1."""
    return np.sin(0.5 * np.pi * times / _most(times)).prod(axis=-1)


def bossaer(times: Reals) -> Any:
    """Bossaer's index of positive numbers, between 0 and 1."""
    return (times / _most(times)).prod(axis=-1)


def variance(times: Reals) -> Any:
    """The variance over servers."""
    return times.var(axis=-1)


def _most(times: Reals) -> Reals:
    return np.asarray(times.max(axis=-1, keepdims=True))


def _log_variance(times: Reals) -> Any:
    """Its logarithm. One server has no spread to judge, and its variance of 0 must not look like perfect fairness."""
    if times.shape[-1] < 2:
        return np.zeros(times.shape[:-1])
    return np.log(np.maximum(variance(times), _LEAST))


FAIRNESS: Mapping[str, Callable[[Reals], Any]] = {
    "jain": lambda times: jain(times) - 1.0,
    "g": lambda times: g_index(times) - 1.0,
    "bossaer": lambda times: bossaer(times) - 1.0,
    "vbf": lambda times: -variance(times),
    "log_vbf": lambda times: -_log_variance(times),
    "vbf_log_vbf": lambda times: -variance(times) - _log_variance(times),
    "ms": lambda times: -times.max(axis=-1),
    "pbf": bossaer,
}
"""Rewards by name, from the l_j of servers that have any sample; shape (..., n) to shape (...)."""
REWARDS = (*FAIRNESS, "delay")
"""Names of all rewards."""


def fairness(name: str, means: Reals) -> Reals:
    """Rewards of many balancers at once.

    Args:
        name: A name in `FAIRNESS`.
        means: l_j of each, 0 where a server has no sample, shape (k, n).

    Returns:
        Shape (k,); 0 where no server has a sample.
    """
    rule, known = FAIRNESS[name], means > 0.0
    rewards = np.zeros(len(means))
    whole = known.all(axis=1)
    if whole.any():
        rewards[whole] = rule(means[whole])
    for k in np.flatnonzero(~whole & known.any(axis=1)):
        rewards[k] = rule(means[k, known[k]])
    return rewards
