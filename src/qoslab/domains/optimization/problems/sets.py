"""Local constraint sets: one half-space per agent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem

__all__ = ["HalfSpaces"]


@dataclass(frozen=True, eq=False)
class HalfSpaces:
    """X_i = {x: a_i^T x <= b_i}; an infinite b_i means that agent i has no constraint.

    Attributes:
        normals: a, shape (rows, p), of length 1.
        offsets: b, shape (rows,).
    """

    normals: FloatArray
    offsets: FloatArray

    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of X_i to x_i, shape (rows, p)."""
        excess = np.maximum((self.normals * x).sum(axis=1) - self.offsets, 0.0)
        return np.asarray(x - excess[:, None] * self.normals)

    def distance(self, x: FloatArray) -> FloatArray:
        """Largest distance of each point from any of the sets, shape (points,)."""
        return np.asarray(np.maximum(x @ self.normals.T - self.offsets, 0.0).max(axis=1))

    def inside(self) -> FloatArray:
        """Some point of the intersection, as deep inside as a ball of radius 1 allows; shape (p,).

        Raises:
            BadInput: The intersection is empty; names agents whose sets exclude each other.
        """
        from scipy.optimize import linprog

        bound = np.isfinite(self.offsets)
        a, b = self.normals[bound], self.offsets[bound]
        if not len(b):
            return np.zeros(self.normals.shape[1])
        deep = np.append(np.zeros(a.shape[1]), -1.0)
        table = np.hstack([a, np.ones((len(b), 1))])
        free = [(None, None)] * a.shape[1]
        found = linprog(deep, table, b, bounds=[*free, (None, 1.0)])
        if found.x[-1] < -1e-9:
            tight = np.flatnonzero(bound)[np.abs(found.ineqlin.marginals) > 1e-9]
            who = ", ".join(str(i) for i in tight[:6])
            message = f"no point satisfies every agent's set: those of agents {who} exclude each other"
            raise BadInput(Problem(field="scenario.problem.sets", message=message))
        return np.asarray(found.x[:-1], np.float64)
