"""Differential privacy on any method: what every agent holds is made noisy before anything is said.

Whatever is said afterwards is a function of the noisy points, so that no method and no adversary weakens the promise;
the noise stays in what is agreed on. Agents are judged by the true problem.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.problems.coupled import Dual, Quadratics
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.task import Task

__all__ = ["made_private"]


def made_private(task: Task, noise: float, seed: Seed) -> Task:
    """What agents work on who add noise to the points that they hold: targets, positions or wishes.

    Args:
        task: The true problem.
        noise: Standard deviation.
        seed: Of the noise; every agent draws its own.

    Raises:
        BadInput: The costs have no such points.
    """
    if noise == 0:
        return task

    def noisy(points: np.ndarray) -> np.ndarray:
        drawn = [seed.generator("privacy", i).standard_normal(points.shape[1:]) for i in range(len(points))]
        return points + noise * np.array(drawn)

    costs, coupled = task.costs, task.coupled
    if isinstance(costs, Quadratic):
        return replace(task, costs=replace(costs, target=noisy(costs.target)))
    if isinstance(costs, Median | Distance):
        return replace(task, costs=replace(costs, point=noisy(costs.point)))
    if coupled is not None and isinstance(coupled.own, Quadratics):
        changed = replace(coupled, own=replace(coupled.own, wish=noisy(coupled.own.wish)))
        return replace(task, coupled=changed, costs=Dual(None, changed))
    message = "noise for privacy is put on targets, positions or wishes, which these costs have not"
    hint = "kind = 'quadratic', 'rendezvous', 'median' or 'dispatch'"
    raise BadInput(Problem(field="scenario.privacy", message=message, hint=hint))
