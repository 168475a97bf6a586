"""Each agent's own minimisation of its cost with a linear and a quadratic term."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.smooth import Quadratic

__all__ = ["minimise_with"]

_STEPS = 100


def minimise_with(costs: Costs, linear: FloatArray, weight: float, start: FloatArray) -> FloatArray:
    """Minimise f_i(x) + l_i^T x + (r / 2) ||x||^2 in every row: closed forms, or Newton's method to rounding.

    Args:
        costs: f; sets are not looked at.
        linear: l, shape (rows, p).
        weight: r, positive.
        start: Where Newton's method starts, shape (rows, p).

    Raises:
        BadInput: The costs are neither smooth nor weighted distances, or Newton's method found no minimum.
    """
    if isinstance(costs, Quadratic):
        q = costs.curvature[:, None]
        return np.asarray((q * costs.target - linear) / (q + weight))
    if isinstance(costs, Median):
        away = -linear / weight - costs.point
        reach = costs.weight[:, None] / weight
        return np.asarray(costs.point + np.sign(away) * np.maximum(np.abs(away) - reach, 0.0))
    if isinstance(costs, Distance):
        return _shrunk(costs, linear, weight)
    return _newton(costs, linear, weight, start)


def _shrunk(costs: Distance, linear: FloatArray, weight: float) -> FloatArray:
    """P + v max(0, 1 - w / (r ||v||)), v = -l / r - p: as far from p as the pull that its weight leaves."""
    away = -linear / weight - costs.point
    length = np.linalg.norm(away, axis=1)
    left = np.maximum(length - costs.weight / weight, 0.0) / np.where(length > 0, length, 1.0)
    return np.asarray(costs.point + left[:, None] * away)


def _newton(costs: Costs, linear: FloatArray, weight: float, start: FloatArray) -> FloatArray:
    """Damped, row by row: a row that has arrived stays, so that no row's result depends on the others."""
    x, eye = start.copy(), np.eye(costs.dimension)
    arrived = np.zeros(len(x), bool)
    scale = 1.0 + np.abs(costs.gradient(x)).max(axis=1) + np.abs(linear).max(axis=1)
    for _ in range(_STEPS):
        slope = costs.gradient(x) + linear + weight * x
        arrived |= np.abs(slope).max(axis=1) <= 1e-14 * scale
        bend = costs.hessian(x)
        if bend is None:
            raise BadInput(Problem(field="method", message="needs smooth costs, or weighted distances"))
        direction = np.asarray(-np.linalg.solve(bend + weight * eye, slope[:, :, None])[:, :, 0], np.float64)
        step = _steps(costs, linear, weight, x, direction, (slope * direction).sum(axis=1))
        x = np.where(arrived[:, None], x, x + step[:, None] * direction)
        # A step this short changes nothing but rounding.
        arrived |= np.abs(direction).max(axis=1) <= 1e-15 * (1.0 + np.abs(x).max(axis=1))
        if arrived.all():
            return x
    # Sums of many terms keep the slope above the bound by rounding alone.
    if (np.abs(costs.gradient(x) + linear + weight * x).max(axis=1) <= 1e-10 * scale).all():
        return x
    message = "an agent's own minimisation found no minimum"
    raise BadInput(Problem(field="scenario.problem", message=message))


def _steps(
    costs: Costs, linear: FloatArray, weight: float, x: FloatArray, direction: FloatArray, fall: FloatArray
) -> FloatArray:
    """By halving until Armijo's condition holds in each row, shape (rows,)."""

    def merit(at: FloatArray) -> FloatArray:
        return np.asarray(costs.tried(at) + (linear * at).sum(axis=1) + 0.5 * weight * (at**2).sum(axis=1))

    now, step = merit(x), np.ones(len(x))
    # Near the minimum the fall is below rounding; the slack lets full steps through.
    slack = 1e-12 * np.maximum(1.0, np.abs(now))
    for _ in range(40):
        high = merit(x + step[:, None] * direction) > now + 1e-4 * step * fall + slack
        if not high.any():
            break
        step = np.where(high, 0.5 * step, step)
    return step
