"""Smooth costs: quadratics, logistic regression, Huber regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["Huber", "Logistic", "Quadratic"]


@dataclass(frozen=True, eq=False)
class Quadratic(Costs):
    """f_i(x) = q_i ||x - c_i||^2 / 2, with optimum sum q_i c_i / sum q_i.

    Attributes:
        curvature: q, shape (rows,).
        target: c, shape (rows, p).
    """

    curvature: FloatArray
    target: FloatArray

    @property
    def dimension(self) -> int:
        """P."""
        return int(self.target.shape[1])

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        return np.asarray(0.5 * self.curvature * ((x - self.target) ** 2).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """q_i (x_i - c_i), shape (rows, p)."""
        return self.curvature[:, None] * (x - self.target)

    def hessian(self, x: FloatArray) -> FloatArray:  # noqa: ARG002
        """q_i I, shape (rows, p, p)."""
        return self.curvature[:, None, None] * np.eye(self.dimension)

    def smoothness(self) -> FloatArray:
        """q, shape (rows,)."""
        return self.curvature

    def convexity(self) -> FloatArray:
        """q, shape (rows,)."""
        return self.curvature


@dataclass(frozen=True, eq=False)
class Logistic(Costs):
    """f_i(x) = sum_j ln(1 + exp(-b_ij c_ij^T x)) + (l / 2n) ||x||^2, the last entry of c_ij being 1.

    Attributes:
        features: c, shape (rows, samples, p).
        labels: b, -1 or 1, shape (rows, samples).
        ridge: l / n, shape (rows,).
    """

    features: FloatArray
    labels: FloatArray
    ridge: FloatArray

    @property
    def dimension(self) -> int:
        """p, with the intercept."""
        return int(self.features.shape[2])

    def _margin(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.labels * np.einsum("ijp,ip->ij", self.features, x))

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        losses = np.logaddexp(0.0, -self._margin(x)).sum(axis=1)
        return np.asarray(losses + 0.5 * self.ridge * (x**2).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradients, shape (rows, p)."""
        slope = -self.labels * np.exp(-np.logaddexp(0.0, self._margin(x)))
        return np.asarray(np.einsum("ij,ijp->ip", slope, self.features) + self.ridge[:, None] * x)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Second derivatives, shape (rows, p, p)."""
        margin = self._margin(x)
        bend = np.exp(-np.logaddexp(0.0, margin) - np.logaddexp(0.0, -margin))
        bent = np.einsum("ij,ijp,ijq->ipq", bend, self.features, self.features)
        return np.asarray(bent + self.ridge[:, None, None] * np.eye(self.dimension))

    def smoothness(self) -> FloatArray:
        """||C_i||^2 / 4 + l / n, shape (rows,)."""
        return np.asarray(np.linalg.norm(self.features, 2, axis=(1, 2)) ** 2 / 4.0 + self.ridge)

    def convexity(self) -> FloatArray:
        """L / n, from the ridge alone, shape (rows,)."""
        return self.ridge


@dataclass(frozen=True, eq=False)
class Huber(Costs):
    """f_i(x) = sum_j h(c_ij^T x - b_ij) + (l / 2n) ||x||^2, h(r) = r^2 / 2 up to |r| = d, then d |r| - d^2 / 2.

    Attributes:
        features: c, shape (rows, samples, p).
        response: b, shape (rows, samples).
        ridge: l / n, shape (rows,).
        threshold: d.
    """

    features: FloatArray
    response: FloatArray
    ridge: FloatArray
    threshold: float

    @property
    def dimension(self) -> int:
        """P."""
        return int(self.features.shape[2])

    def _residual(self, x: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("ijp,ip->ij", self.features, x) - self.response)

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        size = np.abs(self._residual(x))
        near = np.minimum(size, self.threshold)
        losses = (near * (size - 0.5 * near)).sum(axis=1)
        return np.asarray(losses + 0.5 * self.ridge * (x**2).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradients, shape (rows, p)."""
        slope = np.clip(self._residual(x), -self.threshold, self.threshold)
        return np.asarray(np.einsum("ij,ijp->ip", slope, self.features) + self.ridge[:, None] * x)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Second derivatives where they exist, shape (rows, p, p)."""
        bend = (np.abs(self._residual(x)) <= self.threshold).astype(np.float64)
        bent = np.einsum("ij,ijp,ijq->ipq", bend, self.features, self.features)
        return np.asarray(bent + self.ridge[:, None, None] * np.eye(self.dimension))

    def smoothness(self) -> FloatArray:
        """||C_i||^2 + l / n, shape (rows,)."""
        return np.asarray(np.linalg.norm(self.features, 2, axis=(1, 2)) ** 2 + self.ridge)

    def convexity(self) -> FloatArray:
        """L / n, from the ridge alone, shape (rows,)."""
        return self.ridge
