"""What a linear method's iteration looks like near the optimum: matrices from which rates are read."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.agents.weights import Weights
from qoslab.core.context import Context
from qoslab.domains.optimization.limits import UNTIMED
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.rowsteps import row_step
from qoslab.graphs.spectra import perron, second_eigenvalue

__all__ = ["Asymptotics", "Predictable", "predicted_rate", "stability_limit"]

_LARGEST = 400
"""States beyond this many numbers are not judged: eigenvalues of a dense matrix cost their cube."""


@dataclass(frozen=True, eq=False)
class Asymptotics:
    """A problem near its optimum, with all n p entries of the agents' copies in one vector.

    Attributes:
        weights: The mixing matrices.
        curvature: Block-diagonal matrix of the costs' second derivatives at the optimum, shape (n p, n p).
        dimension: p.
        smoothness: The largest Lipschitz constant of a gradient.
        convexity: The least constant of strong convexity.
        lipschitz: The Lipschitz constant of each agent's gradient, shape (n,).
    """

    weights: Weights
    curvature: FloatArray
    dimension: int
    smoothness: float
    convexity: float
    lipschitz: FloatArray

    @classmethod
    def at(cls, costs: Costs, optimum: FloatArray, weights: Weights) -> Asymptotics | None:
        """The problem near an optimum; None where it is not smooth, is constrained or too large."""
        n, p = costs.count, costs.dimension
        if costs.constrained or n * p > _LARGEST // 2:
            return None
        lipschitz = costs.smoothness()
        blocks = costs.hessian(np.broadcast_to(optimum, (n, p))) if np.isfinite(lipschitz).all() else None
        if blocks is None or not np.isfinite(blocks).all():
            return None
        whole = np.zeros((n, p, n, p))
        whole[np.arange(n), :, np.arange(n), :] = blocks
        ends = float(lipschitz.max()), float(costs.convexity().min())
        return cls(weights, whole.reshape(n * p, n * p), p, *ends, lipschitz)

    @property
    def n(self) -> int:
        """Number of agents."""
        return self.weights.network.n

    @cached_property
    def flat(self) -> bool:
        """Whether the second derivative of the sum of the costs is singular to rounding."""
        n, p = self.n, self.dimension
        whole = np.einsum("iaib->ab", self.curvature.reshape(n, p, n, p))
        values = np.linalg.eigvalsh(0.5 * (whole + whole.T))
        return bool(values[0] <= 1e-12 * max(float(values[-1]), 1e-300))

    @cached_property
    def row(self) -> FloatArray:
        """A (x) I, rows sum to 1."""
        return self._wide(self.weights.row.toarray())

    @cached_property
    def column(self) -> FloatArray:
        """B (x) I, columns sum to 1."""
        return self._wide(self.weights.column.toarray())

    @cached_property
    def doubly(self) -> FloatArray:
        """W (x) I."""
        return self._wide(self.weights.doubly.toarray())

    @cached_property
    def left(self) -> FloatArray:
        """The left Perron vector of A, each entry p times, shape (n p,)."""
        return np.repeat(perron(self.weights.row), self.dimension)

    @cached_property
    def right(self) -> FloatArray:
        """The right Perron vector of B, each entry p times, shape (n p,)."""
        return np.repeat(perron(self.weights.column.T), self.dimension)

    @cached_property
    def row_step(self) -> float:
        """The step of row-stochastic tracking where none is given."""
        return row_step(self.weights, self.lipschitz)

    def _wide(self, matrix: FloatArray) -> FloatArray:
        return np.asarray(np.kron(matrix, np.eye(self.dimension)), np.float64)


@runtime_checkable
class Predictable(Protocol):
    """A method whose error falls linearly, at a rate that can be computed."""

    def iteration(self, near: Asymptotics) -> FloatArray:
        """The matrix of one round on the method's state, with p eigenvalues 1 that its start takes care of."""
        ...

    def scale(self, near: Asymptotics) -> float:
        """The step size that will be used."""
        ...


def predicted_rate(method: Predictable, near: Asymptotics) -> float:
    """The factor by which the error falls in a round in the end; above 1 where the step size is too large.

    The largest modulus among the eigenvalues of the iteration but its p eigenvalues 1, and of the mixing
    matrices the method's auxiliary averages run on.
    """
    values = np.linalg.eigvals(method.iteration(near))
    rest = values[np.argsort(np.abs(values - 1.0))[near.dimension :]]
    slowest = max((second_eigenvalue(matrix) for matrix in _averages(method, near)), default=0.0)
    return max(float(np.abs(rest).max()), slowest)


def _with_step(method: Any, step: float) -> Any:
    return replace(method, step=step)


def _averages(method: Predictable, near: Asymptotics) -> list[FloatArray]:
    kinds = getattr(method, "averages", ())
    return [near.weights.of(kind).toarray() for kind in kinds]


def stability_limit(method: Any, near: Asymptotics, context: Context = UNTIMED) -> float | None:
    """The step size at which the predicted rate reaches 1, by bisection to 1e-6 relative.

    Args:
        method: A method with `step`.
        near: What is known near the optimum.
        context: Where the time is checked.

    Returns:
        None where the method has no `step` to change, where the sum of the costs is flat in some direction, so that
        the rate is 1 at every step, or where all of 40 doubles of 1 / l have a rate below 1, or none of 40 halves.
    """
    if not is_dataclass(method) or isinstance(method, type) or not hasattr(method, "step"):
        return None
    if near.flat or not 0.0 < near.smoothness < np.inf:
        return None

    def stable(step: float) -> bool:
        context.check_time()
        return predicted_rate(_with_step(method, step), near) < 1.0

    high = 1.0 / near.smoothness
    most, least = high * 2.0**40, high * 2.0**-40
    while stable(high):
        high *= 2.0
        if high > most:
            return None
    low = high
    while not stable(low):
        low /= 2.0
        if low < least:
            return None
    high = 2.0 * low
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stable(middle) else (low, middle)
    return low
