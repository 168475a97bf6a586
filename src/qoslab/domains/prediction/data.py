"""Measurements as arrays, and their division into what is known and what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.scenario import Dataset, Planted, PredictionScenario

__all__ = ["BoolArray", "Codes", "FloatArray", "Known", "Task", "make_task"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """What a method may learn from.

    Attributes:
        parameters: Names of the P QoS parameters.
        values: Measurements, shape (P, users, services), NaN where nothing is known.
        user_context: For each kind of context ("country", "as") one code per user, shape (users,); -1 is unknown.
        service_context: The same for services, shape (services,). A kind means the same codes on both sides.
    """

    parameters: tuple[str, ...]
    values: FloatArray
    user_context: Mapping[str, Codes] = field(default_factory=dict)
    service_context: Mapping[str, Codes] = field(default_factory=dict)

    @property
    def users(self) -> int:
        """Number of users."""
        return int(self.values.shape[1])

    @property
    def services(self) -> int:
        """Number of services."""
        return int(self.values.shape[2])

    def cells(self, parameter: int) -> tuple[Codes, Codes, FloatArray]:
        """Users, services and values of the known cells of one parameter, in the order of the table."""
        table = self.values[parameter]
        users, services = np.nonzero(np.isfinite(table))
        return users, services, table[users, services]

    def copy(self) -> Known:
        """The same with arrays of its own."""
        contexts = [{k: v.copy() for k, v in c.items()} for c in (self.user_context, self.service_context)]
        return Known(self.parameters, self.values.copy(), *contexts)


@dataclass(frozen=True)
class Task:
    """One instance of the problem.

    Attributes:
        known: What a method may learn from.
        truth: All measurements, shape (P, users, services), NaN where nobody measured.
        test: Which cells are asked, same shape: measured, and not known.
    """

    known: Known
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
    asked = np.broadcast_to((test & ~train).reshape(users, services), truth.shape)
    return Task(Known(names, known), truth, asked)


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
