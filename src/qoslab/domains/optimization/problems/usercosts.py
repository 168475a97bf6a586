"""Costs of a shared decision from a user's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.sets import HalfSpaces
from qoslab.domains.optimization.problems.userfile import UserFile

__all__ = ["UserCosts"]

_APART = 1e-5


@dataclass(frozen=True, eq=False)
class UserCosts(Costs):
    """f_i(x) = cost(x, data_i) of a file.

    Attributes:
        own: The file's functions and the agents' data.
        bend: Lipschitz constant of every gradient; None to measure it.
        convex: Constant of strong convexity of every cost.
        optimum: Where the sum is least, once that is known.
    """

    own: UserFile
    bend: float | None
    convex: float
    optimum: FloatArray | None = None

    @property
    def dimension(self) -> int:
        """P."""
        return self.own.size

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.own.agents)

    def rows(self, agents: Any) -> UserCosts:
        """The costs of some agents alone, with nothing of the others' data."""
        at = list(agents)
        sets = None if self.sets is None else HalfSpaces(self.sets.normals[at], self.sets.offsets[at])
        return replace(self, own=self.own.rows(at), sets=sets)

    def when(self, moment: str) -> UserCosts:
        """The same costs, whose faults are told with this moment."""
        return replace(self, own=replace(self.own, moment=moment))

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,); faults are told as `UserFile.value` does."""
        return self.own.value(x)

    def tried(self, x: FloatArray) -> FloatArray:
        """The same, infinite where the cost does not exist."""
        return self.own.tried(x)

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradients, shape (rows, p); faults are told as `UserFile.gradient` does."""
        return self.own.gradient(x)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Second derivatives by central differences of the gradients, shape (rows, p, p)."""
        near = replace(self.own, moment=f"{self.own.moment}, for second derivatives")
        columns = []
        for entry in range(self.dimension):
            step = _APART * (1.0 + np.abs(x[:, entry]))
            away = np.zeros(x.shape)
            away[:, entry] = step
            columns.append((near.gradient(x + away) - near.gradient(x - away)) / (2.0 * step[:, None]))
        bent = np.stack(columns, axis=2)
        return np.asarray(0.5 * (bent + bent.transpose(0, 2, 1)))

    def smoothness(self) -> FloatArray:
        """As given; else each agent's largest second derivative at 0 and at the optimum, shape (rows,)."""
        if self.bend is not None:
            return np.full(self.count, self.bend)
        places = [np.zeros(self.dimension), *([] if self.optimum is None else [self.optimum])]
        every = (self.count, self.dimension)
        bent = np.stack([self.hessian(np.broadcast_to(place, every)) for place in places])
        return np.asarray(np.abs(np.linalg.eigvalsh(bent)).max(axis=(0, 2)))

    def convexity(self) -> FloatArray:
        """As given, shape (rows,)."""
        return np.full(self.count, self.convex)
