"""The step that a method takes beside the steps that are known to be too large, or proved to be small enough."""

from __future__ import annotations

from typing import Any

from qoslab.agents.program import Own
from qoslab.core.context import Context
from qoslab.domains.optimization.asymptotics import Asymptotics, Predictable, stability_limit
from qoslab.domains.optimization.certificate import Certificate, certified_step
from qoslab.domains.optimization.limits import UNTIMED, Limit
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.problems.usercosts import UserCosts
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.settling import largest_step
from qoslab.domains.optimization.stability import largest_stable
from qoslab.domains.optimization.task import Task

__all__ = ["certified", "judged_steps", "quiet", "round_alike"]


def round_alike(scenario: OptimizationScenario) -> bool:
    """Whether messages arrive at once, or noisy at most: loss and delay move where stability ends."""
    return scenario.channel.loss == 0 and scenario.channel.delay == 0


def quiet(scenario: OptimizationScenario) -> bool:
    """Whether messages arrive at once and unchanged, so that rates, limits and certificates hold.

    Noise makes no unstable round stable, so steps past a limit are refused with it, too. Below the limit it lets sums
    that rounds conserve walk at random, and averages that agents divide by come near 0: errors may grow at any step.
    """
    return round_alike(scenario) and scenario.channel.noise == 0


def judged_steps(
    method: Any,
    task: Task,
    own: Own,
    scenario: OptimizationScenario | None = None,
    context: Context = UNTIMED,
) -> dict[str, float]:
    """`step`, and `step_limit` (or `step_limit_about`) and `step_certified` where they can be told.

    The limit is that of the rounds near the optimum, or near the penalty approximation; where Arnoldi's iteration found
    it, it is told as `step_limit_about`. Where costs change in mid-run it is the one that steps are refused by: after
    the change for penalty methods, whose steps fall until then, the smaller of the two otherwise.
    A certificate exists for row-stochastic tracking of strongly convex costs with one step for all and exact
    gradients, whose Lipschitz constant is known and not measured; of FROST's steps nothing is proved here.

    Args:
        method: The method.
        task: What it works on.
        own: What all agents know.
        scenario: Its links and channel; links that are always up, and messages that arrive unchanged, where none is
            given.
        context: Where the time is checked.
    """
    calm = scenario is None or quiet(scenario)
    if task.coupled is not None and method.decision == "own":
        if not hasattr(method, "first_step"):
            return {}
        first = method.first_step(own)
        return _told(first, largest_step(method, task.later or task, first, context) if calm else None)
    if scenario is not None and (scenario.link_up < 1 or not calm):
        return _judged_rounds(method, task, own, scenario, context)
    prices = task.coupled is not None and not getattr(method, "predicts_prices", True)
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    if near is None or prices or not isinstance(method, Predictable):
        return _judged_rounds(method, task, own, scenario, context)
    limits = [stability_limit(method, near, context)]
    if task.later is not None:
        later = Asymptotics.at(task.later.costs, task.later.optimum, task.later.weights)
        limits += [] if later is None else [stability_limit(method, later, context)]
    found = _known(step=method.scale(near), step_limit=min((one for one in limits if one), default=None))
    proof = certified(method, task, own)
    if proof is not None and (scenario is None or scenario.measurement_noise == 0):
        found["step_certified"] = proof.step
    return found


def certified(method: Any, task: Task, own: Own) -> Certificate | None:
    """The certificate of a method's step; None where there is none to be had.

    Of a user's costs a Lipschitz constant that is measured at a few points bounds nothing beyond them.
    """
    weakest, costs = float(task.costs.convexity().min()), task.costs
    measured = isinstance(costs, UserCosts) and costs.bend is None
    if type(method) is not RowStochasticTracking or weakest <= 0 or measured:
        return None
    return certified_step(task.weights.row.toarray(), weakest, own.data.smoothness)


def _judged_rounds(
    method: Any, task: Task, own: Own, scenario: OptimizationScenario | None, context: Context
) -> dict[str, float]:
    """Of methods whose rate is not predicted, or not at this size, by the rounds themselves."""
    if (task.coupled is not None and not getattr(method, "predicts_prices", True)) or not hasattr(
        method, "scale"
    ):
        return {}
    step, up = method.scale(own.data), 1.0 if scenario is None else scenario.link_up
    judged = step > 0 and (scenario is None or quiet(scenario))
    limit = largest_stable(method, task, own, step, up, context=context) if judged else None
    return _told(step, limit)


def _told(step: float, limit: Limit | None) -> dict[str, float]:
    if limit is None:
        return {"step": float(step)}
    return {"step": float(step), "step_limit" if limit.exact else "step_limit_about": limit.step}


def _known(**steps: float | None) -> dict[str, float]:
    return {name: float(step) for name, step in steps.items() if step is not None}
