"""Local constraint sets: a half-space, a box or a ball for each agent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem

__all__ = ["Balls", "Boxes", "HalfSpaces", "Sets"]

_DEEP = 1.0
"""A point of an intersection is looked for no deeper inside than this."""

_EMPTY = -1e-9

_TOUCHING = 1e-7
"""Balls that have next to no point in common are met to this, which is as exact as linear programs are."""

_CUTS = 200


class Sets(ABC):
    """Closed convex sets X_i, one per row."""

    @abstractmethod
    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of X_i to x_i, shape (rows, p)."""

    @abstractmethod
    def distance(self, x: FloatArray) -> FloatArray:
        """Largest distance of each point from any of the sets, shape (points,)."""

    @abstractmethod
    def inside(self) -> FloatArray:
        """Some point of the intersection, shape (p,); an inner one where there is one.

        Raises:
            BadInput: The intersection is empty; names agents whose sets exclude each other.
        """

    @abstractmethod
    def room(self, x: FloatArray) -> FloatArray:
        """Concave functions of one point, none of which is negative in the intersection, shape (functions,)."""

    @abstractmethod
    def room_slope(self, x: FloatArray) -> FloatArray:
        """Their gradients, shape (functions, p)."""

    @abstractmethod
    def cuts(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Half-spaces (a, b) that hold the intersection, shapes (cuts, p), (cuts,): all of it, or tangents near x."""

    @abstractmethod
    def rows(self, agents: Any) -> Self:
        """Some agents' sets alone."""


@dataclass(frozen=True, eq=False)
class HalfSpaces(Sets):
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
        a, b = self.cuts(np.zeros(self.normals.shape[1]))
        return _deepest(a, b, np.flatnonzero(np.isfinite(self.offsets)))[0]

    def room(self, x: FloatArray) -> FloatArray:
        """b_i - a_i^T x."""
        a, b = self.cuts(x)
        return np.asarray(b - a @ x)

    def room_slope(self, x: FloatArray) -> FloatArray:
        """-a_i."""
        return -self.cuts(x)[0]

    def cuts(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """The half-spaces themselves."""
        bound = np.isfinite(self.offsets)
        return self.normals[bound], self.offsets[bound]

    def rows(self, agents: Any) -> HalfSpaces:
        """Some agents' half-spaces alone."""
        return HalfSpaces(self.normals[agents], self.offsets[agents])


@dataclass(frozen=True, eq=False)
class Boxes(Sets):
    """X_i = {x: l_i <= x <= h_i} entry by entry; ends may be infinite.

    Attributes:
        low: l, shape (rows, p).
        high: h, shape (rows, p).
    """

    low: FloatArray
    high: FloatArray

    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of X_i to x_i, shape (rows, p)."""
        return np.asarray(np.clip(x, self.low, self.high))

    def distance(self, x: FloatArray) -> FloatArray:
        """Largest distance of each point from any of the sets, shape (points,)."""
        excess = np.maximum(np.maximum(self.low - x[:, None], x[:, None] - self.high), 0.0)
        return np.asarray(np.linalg.norm(excess, axis=2).max(axis=1))

    def inside(self) -> FloatArray:
        """The middle of the intersection, of its entries with two ends; else one inside of the one; shape (p,).

        Raises:
            BadInput: The intersection is empty; names agents whose sets exclude each other.
        """
        low, high = self._shared
        if (low > high).any():
            entry = int(np.argmax(low > high))
            raise _excluded(sorted({int(self.low[:, entry].argmax()), int(self.high[:, entry].argmin())}))
        below, above = np.isfinite(low), np.isfinite(high)
        one = np.where(below, low + _DEEP, np.where(above, high - _DEEP, 0.0))
        return np.where(
            below & above, 0.5 * np.where(below, low, 0.0) + 0.5 * np.where(above, high, 0.0), one
        )

    def room(self, x: FloatArray) -> FloatArray:
        """Entries less the lower ends of the intersection, and its upper ends less entries."""
        a, b = self.cuts(x)
        return np.asarray(b - a @ x)

    def room_slope(self, x: FloatArray) -> FloatArray:
        """1 and -1 in one entry each."""
        return -self.cuts(x)[0]

    def cuts(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The sides of the intersection, which is a box."""
        low, high = self._shared
        below, above, each = np.isfinite(low), np.isfinite(high), np.eye(len(x))
        return np.vstack([-each[below], each[above]]), np.append(-low[below], high[above])

    def rows(self, agents: Any) -> Boxes:
        """Some agents' boxes alone."""
        return Boxes(self.low[agents], self.high[agents])

    @property
    def _shared(self) -> tuple[FloatArray, FloatArray]:
        return self.low.max(axis=0), self.high.min(axis=0)


@dataclass(frozen=True, eq=False)
class Balls(Sets):
    """X_i = {x: ||x - m_i|| <= r_i}.

    Attributes:
        centres: m, shape (rows, p).
        radii: r, positive, shape (rows,).
    """

    centres: FloatArray
    radii: FloatArray

    def project(self, x: FloatArray) -> FloatArray:
        """The nearest point of X_i to x_i, shape (rows, p)."""
        apart = x - self.centres
        far = np.maximum(np.linalg.norm(apart, axis=1) / self.radii, 1.0)
        return np.where(far[:, None] > 1.0, self.centres + apart / far[:, None], x)

    def distance(self, x: FloatArray) -> FloatArray:
        """Largest distance of each point from any of the sets, shape (points,)."""
        apart = np.linalg.norm(x[:, None] - self.centres, axis=2)
        return np.asarray(np.maximum(apart - self.radii, 0.0).max(axis=1))

    def inside(self) -> FloatArray:
        """Some point of the intersection, at least half as deep inside as a ball of radius 1 allows; shape (p,).

        By tangents (Kelley, J. SIAM 8, 1960): an intersection that is empty with some of them is empty.

        Raises:
            BadInput: The intersection is empty; names agents whose sets exclude each other.
        """
        a, b = self._sides
        who = np.repeat(np.arange(len(self.radii)), 2 * self.centres.shape[1])
        for _ in range(_CUTS):
            x, depth = _deepest(a, b, who)
            least = float((self.radii - np.linalg.norm(x - self.centres, axis=1)).min())
            if least >= 0.5 * depth or depth - least <= _TOUCHING:
                break
            more, bounds = self.cuts(x)
            a, b = np.vstack([a, more]), np.append(b, bounds)
            who = np.append(who, np.arange(len(self.radii)))
        return x

    def room(self, x: FloatArray) -> FloatArray:
        """(r^2 - ||x - m||^2) / (2 r), which falls by 1 a unit at the edge."""
        apart = ((x - self.centres) ** 2).sum(axis=1)
        return np.asarray(0.5 * (self.radii - apart / self.radii))

    def room_slope(self, x: FloatArray) -> FloatArray:
        """(m - x) / r."""
        return np.asarray((self.centres - x) / self.radii[:, None])

    def cuts(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Tangents at the edge's nearest point to x, one for each ball; at some point where x is the centre."""
        apart = x - self.centres
        length = np.linalg.norm(apart, axis=1, keepdims=True)
        unit = np.where(length > 0, apart / np.where(length > 0, length, 1.0), np.eye(1, len(x)))
        return unit, (unit * self.centres).sum(axis=1) + self.radii

    def rows(self, agents: Any) -> Balls:
        """Some agents' balls alone."""
        return Balls(self.centres[agents], self.radii[agents])

    @property
    def _sides(self) -> tuple[FloatArray, FloatArray]:
        """Of the cubes around the balls, ball by ball."""
        n, p = self.centres.shape
        signs = np.vstack([np.eye(p), -np.eye(p)])
        return np.tile(signs, (n, 1)), (self.centres @ signs.T + self.radii[:, None]).ravel()


def _deepest(a: FloatArray, b: FloatArray, who: NDArray[np.int64]) -> tuple[FloatArray, float]:
    """The point farthest inside half-spaces, as a ball of radius 1 allows, and how far; `who` has them, by row.

    Raises:
        BadInput: Nothing is inside; names agents whose half-spaces exclude each other.
    """
    from scipy.optimize import linprog

    if not len(b):
        return np.zeros(a.shape[1]), _DEEP
    deep = np.append(np.zeros(a.shape[1]), -1.0)
    table = np.hstack([a, np.ones((len(b), 1))])
    free = [(None, None)] * a.shape[1]
    found = linprog(deep, table, b, bounds=[*free, (None, _DEEP)])
    if found.x[-1] < _EMPTY:
        raise _excluded(np.unique(who[np.abs(found.ineqlin.marginals) > 1e-9]))
    return np.asarray(found.x[:-1], np.float64), float(found.x[-1])


def _excluded(agents: Iterable[int]) -> BadInput:
    who = ", ".join(str(i) for i in list(agents)[:6])
    message = f"no point satisfies every agent's set: those of agents {who} exclude each other"
    return BadInput(Problem(field="scenario.problem.sets", message=message))
