"""Smooth costs near their optimum: quadratics with the second derivatives that each agent's cost has there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["Bent", "bent_at"]

_MOST = 20_000_000
"""More numbers in all second derivatives are not held."""


@dataclass(frozen=True, eq=False)
class Bent(Costs):
    """f_i(x) = x^T H_i x / 2, x being the distance from the optimum.

    Attributes:
        bend: H, symmetric, shape (rows, p, p).
    """

    bend: FloatArray

    @property
    def dimension(self) -> int:
        """P."""
        return int(self.bend.shape[1])

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        return np.asarray(0.5 * (x * self.gradient(x)).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """H_i x_i, shape (rows, p)."""
        return np.asarray(np.einsum("ipq,iq->ip", self.bend, x))

    def hessian(self, x: FloatArray) -> FloatArray:  # noqa: ARG002
        """H, shape (rows, p, p)."""
        return self.bend


def bent_at(costs: Costs, optimum: FloatArray) -> Bent | None:
    """Costs near a point; None where they are not smooth, are held to sets, or have too many second derivatives."""
    n, p = costs.count, costs.dimension
    if costs.constrained or n * p * p > _MOST or not np.isfinite(costs.smoothness()).all():
        return None
    bend = costs.hessian(np.broadcast_to(optimum, (n, p)))
    return None if bend is None or not np.isfinite(bend).all() else Bent(None, bend)
