"""Rounds: clients are drawn, train, fail or attack; the server makes one model of what arrives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation.clients import Train, crew
from qoslab.domains.federation.data import Task
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.scenario import FederationScenario
from qoslab.domains.federation.strategy import Needs, Round, State, Strategy

__all__ = ["Clients", "Step", "rounds"]


@dataclass(frozen=True)
class Step:
    """One round as an observer sees it.

    Attributes:
        model: The model after the round, shape (P,).
        drift: How much clients that answered pull apart, in [0, 1]; NaN when fewer than two answered.
        answered: How many answered.
    """

    model: FloatArray
    drift: float
    answered: int


@dataclass(frozen=True)
class Clients:
    """All clients' samples, laid end to end, so that a round's batches are one look-up.

    Attributes:
        members: Indices of samples, client after client.
        first: Where each client's begin, shape (N,).
        sizes: How many each holds, shape (N,).
    """

    members: IntArray
    first: IntArray
    sizes: IntArray

    @classmethod
    def of(cls, task: Task, needs: Needs) -> Clients:
        """The clients of a task; with the server's samples in every hand where a method asks for that."""
        more = task.server if needs.server_data_at_clients else task.server[:0]
        parts = [np.concatenate([part, more]) for part in task.parts]
        sizes = np.array([len(part) for part in parts])
        return cls(np.concatenate(parts), np.cumsum(sizes) - sizes, sizes)

    def batches(self, chosen: IntArray, chance: FloatArray) -> IntArray:
        """Samples drawn with replacement: shape of `chance`, (S, ...), whose numbers are uniform in [0, 1)."""
        lead = (-1,) + (1,) * (chance.ndim - 1)
        place = (chance * self.sizes[chosen].reshape(lead)).astype(np.int64)
        return np.asarray(self.members[self.first[chosen].reshape(lead) + place])


def rounds(
    scenario: FederationScenario, task: Task, method: Strategy, seed: Seed, context: Context
) -> Iterator[Step]:
    """Train for as many rounds as the scenario says; ends early where the model is no longer finite.

    Chance never depends on the method: who takes part, who drops out and which samples are drawn are the same for all.
    """
    needs = method.needs()
    clients = Clients.of(task, needs)
    state = method.start(len(clients.sizes), task.network.count)
    # who sits out for want of samples does so under every method, also where the server's are handed out
    able = np.flatnonzero([len(part) > 0 for part in task.parts])
    draws = {name: seed.generator(name) for name in ("who", "dropout", "batches", "server")}
    if needs.pooled:
        draws["pooled"] = seed.generator("pooled")
    model = task.start
    with crew(scenario, task) as train:
        for number in range(scenario.rounds):
            context.check_time()
            with np.errstate(over="ignore", invalid="ignore"):
                step, state = _round(
                    scenario, task, method, clients, able, draws, number, model, state, train
                )
            if not np.isfinite(step.model).all():
                return
            model = step.model
            yield step


def _round(
    scenario: FederationScenario,
    task: Task,
    method: Strategy,
    clients: Clients,
    able: IntArray,
    draws: dict[str, np.random.Generator],
    number: int,
    model: FloatArray,
    state: State,
    train: Train,
) -> tuple[Step, State]:
    settings, faults = scenario.training, scenario.faults
    rate = settings.rate * settings.rate_decay**number
    chosen = draws["who"].choice(able, scenario.sampled, replace=False)
    answers = draws["dropout"].random(len(chosen)) >= faults.dropout
    chance = draws["batches"].random((len(chosen), settings.steps, settings.batch))
    server_chance = draws["server"].random((scenario.server.steps, scenario.server.batch))
    if not method.needs().clients:
        answers[:] = False
    chosen, chance = chosen[answers], chance[answers]
    updates = np.zeros((0, len(model)))
    if len(chosen):
        guide = method.guide(state, chosen)
        updates = train(clients.batches(chosen, chance), chosen, model, guide, rate)
    seen = Round(
        number,
        scenario.rounds,
        model,
        chosen,
        clients.sizes[chosen],
        updates,
        rate,
        settings.steps,
        len(clients.sizes),
        _teacher(scenario, task, draws, server_chance, rate),
    )
    fresh, state = method.merge(state, seen)
    return Step(fresh, _drift(updates), len(chosen)), state


def _teacher(
    scenario: FederationScenario,
    task: Task,
    draws: dict[str, np.random.Generator],
    chance: FloatArray,
    rate: float,
) -> Callable[[FloatArray, float], FloatArray]:
    """The server's steps: on its own samples, or on everybody's as all clients of a round would take them."""
    if "pooled" not in draws:
        return lambda start, gamma: _learn(task, start, gamma * scenario.server.rate, chance, task.server)
    settings = scenario.training
    everything = np.concatenate([task.server, *task.parts])
    steps = draws["pooled"].random((scenario.sampled * settings.steps, settings.batch))
    return lambda start, gamma: _learn(task, start, gamma * rate, steps, everything)


def _learn(task: Task, start: FloatArray, step: float, chance: FloatArray, samples: IntArray) -> FloatArray:
    """Steps w <- w - step g(w) from `start`, on batches of some samples."""
    if step == 0.0:
        return start
    model = start.copy()
    picked = samples[(chance * len(samples)).astype(np.int64)]
    for batch in picked:
        model -= step * task.network.gradients(model, task.x[batch], task.y[batch])
    return model


def _drift(updates: FloatArray) -> float:
    """Root mean square of Delta_i - mean over that of Delta_i: 0 for one direction, 1 where updates cancel."""
    if len(updates) < 2:
        return float("nan")
    total = float(np.square(updates).sum())
    return float(np.sqrt(np.square(updates - updates.mean(axis=0)).sum() / total)) if total > 0 else 0.0
