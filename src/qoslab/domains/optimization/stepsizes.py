"""The step that a method takes beside the steps that are known to be too large, or proved to be small enough."""

from __future__ import annotations

from typing import Any

from qoslab.agents.program import Own
from qoslab.domains.optimization.asymptotics import Asymptotics, Predictable, stability_limit
from qoslab.domains.optimization.certificate import certified_step
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.settling import largest_step
from qoslab.domains.optimization.stability import largest_stable
from qoslab.domains.optimization.task import Task

__all__ = ["judged_steps", "round_alike"]


def round_alike(scenario: OptimizationScenario) -> bool:
    """Whether messages arrive at once, or noisy at most: noise moves no limit, loss and delay do."""
    return scenario.channel.loss == 0 and scenario.channel.delay == 0


def judged_steps(
    method: Any, task: Task, own: Own, scenario: OptimizationScenario | None = None
) -> dict[str, float]:
    """`step`, and `step_limit` (or `step_limit_about`) and `step_certified` where they can be told.

    The limit is that of the rounds near the optimum, or near the penalty approximation; where Arnoldi's iteration found
    it, it is told as `step_limit_about`. A certificate exists for
    row-stochastic tracking of strongly convex costs with one step for all; of FROST's steps nothing is proved here.

    Args:
        method: The method.
        task: What it works on.
        own: What all agents know.
        scenario: Its links and channel; links that are always up where none is given.
    """
    if task.coupled is not None and method.decision == "own":
        if not hasattr(method, "first_step"):
            return {}
        return _known(step=method.first_step(own), step_limit=largest_step(method, task))
    if scenario is not None and (scenario.link_up < 1 or not round_alike(scenario)):
        return _judged_rounds(method, task, own, scenario)
    prices = task.coupled is not None and not getattr(method, "predicts_prices", True)
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    if near is None or prices or not isinstance(method, Predictable):
        return _judged_rounds(method, task, own, scenario)
    found = _known(step=method.scale(near), step_limit=stability_limit(method, near))
    weakest = float(task.costs.convexity().min())
    if type(method) is RowStochasticTracking and weakest > 0:
        proof = certified_step(task.weights.row.toarray(), weakest, own.data.smoothness)
        found["step_certified"] = proof.step
    return found


def _judged_rounds(
    method: Any, task: Task, own: Own, scenario: OptimizationScenario | None
) -> dict[str, float]:
    """Of methods whose rate is not predicted, on quadratic costs."""
    if task.coupled is not None or not hasattr(method, "scale"):
        return {}
    step, up = method.scale(own.data), 1.0 if scenario is None else scenario.link_up
    judged = step > 0 and (scenario is None or round_alike(scenario))
    limit = largest_stable(method, task, own, step, up) if judged else None
    if limit is None:
        return {"step": float(step)}
    return {"step": float(step), "step_limit" if limit.exact else "step_limit_about": limit.step}


def _known(**steps: float | None) -> dict[str, float]:
    return {name: float(step) for name, step in steps.items() if step is not None}
