"""Whether the penalty method settles: its iteration near the penalty approximation, and the largest step that lets it.

Near x_r the same shared constraints stay violated, the same entries inside their boxes and the same agents at the edge
of their capacities, so that a round is linear in (x, e). Steps fall, so a first step may be too large for a while; one
that is still too large in the last round never lets the run settle, and is refused before it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import block_diag

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.problems.multipliers import Solution, penalised
from qoslab.domains.optimization.steps import falling
from qoslab.domains.optimization.task import Task

__all__ = ["largest_step", "require_settling", "settling_rate"]

_LARGEST = 400
"""States beyond this many numbers are not judged: eigenvalues of a dense matrix cost their cube."""

_BOUNDLESS = 1e12
"""A step that settles beyond this one is not looked for further, nor one below its inverse."""


def settling_rate(method: Any, task: Task, step: float) -> float | None:
    """The factor by which the distance from x_r falls in a round at a constant step; None where it is not judged.

    Args:
        method: A penalty method with `penalty`, `pause` and `weights_at(coupled, x)`.
        task: A coupled problem.
        step: s.
    """
    coupled = task.coupled
    assert coupled is not None
    n, m, d = coupled.share.shape
    if n * (m + d) > _LARGEST:
        return None
    near = penalised(coupled, method.penalty)
    mixing = np.kron(task.weights.doubly.toarray(), np.eye(m))
    round_ = _round(method, coupled, near, mixing, step)
    idle = np.block([[np.eye(n * d), np.zeros((n * d, n * m))], [np.zeros((n * m, n * d)), mixing]])
    values = np.linalg.eigvals(np.linalg.matrix_power(idle, method.pause - 1) @ round_)
    # The sum of the estimates is the sum of the shares: m eigenvalues 1 that mean nothing.
    rest = values[np.argsort(np.abs(values - 1.0))[m:]]
    return float(float(np.abs(rest).max()) ** (1.0 / method.pause))


def _round(method: Any, coupled: Coupled, near: Solution, mixing: FloatArray, step: float) -> FloatArray:
    """[[J (M - s H), -s J R], [G (J (M - s H) - I), W - s G J R]] on (x, e).

    x+ is the least of s slope^T x + (x - x_now)^T M (x - x_now) / 2 over the agents' sets, M the inverse of the steps'
    weights, and J how it gives way: M^-1 inside boxes, 0 at their ends, along the edge where a capacity is used up.
    """
    x, (n, m, d) = near.x, coupled.share.shape
    violated = coupled.constraint(x).sum(axis=0) > 0
    active = np.ones(m, bool) if coupled.equality else violated
    metric = 1.0 / method.weights_at(coupled, x)
    give = block_diag(*coupled.give(x, step * near.tolls, metric))
    kept = give @ np.diag((metric - step * coupled.own.curvature(x)).ravel())
    share = block_diag(*coupled.share)
    moved = -step * give @ (method.penalty * n * share.T * np.tile(active, n)[None, :])
    return np.block([[kept, moved], [share @ (kept - np.eye(n * d)), mixing + share @ moved]])


def largest_step(method: Any, task: Task) -> float | None:
    """The constant step up to which the method settles near x_r, by bisection to 1e-6.

    Returns:
        None where it is not judged, or where no step is too large: all decisions may be at the ends of their boxes.
    """

    def settles(step: float) -> bool:
        rate = settling_rate(method, task, step)
        return rate is not None and rate <= 1.0

    if settling_rate(method, task, 1.0) is None:
        return None
    high = 1.0
    while settles(high):
        high *= 2.0
        if high > _BOUNDLESS:
            return None
    low = high
    while not settles(low):
        low /= 2.0
        if low < 1.0 / _BOUNDLESS:
            return None
    high = 2.0 * low
    while high - low > 1e-6 * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if settles(middle) else (low, middle)
    return low


def require_settling(method: Any, task: Task, first: float, rounds: int) -> None:
    """Refuse a penalty method whose step is past the limit to the last round.

    Args:
        method: With `decay` and `power`.
        task: A coupled problem.
        first: Its first step.
        rounds: Rounds of the run.

    Raises:
        BadInput: It would never settle; names the limit.
    """
    last = falling(first, method.decay, method.power, rounds)
    rate = settling_rate(method, task, last)
    if rate is None or rate <= 1.0 + 1e-9:
        return
    message = f"the step size {first:.6g}, {last:.6g} in the last round, is past the stability limit "
    message += f"{largest_step(method, task):.6g} here: the run would never settle"
    hint = "a smaller step, or scaling = 'curvature'; or unstable = 'run' in the scenario, to watch it"
    raise BadInput(Problem(field="method.step", message=message, hint=hint))
