"""The optimum that agents are measured against, found centrally."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.distance import Distance, geometric_median
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.smooth import Quadratic

__all__ = ["solve"]

_STEPS = 200


def solve(costs: Costs) -> FloatArray:
    """x*, shape (p,): by closed form, Newton's method, Weiszfeld's, a linear program (HiGHS) or SLSQP.

    Raises:
        BadInput: The agents' sets have no point in common, or the optimum was not found.
    """
    if isinstance(costs, Median):
        return _by_linear_program(costs)
    if isinstance(costs, Distance):
        return geometric_median(costs)
    if costs.sets is not None:
        return _constrained(costs, costs.sets.inside())
    if isinstance(costs, Quadratic):
        weighted = costs.curvature[:, None] * costs.target
        return np.asarray(weighted.sum(axis=0) / costs.curvature.sum())
    return _newton(costs)


def _by_linear_program(costs: Median) -> FloatArray:
    from scipy.optimize import linprog

    cost, table, bound = costs.linear_program()
    p = costs.dimension
    if costs.sets is not None:
        costs.sets.inside()
        kept = np.isfinite(costs.sets.offsets)
        more = np.zeros((int(kept.sum()), table.shape[1]))
        more[:, :p] = costs.sets.normals[kept]
        table, bound = np.vstack([table, more]), np.append(bound, costs.sets.offsets[kept])
    found = linprog(cost, table, bound, bounds=(None, None))
    return np.asarray(found.x[:p], np.float64)


def _newton(costs: Costs) -> FloatArray:
    """Damped Newton until the gradient is zero to rounding."""
    every = (costs.count, costs.dimension)
    x = np.zeros(costs.dimension)
    scale = max(1.0, float(np.abs(costs.gradient(np.zeros(every))).sum()))
    for _ in range(_STEPS):
        spread = np.broadcast_to(x, every)
        slopes = costs.gradient(spread)
        _require_numbers(slopes, x)
        slope = slopes.sum(axis=0)
        if np.abs(slope).max() <= 1e-13 * scale:
            return x
        bend = costs.hessian(spread)
        assert bend is not None
        direction = -np.linalg.solve(bend.sum(axis=0), slope)
        x = x + _armijo(costs, x, direction, float(slope @ direction)) * direction
    message = "no optimum found: the sum of the costs may have none"
    raise BadInput(Problem(field="scenario.problem", message=message))


def _require_numbers(slopes: FloatArray, x: FloatArray) -> None:
    wrong = np.flatnonzero(~np.isfinite(slopes).all(axis=1))
    if len(wrong):
        said = f"the gradient at {x.tolist()} is {slopes[wrong[0]].tolist()}"
        message = f"before the first round, agent {wrong[0]}: {said}"
        raise BadInput(Problem(field="scenario.problem", message=message))


def _armijo(costs: Costs, x: FloatArray, direction: FloatArray, fall: float) -> float:
    now, step = costs.total(x[None])[0], 1.0
    # Near the optimum the fall is below rounding; the slack lets full steps through.
    slack = 1e-12 * max(1.0, abs(now))
    while step > 1e-10 and not (
        costs.total((x + step * direction)[None])[0] <= now + 1e-4 * step * fall + slack
    ):
        step /= 2
    return step


def _constrained(costs: Costs, start: FloatArray) -> FloatArray:
    from scipy.optimize import minimize

    assert costs.sets is not None
    kept = np.isfinite(costs.sets.offsets)
    a, b = costs.sets.normals[kept], costs.sets.offsets[kept]
    every = (costs.count, costs.dimension)
    found = minimize(
        lambda x: costs.total(x[None])[0],
        start,
        jac=lambda x: costs.gradient(np.broadcast_to(x, every)).sum(axis=0),
        constraints={"type": "ineq", "fun": lambda x: b - a @ x, "jac": lambda _: -a},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    if float(np.maximum(a @ found.x - b, 0.0).max(initial=0.0)) > 1e-7:
        message = f"no optimum found: {found.message}"
        raise BadInput(Problem(field="scenario.problem", message=message))
    return np.asarray(found.x, np.float64)
