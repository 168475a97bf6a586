"""The optimum that agents are measured against, found centrally."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.distance import Distance, geometric_median
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.sets import Balls
from qoslab.domains.optimization.problems.smooth import Quadratic

__all__ = ["require_optimum", "solve"]

_STEPS = 200
_CUTS = 200
_OUTSIDE = 1e-8
_EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
"""The least that HiGHS takes."""

_FLAT = 1e-12
"""Curvature that is this little beside the largest counts as none, as does a slope."""


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
    if costs.sets is None:
        return _vertex(costs, np.zeros((0, costs.dimension)), np.zeros(0))
    x = costs.sets.inside()
    normals, offsets = costs.sets.cuts(x)
    if not isinstance(costs.sets, Balls):
        return _vertex(costs, normals, offsets)
    for _ in range(_CUTS):
        x = _vertex(costs, normals, offsets)
        if float(costs.violation(x[None])[0]) <= _OUTSIDE * (1.0 + np.abs(x).max()):
            return x
        more, bounds = costs.sets.cuts(x)
        normals, offsets = np.vstack([normals, more]), np.append(offsets, bounds)
    message = (
        f"no optimum found: after {_CUTS} linear programs {x.tolist()} is still outside some agent's ball"
    )
    raise BadInput(Problem(field="scenario.problem.sets", message=message))


def _vertex(costs: Median, normals: FloatArray, offsets: FloatArray) -> FloatArray:
    """Where the sum is least in half-spaces, shape (p,)."""
    from scipy.optimize import linprog

    cost, table, bound = costs.linear_program()
    p = costs.dimension
    more = np.hstack([normals, np.zeros((len(offsets), table.shape[1] - p))])
    found = linprog(
        cost, np.vstack([table, more]), np.append(bound, offsets), bounds=(None, None), options=_EXACT
    )
    return np.asarray(found.x[:p], np.float64)


def _newton(costs: Costs) -> FloatArray:
    """Damped Newton until the gradient is zero to rounding."""
    every = (costs.count, costs.dimension)
    x = np.zeros(costs.dimension)
    scale = max(1.0, float(np.abs(costs.gradient(np.zeros(every))).sum()))
    for _ in range(_STEPS):
        spread = np.broadcast_to(x, every)
        slope = costs.gradient(spread).sum(axis=0)
        if np.abs(slope).max() <= 1e-13 * scale:
            return x
        bend = costs.hessian(spread)
        assert bend is not None
        direction = _direction(costs, bend.sum(axis=0), slope, x)
        x = x + _armijo(costs, x, direction, float(slope @ direction)) * direction
    message = "no optimum found: the sum of the costs may have none"
    raise BadInput(Problem(field="scenario.problem", message=message))


def _direction(costs: Costs, bend: FloatArray, slope: FloatArray, x: FloatArray) -> FloatArray:
    """Newton's direction, with nothing along directions without curvature."""
    values, vectors = np.linalg.eigh(bend)
    thin = np.abs(values) <= _FLAT * max(float(np.abs(values).max()), 1e-300)
    _require_one(costs, x, slope, vectors[:, thin].T)
    along = vectors[:, ~thin]
    return np.asarray(-along @ (along.T @ slope / values[~thin]))


def _require_one(costs: Costs, x: FloatArray, slope: FloatArray, thin: FloatArray) -> None:
    """Refuse costs that are linear, or constant, along one of some directions, shape (directions, p)."""
    for v in thin:
        if abs(float(slope @ v)) > _FLAT * float(np.abs(slope).max()):
            said = "falls in a straight line"
        elif np.ptp(costs.total_tried(np.stack([x - v, x, x + v]))) == 0:
            said = "does not change"
        else:
            continue
        message = f"no single optimum: from x = {x.tolist()} in the direction {v.tolist()} the sum of the costs {said}"
        hint = "costs whose sum bends in every direction; or problem.optimum, where you know it"
        raise BadInput(Problem(field="scenario.problem", message=message, hint=hint))


def require_optimum(costs: Costs, point: FloatArray) -> None:
    """Refuse a point that is told to be the optimum where the costs prove that it is not.

    The proof is a point of all sets that costs less, by more than 1e-9 relative: on the way down the sum of the
    gradients, and in the sets where a descent by SLSQP ends. Of costs whose gradients are right an optimum that is
    wrong by some 1e-4 of its distance from the agents' own minima is found out, and one wrong by rounding never.

    Args:
        costs: The agents' costs.
        point: x*, shape (p,).

    Raises:
        BadInput: It is outside some agent's set, or another point costs less; tells that point.
    """
    field = "scenario.problem.optimum"
    outside = float(costs.violation(point[None])[0])
    if outside > 1e-9 * (1.0 + float(np.abs(point).max())):
        message = f"{point.tolist()} is no optimum: it is {outside:.6g} outside some agent's set"
        raise BadInput(Problem(field=field, message=message))
    here = float(costs.total(point[None])[0])
    slope = costs.gradient(np.broadcast_to(point, (costs.count, costs.dimension))).sum(axis=0)
    better = _lower(costs, point, slope)
    lowest = costs.total_tried(better)
    at = int(np.argmin(lowest))
    if lowest[at] < here - 1e-9 * max(1.0, abs(here)):
        message = f"{point.tolist()} is no optimum: the costs sum to {here:.9g} there, the gradients to "
        message += f"{slope.tolist()}; at {better[at].tolist()} the costs sum to {lowest[at]:.9g}"
        hint = "without `optimum` it is searched for by Newton's method"
        raise BadInput(Problem(field=field, message=message, hint=hint))


def _lower(costs: Costs, point: FloatArray, slope: FloatArray) -> FloatArray:
    """Points of all sets that may cost less, shape (points, p)."""
    if costs.sets is not None:
        try:
            return _constrained(costs, point)[None]
        except BadInput:
            return point[None]
    length = float(np.linalg.norm(slope))
    if length == 0:
        return point[None]
    steps = (1.0 + np.abs(point).max()) * 2.0 ** -np.arange(30.0)
    return np.asarray(point - steps[:, None] * slope / length)


def _armijo(costs: Costs, x: FloatArray, direction: FloatArray, fall: float) -> float:
    now, step = costs.total(x[None])[0], 1.0
    # Near the optimum the fall is below rounding; the slack lets full steps through.
    slack = 1e-12 * max(1.0, abs(now))
    while step > 1e-10 and not (
        costs.total_tried((x + step * direction)[None])[0] <= now + 1e-4 * step * fall + slack
    ):
        step /= 2
    return step


def _constrained(costs: Costs, start: FloatArray) -> FloatArray:
    from scipy.optimize import minimize

    sets = costs.sets
    assert sets is not None
    every = (costs.count, costs.dimension)
    found = minimize(
        lambda x: costs.total_tried(x[None])[0],
        start,
        jac=lambda x: costs.gradient(np.broadcast_to(x, every)).sum(axis=0),
        constraints={"type": "ineq", "fun": sets.room, "jac": sets.room_slope},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    if float(sets.distance(found.x[None])[0]) > 1e-7:
        message = f"no optimum found: {found.message}"
        raise BadInput(Problem(field="scenario.problem", message=message))
    return np.asarray(found.x, np.float64)
