"""The step that a method takes beside the steps that are known to be too large, or proved to be small enough."""

from __future__ import annotations

from typing import Any

from qoslab.agents.program import Own
from qoslab.domains.optimization.asymptotics import Asymptotics, Predictable, stability_limit
from qoslab.domains.optimization.certificate import certified_step
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.settling import largest_step
from qoslab.domains.optimization.task import Task

__all__ = ["judged_steps"]


def judged_steps(method: Any, task: Task, own: Own) -> dict[str, float]:
    """`step`, and `step_limit` and `step_certified` where they can be told.

    The limit is that of the rounds near the optimum, or near the penalty approximation. A certificate exists for
    row-stochastic tracking of strongly convex costs with one step for all; of FROST's steps nothing is proved here.

    Args:
        method: The method.
        task: What it works on.
        own: What all agents know.
    """
    if task.coupled is not None and method.decision == "own":
        if not hasattr(method, "first_step"):
            return {}
        return _known(step=method.first_step(own), step_limit=largest_step(method, task))
    prices = task.coupled is not None and not getattr(method, "predicts_prices", True)
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    if near is None or prices or not isinstance(method, Predictable):
        return {}
    found = _known(step=method.scale(near), step_limit=stability_limit(method, near))
    weakest = float(task.costs.convexity().min())
    if type(method) is RowStochasticTracking and weakest > 0:
        proof = certified_step(task.weights.row.toarray(), weakest, own.data.smoothness)
        found["step_certified"] = proof.step
    return found


def _known(**steps: float | None) -> dict[str, float]:
    return {name: float(step) for name, step in steps.items() if step is not None}
