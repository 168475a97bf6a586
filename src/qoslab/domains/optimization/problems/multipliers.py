"""Central solutions of coupled problems: the penalty approximation, and the optimum by multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.coupled import Coupled

__all__ = ["Solution", "penalised", "solve_coupled"]


@dataclass(frozen=True)
class Solution:
    """A central solution.

    Attributes:
        x: Decisions, shape (n, d).
        cost: sum f_i(x_i).
        prices: Multipliers of the shared constraints, shape (m,).
    """

    x: FloatArray
    cost: float
    prices: FloatArray


def penalised(coupled: Coupled, penalty: float, prices: FloatArray | None = None) -> Solution:
    """The minimiser of sum f_i + sum_m (penalty / 2) [g_m + prices_m / penalty]_+^2 in the boxes.

    Projected Newton with an active set (Bertsekas, SIAM J. Control Optim. 20, 1982), to rounding. The `prices` of
    the result are penalty [g + prices / penalty]_+; for equalities the square is not cut.
    """
    shift = np.zeros(coupled.offset.shape[1]) if prices is None else prices / penalty
    low, high = coupled.low, coupled.high
    x = coupled.project(0.5 * (low + high))
    flat = coupled.share.transpose(1, 0, 2).reshape(len(shift), -1)
    for _ in range(100):
        over, active = _over(coupled, x, shift)
        slope = coupled.own.gradient(x) + penalty * np.einsum("imd,m->id", coupled.share, over)
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        rest = np.where(held, 0.0, slope)
        if np.abs(rest).max() <= 1e-12 * max(1.0, float(np.abs(coupled.own.gradient(x)).max())):
            break
        bend = np.diag(coupled.own.curvature(x).ravel()) + penalty * flat[active].T @ flat[active]
        free = ~held.ravel()
        direction = np.zeros(x.size)
        direction[free] = -np.linalg.solve(bend[np.ix_(free, free)], rest.ravel()[free])
        before, x = x, _search(coupled, x, direction.reshape(x.shape), penalty, shift)
        # A large penalty keeps the slope above its bound by rounding alone; then steps have stopped counting.
        if np.abs(x - before).max() <= 1e-15 * max(1.0, float(np.abs(x).max())):
            break
    over, _ = _over(coupled, x, shift)
    return Solution(x, float(coupled.own.value(x).sum()), penalty * over)


def _over(coupled: Coupled, x: FloatArray, shift: FloatArray) -> tuple[FloatArray, FloatArray]:
    over = coupled.constraint(x).sum(axis=0) + shift
    active = np.ones(len(over), bool) if coupled.equality else over > 0
    return np.where(active, over, 0.0), active


def _merit(coupled: Coupled, x: FloatArray, penalty: float, shift: FloatArray) -> float:
    over, _ = _over(coupled, x, shift)
    return float(coupled.own.value(x).sum() + 0.5 * penalty * (over**2).sum())


def _search(
    coupled: Coupled, x: FloatArray, direction: FloatArray, penalty: float, shift: FloatArray
) -> FloatArray:
    now, step = _merit(coupled, x, penalty, shift), 1.0
    while step > 1e-12:
        there = coupled.project(x + step * direction)
        if _merit(coupled, there, penalty, shift) <= now + 1e-14 * abs(now):
            return there
        step /= 2
    return x


def solve_coupled(coupled: Coupled, *, penalty: float = 1e4) -> Solution:
    """The optimum, by the method of multipliers (Hestenes 1969; Powell 1969) with the penalty form inside.

    Raises:
        BadInput: No decisions in the boxes satisfy the shared constraints.
    """
    _require_feasible(coupled)
    prices = np.zeros(coupled.offset.shape[1])
    found = penalised(coupled, penalty)
    for _ in range(50):
        found = penalised(coupled, penalty, prices)
        change = float(np.abs(found.prices - prices).max())
        prices = found.prices
        if change <= 1e-10 * max(1.0, float(np.abs(prices).max())):
            break
    return Solution(found.x, found.cost, prices)


def _require_feasible(coupled: Coupled) -> None:
    from scipy.optimize import linprog

    flat = coupled.share.transpose(1, 0, 2).reshape(coupled.offset.shape[1], -1)
    bound = coupled.offset.sum(axis=0)
    box = np.column_stack([coupled.low.ravel(), coupled.high.ravel()])
    table = {"A_eq": flat, "b_eq": bound} if coupled.equality else {"A_ub": flat, "b_ub": bound}
    if linprog(np.zeros(flat.shape[1]), bounds=box, **table).status == 2:
        message = (
            "the feasible set is empty: no decisions in the agents' boxes satisfy the shared constraints"
        )
        raise BadInput(Problem(field="scenario.problem", message=message))
