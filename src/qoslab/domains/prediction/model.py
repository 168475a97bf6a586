"""The run function: split, learn, predict the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method_name
from qoslab.core.outcome import Outcome, Series
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import FloatArray, Known, Task, make_task
from qoslab.domains.prediction.metrics import calibration, errors, ranking, user_errors
from qoslab.domains.prediction.scenario import larger_of

__all__ = ["Prediction", "Predictor", "completed", "run"]


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
        prediction = completed(method, task.known, seed.stream("method"), context)
        larger = larger_of(scenario.larger_is_better, task.known.parameters)
        yield _judged(task, prediction, larger, keep_series=context.keep_series)


def completed(method: Any, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
    """Ask a method to complete a table, and hold it to what `Predictor.predict` promises.

    Args:
        method: The method; it gets a copy.
        known: What it may learn from.
        seed: Where its random numbers come from.
        context: Time limit, and whether series are wanted.

    Raises:
        BadInput: Its answer has another shape than the table, or is not finite; the first such cell is named.
    """
    found = method.predict(known.copy(), seed, context)
    prediction = found if isinstance(found, Prediction) else Prediction(found)
    ends = prediction.lower, prediction.upper
    values = _table(method, "predictions", prediction.values, known)
    if ends[0] is None or ends[1] is None:
        return replace(prediction, values=values, lower=None, upper=None)
    lower, upper = (
        _table(method, f"{which} ends", end, known)
        for which, end in zip(("lower", "upper"), ends, strict=True)
    )
    return replace(prediction, values=values, lower=lower, upper=upper)


def _table(method: Any, what: str, given: Any, known: Known) -> FloatArray:
    """What a method gave as numbers for every cell, or the reason why it is none."""
    name, shape = method_name(method), known.values.shape
    try:
        table = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        message = f"method {name!r} gives {type(given).__name__} as its {what}, not an array of numbers"
        raise BadInput(Problem(message=message)) from None
    if table.shape != shape:
        hint = "one table of users and services for each parameter"
        message = f"method {name!r} gives {what} of shape {table.shape}; {shape} is asked"
        raise BadInput(Problem(message=message, hint=hint))
    wrong = np.argwhere(~np.isfinite(table))
    if len(wrong):
        p, user, service = (int(i) for i in wrong[0])
        where = f"{known.parameters[p]!r} of user {user} and service {service}"
        message = (
            f"method {name!r} gives {what} that are not finite: {len(wrong)} of {table.size} cells, "
            f"the first {where}, which is {table[p, user, service]:g}"
        )
        raise BadInput(Problem(message=message))
    return table


def _judged(task: Task, prediction: Prediction, larger: Sequence[str], *, keep_series: bool) -> Outcome:
    names, asked = task.known.parameters, (task.truth, task.test)
    metrics = errors(names, prediction.values, *asked) | ranking(names, prediction.values, *asked, larger)
    if prediction.lower is not None and prediction.upper is not None:
        metrics |= calibration(names, (prediction.lower, prediction.upper), *asked)
    users, services = task.known.cold
    counters = {
        "known": int(np.isfinite(task.known.values).sum()),
        "asked": int(task.test.sum()),
        "cold_users": int(users.sum()),
        "cold_services": int(services.sum()),
    }
    if not keep_series:
        return Outcome(metrics, counters)
    series = {"user_errors": user_errors(names, prediction.values, *asked), "training": _NO_TRAINING}
    return Outcome(metrics, counters, series | dict(prediction.series))
