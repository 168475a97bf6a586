"""The run function: split, learn, predict the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import FloatArray, make_task
from qoslab.domains.prediction.metrics import errors

__all__ = ["Predictor", "run"]


class Predictor(Protocol):
    """What a method of this domain offers."""

    def predict(self, known: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Learn from a table and complete it.

        Args:
            known: Shape (P, users, services), NaN where nothing is known.
            seed: Where the method's random numbers come from.
            context: Time limit and progress.

        Returns:
            Predictions for every cell, same shape, finite.
        """
        ...


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Predict what is not known, once per seed; a seed draws the split (and planted data)."""
    for seed in seeds:
        context.check_time()
        task = make_task(scenario, seed, context)
        predicted = method.predict(task.known.copy(), seed.stream("method"), context)
        metrics = errors(task.parameters, predicted[:, task.test], task.truth[:, task.test])
        yield Outcome(
            metrics, {"known": int(np.isfinite(task.known[0]).sum()), "asked": int(task.test.sum())}
        )
