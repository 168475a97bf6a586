"""Private decisions coupled by shared constraints: min sum f_i(x_i), sum_i g_i(x_i) <= 0 or = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.problems.capacity import Bowl, Capacity, Least
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["Coupled", "Dual", "PowerLaw", "Quadratics", "Separable"]


class Separable(Protocol):
    """Separable costs of decisions of shape (rows, d)."""

    def value(self, x: FloatArray) -> FloatArray:
        """Cost of each entry."""
        ...

    def gradient(self, x: FloatArray) -> FloatArray:
        """First derivative of each entry's cost."""
        ...

    def curvature(self, x: FloatArray) -> FloatArray:
        """Second derivative of each entry's cost."""
        ...

    def respond(self, slope: FloatArray) -> FloatArray:
        """The minimiser of f(x) + slope x in each entry."""
        ...

    def bowl(self, slope: FloatArray) -> Bowl:
        """F(x) + slope x without its constant."""
        ...

    def flattest(self, high: FloatArray) -> FloatArray:
        """The least second derivative of each entry's cost in its box, whose upper ends are given."""
        ...

    def rows(self, agents: Any) -> Separable:
        """Some agents' costs alone."""
        ...

    def when(self, moment: str) -> Separable:
        """The same costs; a user's tell their faults with this moment."""
        ...


@dataclass(frozen=True, eq=False)
class Quadratics:
    """q (x - r)^2 / 2 in each entry.

    Attributes:
        weight: q, shape (rows, d).
        wish: r, shape (rows, d).
    """

    weight: FloatArray
    wish: FloatArray

    def value(self, x: FloatArray) -> FloatArray:
        """Cost of each entry."""
        return np.asarray(0.5 * self.weight * (x - self.wish) ** 2)

    def gradient(self, x: FloatArray) -> FloatArray:
        """Q (x - r)."""
        return np.asarray(self.weight * (x - self.wish))

    def curvature(self, x: FloatArray) -> FloatArray:  # noqa: ARG002
        """Q."""
        return self.weight

    def respond(self, slope: FloatArray) -> FloatArray:
        """Wish less slope over weight."""
        return np.asarray(self.wish - slope / self.weight)

    def bowl(self, slope: FloatArray) -> Bowl:
        """F(x) + slope x without its constant."""
        return Bowl(self.weight, slope - self.weight * self.wish, np.zeros_like(slope))

    def flattest(self, high: FloatArray) -> FloatArray:  # noqa: ARG002
        """Q."""
        return self.weight

    def rows(self, agents: Any) -> Quadratics:
        """Some agents' costs alone."""
        return Quadratics(self.weight[agents], self.wish[agents])

    def when(self, moment: str) -> Quadratics:  # noqa: ARG002
        """The same."""
        return self


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """The cost k / x of keeping a budget x in each entry: an M/M/1 server's spare capacity is 1 / delay.

    Attributes:
        weight: k, shape (rows, d), positive.
    """

    weight: FloatArray

    def value(self, x: FloatArray) -> FloatArray:
        """Cost of each entry."""
        return np.asarray(self.weight / x)

    def gradient(self, x: FloatArray) -> FloatArray:
        """-k / x^2."""
        return np.asarray(-self.weight / x**2)

    def curvature(self, x: FloatArray) -> FloatArray:
        """2 k / x^3."""
        return np.asarray(2.0 * self.weight / x**3)

    def respond(self, slope: FloatArray) -> FloatArray:
        """sqrt(k / slope); without a price as much as can be had."""
        return np.asarray(np.sqrt(self.weight / np.maximum(slope, 1e-300)))

    def bowl(self, slope: FloatArray) -> Bowl:
        """F(x) + slope x."""
        return Bowl(np.zeros_like(slope), slope, self.weight)

    def flattest(self, high: FloatArray) -> FloatArray:
        """That at the upper ends."""
        return self.curvature(high)

    def rows(self, agents: Any) -> PowerLaw:
        """Some agents' costs alone."""
        return PowerLaw(self.weight[agents])

    def when(self, moment: str) -> PowerLaw:  # noqa: ARG002
        """The same."""
        return self


@dataclass(frozen=True, eq=False)
class Coupled:
    """Decisions x_i in a box and within a capacity, linear shares g_i(x_i) = G_i x_i - h_i of m shared constraints.

    Attributes:
        own: The agents' costs.
        share: G, shape (rows, m, d).
        offset: h, shape (rows, m).
        low: Lower end of the boxes, shape (rows, d).
        high: Upper end, shape (rows, d).
        equality: Whether the sum must be zero, not only at most zero.
        capacity: What the decisions may take of each agent's service rate; None where nothing is bounded.
    """

    own: Separable
    share: FloatArray
    offset: FloatArray
    low: FloatArray
    high: FloatArray
    equality: bool
    capacity: Capacity | None = None

    def constraint(self, x: FloatArray) -> FloatArray:
        """g_i(x_i), shape (rows, m)."""
        return np.asarray(np.einsum("imd,id->im", self.share, x) - self.offset)

    def pull(self, price: FloatArray) -> FloatArray:
        """G_i^T price_i, shape (rows, d), for prices of shape (rows, m)."""
        return np.asarray(np.einsum("imd,im->id", self.share, price))

    def project(self, x: FloatArray, metric: FloatArray | None = None) -> FloatArray:
        """The nearest decisions in the agents' sets, shape (rows, d).

        Args:
            x: Any decisions.
            metric: Weight of each entry's squared distance, shape (rows, d); 1 where not given. It counts only where
                a capacity ties entries together.
        """
        if self.capacity is None:
            return np.clip(x, self.low, self.high)
        weight = np.ones_like(x) if metric is None else metric
        return self._least(Bowl(weight, -weight * x, np.zeros_like(x))).x

    def respond(self, price: FloatArray) -> FloatArray:
        """Each agent's best decision at its prices, shape (rows, d)."""
        return self.answer(price).x

    def answer(self, price: FloatArray) -> Least:
        """The same, with the multipliers of the agents' capacities."""
        slope = self.pull(price)
        if self.capacity is None:
            x = np.clip(self.own.respond(slope), self.low, self.high)
            return Least(x, np.zeros(len(x)))
        return self._least(self.own.bowl(slope))

    def _least(self, bowl: Bowl) -> Least:
        assert self.capacity is not None
        return self.capacity.least(bowl, self.low, self.high)

    def give(self, x: FloatArray, toll: FloatArray, bend: FloatArray) -> FloatArray:
        """-dx / db of the least of some function + b x over the agents' sets, shape (rows, d, d).

        Args:
            x: The minimisers.
            toll: Multipliers of the capacities there, shape (rows,).
            bend: Second derivatives of the function there, shape (rows, d).
        """
        free = (x > self.low) & (x < self.high)
        if self.capacity is None:
            return np.asarray((free / bend)[:, :, None] * np.eye(x.shape[1]))
        return self.capacity.give(x, toll, bend, free)

    def violation(self, x: FloatArray) -> float:
        """Largest violation by decisions of all agents: of a shared constraint, or of a capacity as a share of it."""
        total = self.constraint(x).sum(axis=0)
        shared = float(np.max(np.abs(total) if self.equality else np.maximum(total, 0.0)))
        return shared if self.capacity is None else max(shared, self.capacity.overload(x))

    def rows(self, agents: Any) -> Coupled:
        """Some agents' part alone."""
        share, offset, low, high = (one[agents] for one in (self.share, self.offset, self.low, self.high))
        capacity = None if self.capacity is None else self.capacity.rows(agents)
        return Coupled(self.own.rows(agents), share, offset, low, high, self.equality, capacity)

    def when(self, moment: str) -> Coupled:
        """The same problem; a user's costs tell their faults with this moment, such as `round 7`."""
        own = self.own.when(moment)
        return self if own is self.own else replace(self, own=own)


@dataclass(frozen=True, eq=False)
class Dual(Costs):
    """The dual of a coupled problem, which is a problem of one shared decision: the prices.

    f_i(l) = -min over x_i in X_i of f_i(x_i) + l^T g_i(x_i); prices of inequalities are not negative.

    Attributes:
        coupled: The problem.
    """

    coupled: Coupled

    @property
    def dimension(self) -> int:
        """Number of prices."""
        return int(self.coupled.offset.shape[1])

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.coupled.offset)

    def value(self, x: FloatArray) -> FloatArray:
        """Dual costs, shape (rows,)."""
        best = self.coupled.respond(x)
        cost = self.coupled.own.value(best).sum(axis=1)
        return np.asarray(-cost - (x * self.coupled.constraint(best)).sum(axis=1))

    def gradient(self, x: FloatArray) -> FloatArray:
        """-g_i at the best decision, shape (rows, m)."""
        return -self.coupled.constraint(self.coupled.respond(x))

    def hessian(self, x: FloatArray) -> FloatArray:
        """G_i J_i G_i^T, J_i being how agent i's best decision gives way to prices, shape (rows, m, m)."""
        best, toll = self.coupled.answer(x)
        give = self.coupled.give(best, toll, self.coupled.own.curvature(best))
        return np.asarray(np.einsum("imd,ide,ike->imk", self.coupled.share, give, self.coupled.share))

    def smoothness(self) -> FloatArray:
        """Largest possible second derivative, shape (rows,), by the least curvatures in the boxes."""
        give = 1.0 / self.coupled.own.flattest(self.coupled.high)
        bent = np.einsum("imd,id,ikd->imk", self.coupled.share, give, self.coupled.share)
        return np.asarray(np.linalg.norm(bent, 2, axis=(1, 2)))

    @property
    def constrained(self) -> bool:
        """Whether prices have a sign."""
        return not self.coupled.equality

    def project(self, x: FloatArray) -> FloatArray:
        """Prices that are not negative, where they must not be."""
        return x if self.coupled.equality else np.maximum(x, 0.0)

    def rows(self, agents: Any) -> Dual:
        """Some agents' part alone."""
        return Dual(None, self.coupled.rows(agents))

    def when(self, moment: str) -> Dual:
        """The same costs; a user's tell their faults with this moment."""
        coupled = self.coupled.when(moment)
        return self if coupled is self.coupled else replace(self, coupled=coupled)
