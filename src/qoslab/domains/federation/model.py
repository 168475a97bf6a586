"""The run function: divide, train, measure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.federation import metrics as measure
from qoslab.domains.federation.data import Task, make_task
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.partition import heterogeneity
from qoslab.domains.federation.training import Step, rounds

__all__ = ["run"]


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Train on each seed's division of the samples and measure on samples that nobody learned from."""
    for seed in seeds:
        context.check_time()
        task = make_task(scenario, seed, context)
        steps = list(rounds(scenario, task, method, seed, context))
        accuracy = measure.accuracies(task, steps, scenario.rounds)
        found = _metrics(scenario, task, steps, accuracy)
        # What a run that ended early had sent by then is no cost to compare: the sooner it failed, the less.
        whole = len(steps) if len(steps) == scenario.rounds else None
        for name, count in (
            ("traffic_mb", whole),
            ("traffic_to_target_mb", found.get("rounds_to_target")),
        ):
            if count is not None:
                sent = measure.traffic_bytes(scenario, task, method.needs(), steps[: int(count)])
                found[name] = sent / 1e6
        counters = {"rounds": len(steps), "answers": sum(step.answered for step in steps)}
        yield Outcome(found, counters, _course(accuracy, steps) if context.keep_series else {})


def _metrics(scenario: Any, task: Task, steps: list[Step], accuracy: FloatArray) -> dict[str, float]:
    found = {
        "accuracy": float(accuracy[-max(scenario.rounds // 10, 1) :].mean()),
        "accuracy_early": float(accuracy[max(scenario.rounds // 10, 1) - 1]),
        "heterogeneity": heterogeneity(task.y, list(task.parts), task.classes),
    }
    reached = measure.rounds_to(accuracy, scenario.target)
    if reached is not None:
        found["rounds_to_target"] = float(reached)
    if len(steps) == scenario.rounds:
        last = steps[-1].model
        with np.errstate(over="ignore", invalid="ignore"):
            loss = float(task.network.loss(last, task.x[task.test], task.y[task.test]))
        if np.isfinite(loss):
            found["loss"] = loss
        own = measure.client_accuracies(task, last)
        found |= {"fairness_jain": measure.jain(own), "accuracy_worst_client": float(own.min())}
    drifts = [step.drift for step in steps if np.isfinite(step.drift)]
    if drifts:
        found["drift"] = float(np.mean(drifts))
    return found


def _course(accuracy: FloatArray, steps: list[Step]) -> dict[str, dict[str, Any]]:
    drift = np.full(len(accuracy), np.nan)
    drift[: len(steps)] = [step.drift for step in steps]
    return {"course": {"round": np.arange(1, len(accuracy) + 1), "accuracy": accuracy, "drift": drift}}
