"""What clients do between two messages, in this process or divided among several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import numpy as np

from qoslab.agents.ray import hands_on_ray
from qoslab.domains.federation.data import Task
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.scenario import FederationScenario
from qoslab.domains.federation.strategy import Guide

__all__ = ["Train", "crew", "train"]

Train = Callable[[IntArray, IntArray, FloatArray, Guide, float], FloatArray]
"""(batches, clients, model, guide, rate) -> updates Delta_i, shape (S, P)."""

_held: list[tuple[FederationScenario, Task]] = []


@contextmanager
def crew(scenario: FederationScenario, task: Task) -> Iterator[Train]:
    """Who trains the clients of a round: this process, or `scenario.processes` others, each with its share.

    No client's result depends on which others are trained beside it, so the models are the same.

    Raises:
        MissingExtra: Ray is asked for and not installed.
    """
    if scenario.processes_on == "ray":
        with hands_on_ray(scenario.processes, _hold, (scenario, task)) as spread:
            yield _divided(scenario.processes, spread)
    elif scenario.processes == 1:
        yield lambda *work: train(scenario, task, *work)
    else:
        start = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(scenario.processes, start, _hold, ((scenario, task),)) as pool:
            yield _divided(scenario.processes, pool.map)


def _divided(count: int, spread: Callable[..., Iterable[FloatArray]]) -> Train:
    """Training that is cut into shares; `spread` maps a function over them, and gives results in their order."""

    def divided(
        batches: IntArray, chosen: IntArray, model: FloatArray, guide: Guide, rate: float
    ) -> FloatArray:
        shares = [part for part in np.array_split(np.arange(len(chosen)), count) if len(part)]
        works = [(batches[part], chosen[part], model, _share(guide, part), rate) for part in shares]
        return np.concatenate(list(spread(_work, works)))

    return divided


def _hold(given: tuple[FederationScenario, Task]) -> None:
    """What a process is given once: everything that does not change from round to round."""
    _held[:] = [given]


def _work(work: tuple[IntArray, IntArray, FloatArray, Guide, float]) -> FloatArray:
    scenario, task = _held[0]
    with np.errstate(over="ignore", invalid="ignore"):
        return train(scenario, task, *work)


def _share(guide: Guide, part: IntArray) -> Guide:
    return guide if guide.shift is None else Guide(guide.shift[part], guide.pull)


def train(
    scenario: FederationScenario,
    task: Task,
    batches: IntArray,
    chosen: IntArray,
    model: FloatArray,
    guide: Guide,
    rate: float,
) -> FloatArray:
    """Updates Delta_i of the chosen clients, shape (S, P), as they report them.

    Args:
        scenario: Faults among its fields.
        task: The samples.
        batches: Indices of samples, shape (S, steps, batch).
        chosen: The clients, shape (S,).
        model: Where they start, shape (P,).
        guide: What they add to their gradients.
        rate: Step size.
    """
    attackers, faults = task.malicious[chosen], scenario.faults
    own = np.repeat(model[None], len(chosen), axis=0)
    for k in range(batches.shape[1]):
        x, y = task.x[batches[:, k]], task.y[batches[:, k]]
        if faults.attack == "label_flip":
            y = np.where(attackers[:, None], task.classes - 1 - y, y)
        slope = task.network.gradients(own, x, y)
        if guide.shift is not None:
            slope += guide.shift
        if guide.pull:
            slope += guide.pull * (own - model)
        own -= rate * slope
    updates = own - model
    if faults.attack == "scaled":
        updates[attackers] *= faults.scale
    return np.asarray(updates)
