"""Central solutions of coupled problems: the penalty approximation, and the optimum by multipliers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.problems.feasible import require_feasible

__all__ = ["Solution", "penalised", "solve_coupled"]

_STEEP = 1e3
"""Penalty on the share by which a capacity is exceeded, in units of an agent's cost."""


@dataclass(frozen=True)
class Solution:
    """A central solution.

    Attributes:
        x: Decisions, shape (n, d).
        cost: sum f_i(x_i).
        prices: Multipliers of the shared constraints, shape (m,).
        tolls: Multipliers of the agents' capacities, shape (n,).
    """

    x: FloatArray
    cost: float
    prices: FloatArray
    tolls: FloatArray


@dataclass(frozen=True, eq=False)
class _Merit:
    """sum f_i + (penalty / 2) [g + shift]_+^2 + (steep / 2) [v + toll / steep]_+^2; v: what is used of C, less 1.

    For equalities the first square is not cut.
    """

    coupled: Coupled
    penalty: float
    shift: FloatArray
    steep: float
    tolls: FloatArray

    def over(self, x: FloatArray) -> tuple[FloatArray, np.ndarray]:
        over = self.coupled.constraint(x).sum(axis=0) + self.shift
        active = np.ones(len(over), bool) if self.coupled.equality else over > 0
        return np.where(active, over, 0.0), active

    def pressed(self, x: FloatArray) -> FloatArray:
        """The tolls after this x, shape (n,)."""
        if self.coupled.capacity is None:
            return self.tolls
        used = self.coupled.capacity.used(x) / self.coupled.capacity.spare
        return np.maximum(self.tolls + self.steep * (used - 1.0), 0.0)

    def value(self, x: FloatArray) -> float:
        over, _ = self.over(x)
        found = float(self.coupled.own.value(x).sum() + 0.5 * self.penalty * (over**2).sum())
        return found + 0.5 * float((self.pressed(x) ** 2).sum()) / self.steep

    def slope(self, x: FloatArray) -> FloatArray:
        over, _ = self.over(x)
        pull = self.penalty * np.einsum("imd,m->id", self.coupled.share, over)
        return np.asarray(self.coupled.own.gradient(x) + pull - self.pressed(x)[:, None] * self._relief(x))

    def bend(self, x: FloatArray) -> FloatArray:
        """Second derivatives over all entries, shape (n d, n d)."""
        _, active = self.over(x)
        flat = self.coupled.share.transpose(1, 0, 2).reshape(len(self.shift), -1)[active]
        tolls, relief = self.pressed(x), self._relief(x)
        found = np.diag(self.coupled.own.curvature(x).ravel()) + self.penalty * flat.T @ flat
        for i in np.flatnonzero(tolls > 0):
            at = slice(i * x.shape[1], (i + 1) * x.shape[1])
            found[at, at] += np.diag(2.0 * tolls[i] * relief[i] / x[i])
            found[at, at] += self.steep * np.outer(relief[i], relief[i])
        return np.asarray(found)

    def _relief(self, x: FloatArray) -> FloatArray:
        """-dv / dx, shape of x."""
        if self.coupled.capacity is None:
            return np.zeros_like(x)
        return np.asarray(self.coupled.capacity.weight / x**2 / self.coupled.capacity.spare[:, None])


def penalised(coupled: Coupled, penalty: float) -> Solution:
    """The minimiser of sum f_i + sum_m (penalty / 2) [g_m]_+^2 in the agents' sets, to rounding.

    The `prices` of the result are penalty [g]_+; for equalities the square is not cut.
    """
    merit, x = _start(coupled, penalty)
    for _ in range(100):
        x = _newton(merit, x)
        tolls = merit.pressed(x)
        change = float(np.abs(tolls - merit.tolls).max())
        merit = replace(merit, tolls=tolls)
        if change <= 1e-12 * max(1.0, float(tolls.max())):
            break
    return _found(merit, x)


def solve_coupled(coupled: Coupled, *, penalty: float = 1e4) -> Solution:
    """The optimum, by the method of multipliers (Hestenes 1969; Powell 1969) with the penalty form inside.

    Raises:
        BadInput: No decisions in the agents' sets satisfy the shared constraints.
    """
    require_feasible(coupled)
    merit, x = _start(coupled, penalty)
    for _ in range(50):
        x = _newton(merit, x)
        prices, before = penalty * merit.over(x)[0], penalty * merit.shift
        tolls = merit.pressed(x)
        change = max(float(np.abs(prices - before).max()), float(np.abs(tolls - merit.tolls).max()))
        merit = replace(merit, shift=prices / penalty, tolls=tolls)
        if change <= 1e-10 * max(1.0, float(np.abs(prices).max()), float(tolls.max())):
            break
    return replace(_found(merit, x), prices=penalty * merit.shift)


def _start(coupled: Coupled, penalty: float) -> tuple[_Merit, FloatArray]:
    x = np.clip(0.5 * (coupled.low + coupled.high), coupled.low, coupled.high)
    steep = _STEEP * max(1.0, float(np.abs(coupled.own.value(x)).sum(axis=1).max()))
    return _Merit(coupled, penalty, np.zeros(coupled.offset.shape[1]), steep, np.zeros(len(x))), x


def _found(merit: _Merit, x: FloatArray) -> Solution:
    cost = float(merit.coupled.own.value(x).sum())
    return Solution(x, cost, merit.penalty * merit.over(x)[0], merit.tolls / _spare(merit.coupled, len(x)))


def _spare(coupled: Coupled, n: int) -> FloatArray:
    return np.ones(n) if coupled.capacity is None else coupled.capacity.spare


def _newton(merit: _Merit, x: FloatArray) -> FloatArray:
    """Projected Newton with an active set (Bertsekas, SIAM J. Control Optim. 20, 1982) in the boxes, to rounding."""
    low, high, own = merit.coupled.low, merit.coupled.high, merit.coupled.own
    for _ in range(100):
        slope = merit.slope(x)
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        rest = np.where(held, 0.0, slope)
        if np.abs(rest).max() <= 1e-12 * max(1.0, float(np.abs(own.gradient(x)).max())):
            break
        free = ~held.ravel()
        direction = np.zeros(x.size)
        direction[free] = -np.linalg.solve(merit.bend(x)[np.ix_(free, free)], rest.ravel()[free])
        before, x = x, _search(merit, x, direction.reshape(x.shape))
        # A large penalty keeps the slope above its bound by rounding alone; then steps have stopped counting.
        if np.abs(x - before).max() <= 1e-15 * max(1.0, float(np.abs(x).max())):
            break
    return x


def _search(merit: _Merit, x: FloatArray, direction: FloatArray) -> FloatArray:
    now, step = merit.value(x), 1.0
    while step > 1e-12:
        there = np.clip(x + step * direction, merit.coupled.low, merit.coupled.high)
        if merit.value(there) <= now + 1e-14 * abs(now):
            return there
        step /= 2
    return x
