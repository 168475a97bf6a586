"""Private costs of one shared decision: min sum f_i(x) over the intersection of the agents' sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.sets import Sets

__all__ = ["Costs"]


@dataclass(frozen=True, eq=False)
class Costs(ABC):
    """Costs of n agents, one row of every array per agent, with x in R^p.

    Attributes:
        sets: The agents' sets X_i; None where all are R^p.
    """

    sets: Sets | None

    @property
    @abstractmethod
    def dimension(self) -> int:
        """P."""

    @abstractmethod
    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,), for x of shape (rows, p)."""

    @abstractmethod
    def gradient(self, x: FloatArray) -> FloatArray:
        """A (sub)gradient of f_i at x_i, shape (rows, p)."""

    def tried(self, x: FloatArray) -> FloatArray:
        """The same where a search tries it: what a user's function cannot say there is infinite."""
        return self.value(x)

    def when(self, moment: str) -> Self:  # noqa: ARG002
        """The same costs; a user's tell their faults with this moment, such as `round 7`."""
        return self

    def who(self, row: int) -> str:  # noqa: ARG002
        """The agent of a row, as messages name it; rows of built-in costs do not know whose they are."""
        return "an agent"

    def hessian(self, x: FloatArray) -> FloatArray | None:  # noqa: ARG002
        """Second derivatives, shape (rows, p, p); None where a cost is not smooth."""
        return None

    def smoothness(self) -> FloatArray:
        """Lipschitz constants of the gradients, shape (rows,); infinite where a cost is not smooth."""
        return np.full(self.count, np.inf)

    def convexity(self) -> FloatArray:
        """Constants of strong convexity, shape (rows,); 0 where a cost is not strongly convex."""
        return np.zeros(self.count)

    @property
    def constrained(self) -> bool:
        """Whether some agent has a set."""
        return self.sets is not None

    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of X_i to x_i, shape (rows, p)."""
        return x if self.sets is None else self.sets.project(x)

    def violation(self, x: FloatArray) -> FloatArray:
        """Largest distance of x_i from any agent's set, shape of x without its last axis."""
        return np.zeros(len(x)) if self.sets is None else self.sets.distance(x)

    @property
    def count(self) -> int:
        """Number of rows."""
        name = next(field.name for field in fields(self) if isinstance(getattr(self, field.name), np.ndarray))
        return len(getattr(self, name))

    def total(self, points: FloatArray) -> FloatArray:
        """sum_i f_i at each point, shape (points,), for points of shape (points, p)."""
        every = (self.count, self.dimension)
        return np.array([self.value(np.broadcast_to(point, every)).sum() for point in points])

    def total_tried(self, points: FloatArray) -> FloatArray:
        """The same by `tried`."""
        every = (self.count, self.dimension)
        return np.array([self.tried(np.broadcast_to(point, every)).sum() for point in points])

    def rows(self, agents: Any) -> Self:
        """The costs of some agents alone."""
        changes: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                changes[field.name] = value[agents]
            elif isinstance(value, Sets):
                changes[field.name] = value.rows(agents)
        return replace(self, **changes)
