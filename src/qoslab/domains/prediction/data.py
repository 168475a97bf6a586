"""Measurements as arrays, and their division into what is known and what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.scenario import Dataset, Planted, PredictionScenario

__all__ = ["Task", "make_task"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """One instance of the problem.

    Attributes:
        parameters: Names of the P QoS parameters.
        known: What a method may learn from, shape (P, users, services), NaN where it is not known.
        truth: All measurements, same shape, NaN where nobody measured.
        test: Which cells are asked, shape (users, services): measured in every parameter, and not known.
    """

    parameters: tuple[str, ...]
    known: FloatArray
    truth: FloatArray
    test: BoolArray


def make_task(scenario: PredictionScenario, seed: Seed, context: Context) -> Task:
    """Draw which cells are known: the same cells for all parameters, `density` of the whole table.

    Raises:
        BadInput: The data has no array of a named parameter, or too few cells were measured.
        MissingData: The dataset is not on this machine.
    """
    names, truth = _measurements(scenario, seed, context)
    users, services = truth.shape[1:]
    measured = np.flatnonzero(np.isfinite(truth).all(axis=0))
    count = round(scenario.density * users * services)
    if not 0 < count < len(measured):
        message = f"{count} of {users * services} cells should be known, but {len(measured)} were measured"
        raise BadInput(Problem(message=message, field="scenario.density"))
    chosen = seed.generator("split").choice(measured, count, replace=False)
    train = np.zeros(users * services, bool)
    train[chosen] = True
    test = np.zeros(users * services, bool)
    test[measured] = True
    known = np.where(train.reshape(users, services), truth, np.nan)
    return Task(names, known, truth, (test & ~train).reshape(users, services))


def _measurements(
    scenario: PredictionScenario, seed: Seed, context: Context
) -> tuple[tuple[str, ...], FloatArray]:
    if isinstance(scenario.data, Planted):
        return _planted(scenario.data, seed.generator("planted"))
    return scenario.data.parameters, _archive(context.dataset(scenario.data.name), scenario.data)


def _planted(data: Planted, rng: np.random.Generator) -> tuple[tuple[str, ...], FloatArray]:
    """Log-normal values whose logarithms are a low-rank product, shared in part by all parameters, plus noise."""
    left = rng.standard_normal((data.parameters, data.users, data.rank))
    right = rng.standard_normal((data.services, data.rank))
    signal = data.signal / np.sqrt(data.rank) * (left @ right.T)
    noise = data.noise * rng.standard_normal(signal.shape)
    return tuple(f"q{i}" for i in range(data.parameters)), np.exp(signal + noise)


def _archive(path: Path, data: Dataset) -> FloatArray:
    with np.load(path, allow_pickle=False) as archive:
        missing = [name for name in data.parameters if name not in archive.files]
        if missing:
            known = ", ".join(archive.files)
            message = f"{path.name} holds no array {missing[0]!r}; it holds {known}"
            raise BadInput(Problem(message=message, field="scenario.data.parameters"))
        return np.stack([archive[name].astype(np.float64) for name in data.parameters])
