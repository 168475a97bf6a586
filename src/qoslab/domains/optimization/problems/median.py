"""Weighted distances in the 1-norm: convex, not smooth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["Median"]


@dataclass(frozen=True, eq=False)
class Median(Costs):
    """f_i(x) = w_i ||x - p_i||_1, minimised by the weighted median in each coordinate.

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
        return np.asarray(self.weight * np.abs(x - self.point).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """The subgradient that is 0 at the kink, shape (rows, p)."""
        return self.weight[:, None] * np.sign(x - self.point)

    def linear_program(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(cost, table, bound) of min cost @ (x, t) with table @ (x, t) <= bound and t_ip >= |x_p - p_ip|."""
        n, p = self.point.shape
        cost = np.append(np.zeros(p), np.repeat(self.weight, p))
        picks, slack = np.tile(np.eye(p), (n, 1)), np.eye(n * p)
        table = np.vstack([np.hstack([picks, -slack]), np.hstack([-picks, -slack])])
        bound = np.append(self.point.ravel(), -self.point.ravel())
        return cost, table, bound
