"""The central optimum by a convex solver, written down anew from each problem's formula: a judge of our own solvers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from qoslab.core.check import Check
from qoslab.core.errors import MissingExtra
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.coupled import Coupled, PowerLaw, Quadratics
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.multipliers import solve_coupled
from qoslab.domains.optimization.problems.sets import Balls, Boxes, HalfSpaces
from qoslab.domains.optimization.problems.smooth import Huber, Logistic, Quadratic
from qoslab.domains.optimization.problems.solve import solve
from qoslab.domains.optimization.tables import ProblemTable

__all__ = ["central_checks", "central_cost"]

_TABLES: dict[str, dict[str, Any]] = {
    "quadratic, sets": {"kind": "quadratic", "dimension": 2, "sets": {}},
    "quadratic, boxes": {
        "kind": "quadratic",
        "dimension": 2,
        "sets": {"kind": "box", "low": 0.5, "high": 0.8},
    },
    "huber, balls": {"kind": "huber", "sets": {"kind": "ball", "radius": 0.5}},
    "logistic": {"kind": "logistic"},
    "logistic, sets": {"kind": "logistic", "sets": {}},
    "huber": {"kind": "huber"},
    "median, sets": {"kind": "median", "sets": {}},
    "median, balls": {"kind": "median", "sets": {"kind": "ball", "radius": 0.1}},
    "rendezvous": {"kind": "rendezvous"},
    "dispatch": {"kind": "dispatch"},
    "dispatch, at most": {"kind": "dispatch", "balance": "at most"},
    "qos, two cores": {"kind": "qos", "cores": 2},
    "qos, capacities": {"kind": "qos", "cores": 2, "capacity": {"core": 5.0, "access": 2.6}},
}
_AGENTS = 7
_CLOSE = 1e-6
_GAPS = (1e-11, 1e-9, 1e-7)


def central_checks(*, quick: bool) -> Iterator[Check]:
    """Our own solvers' optimal costs on drawn problems of every kind, against a convex solver's, to 1e-6 relative."""
    for name, table in _TABLES.items():
        for seed in range(1 if quick else 5):
            what, source = f"optimal cost, {name}, draw {seed}", "CVXPY"
            problem = make_problem(
                TypeAdapter(ProblemTable).validate_python(table), _AGENTS, np.random.default_rng(seed)
            )
            try:
                theirs = central_cost(problem)
            except MissingExtra as error:
                yield Check.not_run(what, source, expected=None, note=str(error))
                continue
            slack = _CLOSE * max(1.0, abs(theirs))
            low, high = theirs - slack, theirs + slack
            yield Check.within(what, source, expected=theirs, got=_our_cost(problem), low=low, high=high)


def _our_cost(problem: Costs | Coupled) -> float:
    if isinstance(problem, Coupled):
        return solve_coupled(problem).cost
    return float(problem.total(solve(problem)[None])[0])


def central_cost(problem: Costs | Coupled) -> float:
    """The optimal cost, by CVXPY with Clarabel, or HiGHS for linear programs.

    Args:
        problem: Any but one with a user's own costs.

    Raises:
        MissingExtra: CVXPY is not installed.
        TypeError: The problem is of another kind.
        RuntimeError: The solver found no optimum.
    """
    try:
        import cvxpy as cp
    except ImportError:
        message = "the central optimum by a convex solver"
        raise MissingExtra(message, "optimize") from None
    if isinstance(problem, Coupled):
        cost, limits = _coupled(cp, problem)
    else:
        x = cp.Variable(problem.dimension)
        cost, limits = _shared(cp, problem, x), _sets(cp, problem, x)
    program = cp.Problem(cp.Minimize(cost), limits)
    if isinstance(problem, Median) and not isinstance(problem.sets, Balls):
        program.solve(solver=cp.HIGHS)
    else:
        _by_clarabel(cp, program)
    if program.status != cp.OPTIMAL:
        message = f"the convex solver ended with {program.status!r}"
        raise RuntimeError(message)
    return float(program.value)


def _by_clarabel(cp: Any, program: Any) -> None:
    """To the smallest gap that it reaches: exponential cones stop a little above the first now and then."""
    for gap in _GAPS:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Solution may be inaccurate")
            program.solve(solver=cp.CLARABEL, tol_gap_abs=gap, tol_gap_rel=gap)
        if program.status == cp.OPTIMAL:
            return


def _shared(cp: Any, costs: Costs, x: Any) -> Any:
    if isinstance(costs, Logistic | Huber):
        features = costs.features.reshape(-1, costs.dimension)
        ridge = 0.5 * costs.ridge.sum() * cp.sum_squares(x)
        if isinstance(costs, Logistic):
            return cp.sum(cp.logistic(-cp.multiply(costs.labels.ravel(), features @ x))) + ridge
        # CVXPY's Huber function is twice ours.
        return 0.5 * cp.sum(cp.huber(features @ x - costs.response.ravel(), costs.threshold)) + ridge
    if isinstance(costs, Quadratic):
        return sum(
            0.5 * q * cp.sum_squares(x - c) for q, c in zip(costs.curvature, costs.target, strict=True)
        )
    if isinstance(costs, Median | Distance):
        order = 1 if isinstance(costs, Median) else 2
        return sum(w * cp.norm(x - p, order) for w, p in zip(costs.weight, costs.point, strict=True))
    message = f"no formula of {type(costs).__name__} for a convex solver"
    raise TypeError(message)


def _sets(cp: Any, costs: Costs, x: Any) -> list[Any]:
    sets = costs.sets
    if sets is None:
        return []
    if isinstance(sets, HalfSpaces):
        bound = np.isfinite(sets.offsets)
        return [sets.normals[bound] @ x <= sets.offsets[bound]]
    if isinstance(sets, Boxes):
        low, high = sets.low.max(axis=0), sets.high.min(axis=0)
        below, above = np.isfinite(low), np.isfinite(high)
        return [x[below] >= low[below], x[above] <= high[above]]
    if isinstance(sets, Balls):
        return [cp.norm(x - m) <= r for m, r in zip(sets.centres, sets.radii, strict=True)]
    message = f"no formula of {type(sets).__name__} for a convex solver"
    raise TypeError(message)


def _coupled(cp: Any, coupled: Coupled) -> tuple[Any, list[Any]]:
    n, _, d = coupled.share.shape
    x = cp.Variable((n, d))
    if isinstance(coupled.own, PowerLaw):
        cost = cp.sum(cp.multiply(coupled.own.weight, cp.inv_pos(x)))
    elif isinstance(coupled.own, Quadratics):
        cost = 0.5 * cp.sum(cp.multiply(coupled.own.weight, cp.square(x - coupled.own.wish)))
    else:
        message = f"no formula of {type(coupled.own).__name__} for a convex solver"
        raise TypeError(message)
    total = sum(coupled.share[i] @ x[i] for i in range(n)) - coupled.offset.sum(axis=0)
    shared = total == 0 if coupled.equality else total <= 0
    limits = [x >= coupled.low, x <= coupled.high, shared]
    if coupled.capacity is not None:
        bound = np.isfinite(coupled.capacity.spare)
        weight, spare = coupled.capacity.weight[bound], coupled.capacity.spare[bound]
        limits.append(cp.sum(cp.multiply(weight, cp.inv_pos(x[np.flatnonzero(bound)])), axis=1) <= spare)
    return cost, limits
