"""Whether the penalty method settles: its iteration near the penalty approximation, and the largest step that lets it.

Near x_r the same shared constraints stay violated, the same entries inside their boxes and the same agents at the edge
of their capacities, so that a round is linear in (x, e). Steps fall, so a first step may be too large for a while; one
that is still too large in the last round never lets the run settle, and is refused before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.limits import ABOUT, CLOSE, UNTIMED, Limit, last_stable
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.problems.multipliers import Solution, penalised
from qoslab.domains.optimization.stability import SLACK, growth_beyond
from qoslab.domains.optimization.steps import falling
from qoslab.domains.optimization.task import Task

__all__ = ["Settling", "largest_step", "require_settling", "settling_rate"]

_DENSE = 400
"""Up to so many numbers all eigenvalues are found; beyond, those of largest modulus by Arnoldi's iteration."""

_MOST = 250_000
"""More numbers are not judged: Arnoldi's iteration holds forty times as many."""

_BOUNDLESS = 1e12
"""A step that settles beyond this one is not looked for further, nor one below its inverse."""

_DOUBLES = 20
"""Past 400 numbers a limit is looked for among so many doubles or halves of the method's own step."""


@dataclass(frozen=True, eq=False)
class Settling:
    """Rounds near x_r as a linear map on (x, e), the distances of decisions and estimates from where they end.

    x+ is the least of s slope^T x + (x - x_now)^T M (x - x_now) / 2 over the agents' sets, M the inverse of the steps'
    weights, and J how it gives way: M^-1 inside boxes, 0 at their ends, along the edge where a capacity is used up. So
    x+ = J ((M - s H) x - s r n G^T e), e counting where constraints are violated, and e+ = W e + G (x+ - x). The sum
    of the estimates stays the sum of the shares: starts where it is not are projected away, and with them m
    eigenvalues 1 that mean nothing.

    Attributes:
        coupled: The problem.
        near: Its penalty approximation.
        active: Which shared constraints are violated there, shape (m,).
        metric: M, shape (n, d).
        penalty: r.
        mixing: W, csr of shape (n, n).
        pause: Rounds from one step of the decisions to the next.
        context: Where the time is checked, before every round.
    """

    coupled: Coupled
    near: Solution
    active: FloatArray
    metric: FloatArray
    penalty: float
    mixing: Any
    pause: int
    context: Context = field(default_factory=Context)

    @classmethod
    def at(cls, method: Any, task: Task, context: Context = UNTIMED) -> Settling | None:
        """The rounds of a penalty method near its end; None where they are too large to be judged.

        Args:
            method: A penalty method with `penalty`, `pause` and `weights_at(coupled, x)`.
            task: A coupled problem.
            context: Where the time is checked, in all that is asked of the rounds.
        """
        coupled = task.coupled
        assert coupled is not None
        n, m, d = coupled.share.shape
        if n * (m + d) > _MOST:
            return None
        near = penalised(coupled, method.penalty)
        violated = coupled.constraint(near.x).sum(axis=0) > 0
        active = np.ones(m) if coupled.equality else violated.astype(np.float64)
        metric = 1.0 / method.weights_at(coupled, near.x)
        mixing = task.weights.doubly
        return cls(coupled, near, active, metric, method.penalty, mixing, method.pause, context)

    @property
    def size(self) -> int:
        """Numbers that the map acts on."""
        n, m, d = self.coupled.share.shape
        return int(n * (m + d))

    @property
    def dense(self) -> bool:
        """Whether all its eigenvalues are found."""
        return self.size <= _DENSE

    def round(self, vector: FloatArray, step: float, give: FloatArray) -> FloatArray:
        """`pause` rounds, in the first of which decisions move, on one vector of all numbers.

        Args:
            vector: x and e, one after the other, shape (size,).
            step: s.
            give: J at this step, shape (n, d, d).
        """
        self.context.check_time()
        n, m, d = self.coupled.share.shape
        share, x, e = self.coupled.share, vector[: n * d].reshape(n, d), vector[n * d :].reshape(n, m)
        kept = (self.metric - step * self.coupled.own.curvature(self.near.x)) * x
        fresh = np.einsum(
            "ide,ie->id", give, kept - step * self.penalty * n * self.coupled.pull(self.active * e)
        )
        e = self.mixing @ e + np.einsum("imd,id->im", share, fresh - x)
        for _ in range(self.pause - 1):
            e = self.mixing @ e
        e = e - (e.sum(axis=0) - np.einsum("imd,id->m", share, fresh)) / n
        return np.concatenate([fresh.ravel(), e.ravel()])

    def rate(self, step: float) -> float | None:
        """The factor by which the distance from x_r falls in a round at a constant step.

        Returns:
            None where the map is large and Arnoldi's iteration found no eigenvalue outside the unit circle.
        """
        give = self.coupled.give(self.near.x, step * self.near.tolls, self.metric)
        if self.dense:
            matrix = np.stack([self.round(unit, step, give) for unit in np.eye(self.size)], axis=1)
            found: float | None = float(np.abs(np.linalg.eigvals(matrix)).max())
        else:
            found = growth_beyond(lambda vector: self.round(vector, step, give), self.size)
        return None if found is None else found ** (1.0 / self.pause)

    def limit(self, first: float = 1.0, precision: float = CLOSE) -> Limit | None:
        """The largest constant step that settles: nothing, or nothing that was found, grows near x_r.

        Args:
            first: Where the search begins past 400 numbers.
            precision: To which it is told past 400 numbers; 1e-6 up to there.

        Returns:
            None where no step is too large: all decisions may be at the ends of their boxes.
        """
        slack = 0.0 if self.dense else SLACK

        def beyond(step: float) -> float:
            return (self.rate(step) or 0.0) / (1.0 + slack)

        if self.dense:
            first, reach, about = 1.0, _BOUNDLESS, None
        else:
            reach, about = 2.0**_DOUBLES, precision
        step = last_stable(beyond, first, reach=reach, precision=about or 1e-6)
        return None if step is None else Limit(step, about)


def settling_rate(method: Any, task: Task, step: float) -> float | None:
    """`Settling.rate`; None also where it is not judged."""
    found = Settling.at(method, task)
    return None if found is None else found.rate(step)


def largest_step(method: Any, task: Task, first: float = 1.0, context: Context = UNTIMED) -> Limit | None:
    """`Settling.limit`; None also where it is not judged."""
    found = Settling.at(method, task, context)
    return None if found is None else found.limit(first)


def require_settling(method: Any, task: Task, first: float, rounds: int, context: Context = UNTIMED) -> None:
    """Refuse a penalty method whose step is past the limit to the last round.

    Args:
        method: With `decay` and `power`.
        task: A coupled problem.
        first: Its first step.
        rounds: Rounds of the run.
        context: Where the time is checked.

    Raises:
        BadInput: It would never settle; names the limit.
    """
    last = falling(first, method.decay, method.power, rounds)
    near = Settling.at(method, task, context)
    rate = None if near is None else near.rate(last)
    if near is None or rate is None or rate <= 1.0 + 1e-9:
        return
    limit = near.limit(last, ABOUT)
    told = "" if limit is None else f" {limit.step:.6g}" if limit.exact else f" {limit}"
    message = f"the step size {first:.6g}, {last:.6g} in the last round, is past the stability limit"
    message += f"{told} here: the run would never settle"
    hint = "a smaller step, or scaling = 'curvature'; or unstable = 'run' in the scenario, to watch it"
    raise BadInput(Problem(field="method.step", message=message, hint=hint))
