"""How far agents are from the optimum, from each other and from what is feasible."""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.domains.optimization.task import Task

__all__ = ["decisions", "error", "judged", "measured_rate"]

_FLOOR, _CEILING, _POINTS = 1e-10, 1e-3, 20


def decisions(task: Task, x: FloatArray, decision: str, after: str = "the last round") -> FloatArray:
    """What the agents would do: their copies, their own decisions, or their answers to their prices.

    `after` what a user's functions are asked, for what they may be told to do wrong.
    """
    if task.coupled is None or decision == "own":
        return x
    return task.coupled.when(f"after {after}").respond(x)


def error(task: Task, x: FloatArray, decision: str, after: str = "the last round") -> float:
    """Root mean square over the agents of the distance from the optimal decisions; `after` as in `decisions`."""
    apart = decisions(task, x, decision, after) - task.decisions
    return float(np.sqrt((apart**2).sum(axis=1).mean()))


def judged(task: Task, x: FloatArray, decision: str) -> dict[str, float]:
    """Metrics of the agents' state x, shape (n, p) or (n, d).

    `suboptimality` is that of the agent whose decision costs most or least of all, whichever is farther from the
    optimum; `optimality_gap` is its size. Below 0 a decision is cheaper than any feasible one.
    """
    taken = decisions(task, x, decision)
    if task.coupled is None:
        costs = task.costs.when("after the last round").total(taken)
        cost = float(costs[np.argmax(np.abs(costs - task.cost))])
        infeasible = float(task.costs.violation(taken).max())
    else:
        cost = float(task.coupled.own.when("after the last round").value(taken).sum())
        infeasible = task.coupled.violation(taken)
    above = (cost - task.cost) / max(1.0, abs(task.cost))
    found = {
        "error": error(task, x, decision),
        "optimality_gap": abs(above),
        "suboptimality": above,
        "infeasibility": infeasible,
    }
    if decision == "shared":
        found["consensus_error"] = float(np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=1).mean()))
    return found


def measured_rate(errors: FloatArray) -> float | None:
    """The factor by which errors fall in a round, by a line through their logarithms.

    Only rounds between 1e-3 and 1e-10 of the first error count: what starts the fall and rounding is left out.

    Args:
        errors: One per round, shape (rounds + 1,).

    Returns:
        None where fewer than 20 rounds lie between.
    """
    top = errors[0] if errors[0] > 0 else 1.0
    inside = np.flatnonzero((errors < _CEILING * top) & (errors > _FLOOR * top))
    if len(inside) < _POINTS:
        return None
    return float(np.exp(np.polyfit(inside, np.log(errors[inside]), 1)[0]))
