"""Euclidean distances: where to meet when everybody walks straight there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["Distance", "geometric_median"]

_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class Distance(Costs):
    """f_i(x) = w_i ||x - p_i||_2: convex, not smooth at p_i. Its sum is least at the geometric median.

    Attributes:
        weight: w, shape (rows,).
        point: p, shape (rows, p).
    """

    weight: FloatArray
    point: FloatArray

    @property
    def dimension(self) -> int:
        """P."""
        return int(self.point.shape[1])

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        return np.asarray(self.weight * np.linalg.norm(x - self.point, axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """The subgradient that is 0 at p_i, shape (rows, p)."""
        apart = x - self.point
        length = np.linalg.norm(apart, axis=1, keepdims=True)
        return np.asarray(self.weight[:, None] * apart / np.where(length > 0, length, 1.0))


def geometric_median(costs: Distance) -> FloatArray:
    """x*, shape (p,): Weiszfeld's iteration with Vardi and Zhang's step out of a data point (PNAS 97, 2000).

    A data point at which nothing pulls harder than its own weight is the optimum, and is found exactly.
    """
    for i, point in enumerate(costs.point):
        if np.linalg.norm(_pull(costs, point)) <= costs.weight[_at(costs, point)].sum() * (1.0 + 1e-12):
            return np.asarray(costs.point[i])
    x = np.average(costs.point, axis=0, weights=costs.weight)
    for _ in range(_STEPS):
        here = _at(costs, x)
        share = np.zeros(len(costs.weight))
        share[~here] = costs.weight[~here] / np.linalg.norm(costs.point[~here] - x, axis=1)
        pull = _pull(costs, x)
        step = pull / share.sum()
        if here.any():
            step *= max(0.0, 1.0 - costs.weight[here].sum() / np.linalg.norm(pull))
        if np.abs(step).max() <= 1e-15 * (1.0 + np.abs(x).max()):
            break
        x = x + step
    return np.asarray(x)


def _at(costs: Distance, x: FloatArray) -> np.ndarray:
    return np.asarray((costs.point == x).all(axis=1))


def _pull(costs: Distance, x: FloatArray) -> FloatArray:
    """The sum of the unit vectors towards all points that x is not, by weight."""
    return np.asarray(-costs.gradient(np.broadcast_to(x, costs.point.shape)).sum(axis=0))
