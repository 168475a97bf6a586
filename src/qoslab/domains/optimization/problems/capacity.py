"""The capacity of an agent whose delay budgets need servers: an M/M/1 queue of delay x takes the rate load + 1 / x.

X_i = {low <= x <= high, sum_s c_s / x_s <= C}: convex, and smooth but for the box. Whatever an agent minimises over it
here has the form q x^2 / 2 + b x + a / x in each entry: its projection, and its answer to prices. With a multiplier t
of the capacity the minimiser is, entry by entry, the positive root of q x^3 + b x^2 = a + t c within the box, and t is
a root in one unknown, row by row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray
from qoslab.engine.kernel import compiled, kernel

__all__ = ["Bowl", "Capacity", "Least"]

_MOST = 500
"""Steps of Newton's method, far more than are ever taken."""

_CLOSE = 4e-16


class Bowl(NamedTuple):
    """The function q x^2 / 2 + b x + a / x in each entry.

    Attributes:
        q: Shape (rows, d), not negative.
        b: Shape (rows, d).
        a: Shape (rows, d), not negative.
    """

    q: FloatArray
    b: FloatArray
    a: FloatArray


class Least(NamedTuple):
    """The minimiser of a bowl over the agents' sets.

    Attributes:
        x: Shape (rows, d).
        toll: Multiplier of each agent's capacity, shape (rows,); 0 where some of it is left.
    """

    x: FloatArray
    toll: FloatArray


@dataclass(frozen=True, eq=False)
class Capacity:
    """sum_s c_s / x_s <= C for each agent.

    Attributes:
        weight: c, shape (rows, d), not negative.
        spare: C, what load leaves of the service rate, shape (rows,); infinite where nothing is bounded.
    """

    weight: FloatArray
    spare: FloatArray

    def used(self, x: FloatArray) -> FloatArray:
        """sum_s c_s / x_s, shape (rows,)."""
        return np.asarray((self.weight / x).sum(axis=1))

    def overload(self, x: FloatArray) -> float:
        """The largest excess of any agent, as a share of its spare capacity."""
        return float(np.maximum(self.used(x) / self.spare - 1.0, 0.0).max())

    def rows(self, agents: Any) -> Capacity:
        """Some agents' alone."""
        return Capacity(self.weight[agents], self.spare[agents])

    def least(self, bowl: Bowl, low: FloatArray, high: FloatArray) -> Least:
        """The minimiser in each row; no row's result depends on the others.

        Args:
            bowl: What is minimised.
            low: Lower ends of the boxes, shape (rows, d), positive.
            high: Upper ends; an agent's largest budgets must not need more than its capacity.
        """
        x, toll = np.empty(self.weight.shape), np.empty(len(self.weight))
        compiled(_every)(bowl, self.weight, self.spare, low, high, x, toll)
        return Least(x, toll)

    def give(self, x: FloatArray, toll: FloatArray, bend: FloatArray, free: NDArray[np.bool_]) -> FloatArray:
        """How the minimiser moves with its slope, -dx / db, shape (rows, d, d).

        Args:
            x: Minimisers.
            toll: Their multipliers; where positive the minimiser moves along the capacity's edge.
            bend: Second derivatives of what is minimised, shape (rows, d).
            free: Entries inside their boxes, shape (rows, d).
        """
        soft = free / (bend + 2.0 * toll[:, None] * self.weight / x**3)
        found = soft[:, :, None] * np.eye(x.shape[1])
        edge = soft * self.weight / x**2
        along = (edge * self.weight / x**2).sum(axis=1)
        tight = (toll > 0) & (along > 0)
        found[tight] -= edge[tight, :, None] * edge[tight, None, :] / along[tight, None, None]
        return np.asarray(found)


@kernel
def _every(
    bowl: Bowl,
    c: FloatArray,
    spare: FloatArray,
    low: FloatArray,
    high: FloatArray,
    x: FloatArray,
    toll: FloatArray,
) -> None:
    """The minimiser and its multiplier in each row."""
    for i in range(len(x)):
        toll[i] = 0.0
        _place(bowl, c, low, high, i, 0.0, x)
        if _used(c, x, i) > spare[i]:
            toll[i] = _toll(bowl, c, spare[i], low, high, i, x)


@kernel
def _place(
    bowl: Bowl, c: FloatArray, low: FloatArray, high: FloatArray, i: int, t: float, x: FloatArray
) -> None:
    """One row's minimiser at a multiplier."""
    for s in range(x.shape[1]):
        root = _root(bowl.q[i, s], bowl.b[i, s], bowl.a[i, s] + t * c[i, s])
        x[i, s] = min(max(root, low[i, s]), high[i, s])


@kernel
def _used(c: FloatArray, x: FloatArray, i: int) -> float:
    total = 0.0
    for s in range(x.shape[1]):
        total += c[i, s] / x[i, s]
    return total


@kernel
def _toll(
    bowl: Bowl, c: FloatArray, spare: float, low: FloatArray, high: FloatArray, i: int, x: FloatArray
) -> float:
    """The least multiplier at which a row's capacity suffices: Newton's method, kept within a bracket."""
    least, most = 0.0, _enough(bowl, c, spare, high, i)
    toll = most
    for _ in range(_MOST):
        _place(bowl, c, low, high, i, toll, x)
        excess = _used(c, x, i) - spare
        if excess > 0.0:
            least = toll
        else:
            most = toll
        if abs(excess) <= _CLOSE * spare or most - least <= _CLOSE * most:
            break
        fall = _fall(bowl, c, low, high, i, toll, x)
        toll = toll + excess / fall if fall > 0.0 else least
        if not least < toll < most:
            toll = 0.5 * (least + most)
    return toll


@kernel
def _enough(bowl: Bowl, c: FloatArray, spare: float, high: FloatArray, i: int) -> float:
    """A multiplier at which the capacity suffices: what is left beyond the largest budgets, in equal parts."""
    parts, rest = 0, spare
    for s in range(c.shape[1]):
        if c[i, s] > 0.0:
            parts += 1
            rest -= c[i, s] / high[i, s]
    found = 0.0
    for s in range(c.shape[1]):
        if c[i, s] > 0.0:
            x = 1.0 / (1.0 / high[i, s] + rest / (parts * c[i, s]))
            found = max(found, ((bowl.q[i, s] * x + bowl.b[i, s]) * x * x - bowl.a[i, s]) / c[i, s])
    return found * (1.0 + 1e-12)


@kernel
def _fall(
    bowl: Bowl, c: FloatArray, low: FloatArray, high: FloatArray, i: int, toll: float, x: FloatArray
) -> float:
    """-d(sum c / x) / dt over the entries inside their boxes."""
    total = 0.0
    for s in range(x.shape[1]):
        at = x[i, s]
        if low[i, s] < at < high[i, s]:
            need = c[i, s] / (at * at)
            total += need * need / (bowl.q[i, s] + 2.0 * (bowl.a[i, s] + toll * c[i, s]) / (at * at * at))
    return total


@kernel
def _root(q: float, b: float, a: float) -> float:
    """The positive x with q x^3 + b x^2 = a >= 0; 0 or infinite where there is none."""
    if q == 0.0:
        if b > 0.0:
            return math.sqrt(a / b)
        return math.inf
    # Above the root: the cube root of a / q is below its square root past 1, and below its fourth root before.
    above = math.sqrt(a / q)
    if above < 1.0:
        above = math.sqrt(above)
    x = above - b / q
    if b > 0.0:
        x = min(above, math.sqrt(a / b))
    if a == 0.0:
        return x
    # From above Newton's method falls to the root without passing it; who falls no more is there.
    for _ in range(_MOST):
        step = (x * x * (q * x + b) - a) / (x * (3.0 * q * x + 2.0 * b))
        if not step > 0.0 or x - step == x:
            break
        x -= step
    return x
