"""Costs of a shared decision from a user's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.userfile import UserFile

__all__ = ["UserCosts"]

_APART = 1e-5

_WIDER = 16.0


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
        sets = None if self.sets is None else self.sets.rows(at)
        return replace(self, own=self.own.rows(at), sets=sets)

    def when(self, moment: str) -> UserCosts:
        """The same costs, whose faults are told with this moment."""
        return replace(self, own=replace(self.own, moment=moment))

    def with_optimum(self, optimum: FloatArray) -> UserCosts:
        """The same costs, their optimum known.

        Raises:
            BadInput: An agent's second derivative there, measured to 0.1 %, is less than the convexity that is told.
        """
        if self.convex > 0:
            bent = self.hessian(np.broadcast_to(optimum, (self.count, self.dimension)))
            least = np.linalg.eigvalsh(bent)[:, 0]
            short = np.flatnonzero(least < self.convex * (1.0 - 1e-3))
            if len(short):
                i = int(short[0])
                message = f"agent {self.own.agents[i]}: at the optimum, {optimum.tolist()}, the second derivative of "
                message += f"its cost is {least[i]:.6g}, less than the convexity {self.convex:g}"
                path = Path(self.own.path)
                raise BadInput(Problem(field="scenario.problem.convexity", message=message, path=path))
        return replace(self, optimum=optimum)

    def who(self, row: int) -> str:
        """The moment and the agent."""
        return f"{self.own.moment}, agent {self.own.agents[row]}"

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
        return self._bent(x, _APART)[0]

    def _bent(self, x: FloatArray, apart: float) -> tuple[FloatArray, FloatArray]:
        """The same by differences so far `apart`, and each row's largest gradient there, shape (rows,)."""
        near = replace(self.own, moment=f"{self.own.moment}, for second derivatives")
        columns, largest = [], np.zeros(len(x))
        for entry in range(self.dimension):
            step = apart * (1.0 + np.abs(x[:, entry]))
            away = np.zeros(x.shape)
            away[:, entry] = step
            ahead, behind = near.gradient(x + away), near.gradient(x - away)
            columns.append((ahead - behind) / (2.0 * step[:, None]))
            largest = np.maximum(largest, np.maximum(np.abs(ahead), np.abs(behind)).max(axis=1))
        bent = np.stack(columns, axis=2)
        return np.asarray(0.5 * (bent + bent.transpose(0, 2, 1))), largest

    def smoothness(self) -> FloatArray:
        """As given; else each agent's largest second derivative at 0 and at the optimum, shape (rows,).

        Infinite where a gradient jumps at one of them: the shorter the difference, the larger the quotient. A quotient
        that falls so, as that of x^4 at 0, or that is rounding counts as 0, which tells nothing of other places.
        """
        if self.bend is not None:
            return np.full(self.count, self.bend)
        places = [np.zeros(self.dimension), *([] if self.optimum is None else [self.optimum])]
        every = (self.count, self.dimension)
        return np.asarray(np.max([self._bend(np.broadcast_to(place, every)) for place in places], axis=0))

    def _bend(self, x: FloatArray) -> FloatArray:
        """Each row's largest second derivative at a place, infinite or 0 as `smoothness` says; shape (rows,)."""
        (bent, slope), (wide, _) = self._bent(x, _APART), self._bent(x, _WIDER * _APART)
        near, far = (np.abs(np.linalg.eigvalsh(one)).max(axis=1) for one in (bent, wide))
        rise = near * 2.0 * _APART * (1.0 + np.abs(x).max(axis=1))
        jumps = (near > 2.0 * far) & (rise > 1e-6 * slope)
        nothing = (2.0 * near < far) | (rise <= 1e-13 * slope)
        return np.where(jumps, np.inf, np.where(nothing, 0.0, near))

    def convexity(self) -> FloatArray:
        """As given, shape (rows,)."""
        return np.full(self.count, self.convex)
