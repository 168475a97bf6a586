"""From models after each round to named numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qoslab.domains.federation.data import Task
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.scenario import FederationScenario
from qoslab.domains.federation.strategy import Needs
from qoslab.domains.federation.training import Step

__all__ = ["NUMBER_BYTES", "accuracies", "client_accuracies", "jain", "rounds_to", "traffic_bytes"]

NUMBER_BYTES = 4
"""Size of a number on the wire: single precision."""


def accuracies(task: Task, steps: Sequence[Step], rounds: int) -> FloatArray:
    """Test accuracy after each round, shape (rounds,); 0 from where the model was no longer finite."""
    found = np.zeros(rounds)
    x, y = task.x[task.test], task.y[task.test]
    # Of parameters that are finite, but only just, scores may not be.
    with np.errstate(over="ignore", invalid="ignore"):
        for number, step in enumerate(steps):
            found[number] = (task.network.logits(step.model, x).argmax(axis=-1) == y).mean()
    return found


def client_accuracies(task: Task, model: FloatArray) -> FloatArray:
    """Accuracy of one model on the samples of each client that holds any."""
    with np.errstate(over="ignore", invalid="ignore"):
        right = task.network.logits(model, task.x).argmax(axis=-1) == task.y
    return np.array([right[part].mean() for part in task.parts if len(part)])


def jain(values: FloatArray) -> float:
    """Jain's fairness index (sum v)^2 / (n sum v^2): 1 when all are equal, 1 / n when one has everything."""
    squares = float(np.square(values).sum())
    return float(values.sum() ** 2 / (len(values) * squares)) if squares > 0 else 1.0


def rounds_to(accuracy: FloatArray, target: float) -> int | None:
    """The first round, counted from 1, whose accuracy is at least the target."""
    reached = np.flatnonzero(accuracy >= target)
    return int(reached[0]) + 1 if len(reached) else None


def traffic_bytes(scenario: FederationScenario, task: Task, needs: Needs, steps: Sequence[Step]) -> int:
    """Bytes between server and clients: models to all who were drawn, updates from all who answered.

    Server samples that go to all clients, and clients' samples that go to the server, count once, features and
    class, each a number on the wire.
    """
    samples = (
        len(task.server) * len(task.parts) * (task.x.shape[1] + 1) if needs.server_data_at_clients else 0
    )
    if needs.pooled:
        samples = sum(len(part) for part in task.parts) * (task.x.shape[1] + 1)
    if not needs.clients:
        return NUMBER_BYTES * samples
    down = needs.vectors_down * scenario.sampled * len(steps)
    up = needs.vectors_up * sum(step.answered for step in steps)
    return NUMBER_BYTES * (samples + (down + up) * task.network.count)
