"""The run function: split, learn, predict the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome, Series
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import FloatArray, Known, Task, make_task
from qoslab.domains.prediction.metrics import calibration, errors, ranking, user_errors

__all__ = ["Prediction", "Predictor", "run"]


@dataclass(frozen=True)
class Prediction:
    """A completed table and what a method may tell besides.

    Attributes:
        values: Predictions for every cell, shape (P, users, services), finite.
        lower: Lower ends of intervals that hold the value with the probability `level`, or None.
        upper: Upper ends, or None.
        level: Probability that an interval promises.
        series: Columns for figures by name (losses by epoch, gates, weights); kept where the study asks.
    """

    values: FloatArray
    lower: FloatArray | None = None
    upper: FloatArray | None = None
    level: float = 0.9
    series: Mapping[str, Series] = field(default_factory=dict)


_NO_TRAINING: Series = {"step": np.empty(0, np.int64)}
"""The series of methods that do not train: figures that ask for it find it empty."""


class Predictor(Protocol):
    """What a method of this domain offers."""

    def predict(
        self, known: Known, seed: np.random.SeedSequence, context: Context
    ) -> FloatArray | Prediction:
        """Learn from a table and complete it.

        Args:
            known: The known measurements and the context of users and services; not to be changed.
            seed: Where the method's random numbers come from.
            context: Time limit, and whether series are wanted.

        Returns:
            Predictions for every cell, shape (P, users, services), finite; or these as a `Prediction` with
            intervals or series.
        """
        ...


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Predict what is not known, once per seed; a seed draws the split (and planted data)."""
    for seed in seeds:
        context.check_time()
        task = make_task(scenario, seed, context)
        found = method.predict(task.known.copy(), seed.stream("method"), context)
        prediction = found if isinstance(found, Prediction) else Prediction(found)
        yield _judged(task, prediction, scenario.larger_is_better, keep_series=context.keep_series)


def _judged(task: Task, prediction: Prediction, larger: Sequence[str], *, keep_series: bool) -> Outcome:
    names, asked = task.known.parameters, (task.truth, task.test)
    metrics = errors(names, prediction.values, *asked) | ranking(names, prediction.values, *asked, larger)
    if prediction.lower is not None and prediction.upper is not None:
        metrics |= calibration(names, (prediction.lower, prediction.upper), *asked)
    counters = {"known": int(np.isfinite(task.known.values).sum()), "asked": int(task.test.sum())}
    if not keep_series:
        return Outcome(metrics, counters)
    users = user_errors(names, prediction.values, *asked)
    return Outcome(
        metrics, counters, {"user_errors": users, "training": _NO_TRAINING} | dict(prediction.series)
    )
