"""Measurements as arrays, and their division into what is known and what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.scenario import Cold, PredictionScenario
from qoslab.domains.prediction.sizes import LARGEST, SMALLEST

__all__ = [
    "BoolArray",
    "Codes",
    "FloatArray",
    "Known",
    "Task",
    "divided",
    "impossible",
    "make_task",
    "without_timeouts",
]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Codes = NDArray[np.int64]


def impossible(values: FloatArray) -> BoolArray:
    """Which numbers cannot be measurements, of the shape of `values`; NaN is one of them."""
    return np.asarray(~((values == 0) | ((values >= SMALLEST) & (values <= LARGEST))))


@dataclass(frozen=True)
class Known:
    """What a method may learn from.

    Attributes:
        parameters: Names of the P QoS parameters.
        values: Measurements, shape (P, users, services), NaN where nothing is known.
        user_context: For each kind of context ("country", "as") one code per user, shape (users,); -1 is unknown.
        service_context: The same for services, shape (services,). A kind means the same codes on both sides.
        words: Of kinds whose source has words ("Germany"), the word of each code.
    """

    parameters: tuple[str, ...]
    values: FloatArray
    user_context: Mapping[str, Codes] = field(default_factory=dict)
    service_context: Mapping[str, Codes] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def users(self) -> int:
        """Number of users."""
        return int(self.values.shape[1])

    @property
    def services(self) -> int:
        """Number of services."""
        return int(self.values.shape[2])

    @property
    def cold(self) -> tuple[BoolArray, BoolArray]:
        """Users, and services, of whom nothing is known, shapes (users,) and (services,)."""
        there = np.asarray(np.isfinite(self.values).any(axis=0))
        return np.asarray(~there.any(axis=1)), np.asarray(~there.any(axis=0))

    def cells(self, parameter: int) -> tuple[Codes, Codes, FloatArray]:
        """Users, services and values of the known cells of one parameter, in the order of the table."""
        table = self.values[parameter]
        users, services = np.nonzero(np.isfinite(table))
        return users, services, table[users, services]

    def copy(self) -> Known:
        """The same with arrays of its own."""
        users, services = (
            {kind: codes.copy() for kind, codes in side.items()}
            for side in (self.user_context, self.service_context)
        )
        return Known(self.parameters, self.values.copy(), users, services, self.words)


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
    """Draw which cells are known, and which of the others are asked.

    Raises:
        BadInput: The data cannot be read, or a parameter is left without cells to learn from or to ask.
        MissingData: The dataset is not on this machine.
    """
    from qoslab.domains.prediction.protocol import seed_of_round
    from qoslab.domains.prediction.readers import read

    world = read(scenario.data, seed_of_round(scenario, seed), context)
    return divided(without_timeouts(world, scenario.timeouts), scenario, seed)


def divided(world: Known, scenario: PredictionScenario, seed: Seed) -> Task:
    """Divide measurements, those of timeouts left out, into what is known and what is asked.

    Raises:
        BadInput: A parameter is left without cells to learn from or to ask.
    """
    from qoslab.domains.prediction.protocol import deal, new_ones, ordinary, seed_of_round

    truth = world.values
    measured = np.isfinite(truth)
    train = deal(measured, scenario, seed)
    test = measured & ~train
    if scenario.cold is not None:
        users, services = new_ones(measured.shape[1:], scenario.cold, seed_of_round(scenario, seed))
        train &= ~(users[:, None] | services)
        # Folds ask each cell once a round; by a density cells of newcomers are asked whether they were dealt or not.
        test = (test if scenario.folds else measured) & _asked_of_new(users, services, scenario.cold)
    if scenario.joint:
        test &= measured.all(axis=0)
    if scenario.outliers:
        test &= ordinary(truth, scenario.outliers)
    _check(world, train, test)
    return Task(replace(world, values=np.where(train, truth, np.nan)), truth, test)


def without_timeouts(world: Known, timeouts: Mapping[str, float]) -> Known:
    """The measurements below the limits that a scenario's `timeouts` set, parameter by parameter.

    Raises:
        BadInput: The data has no parameter of such a name.
    """
    unknown = [name for name in timeouts if name not in world.parameters]
    if unknown:
        message = f"the data has no parameter {unknown[0]!r}; it has {', '.join(world.parameters)}"
        raise BadInput(Problem(message=message, field="scenario.timeouts"))
    if not timeouts:
        return world
    values = world.values.copy()
    for name, limit in timeouts.items():
        table = values[world.parameters.index(name)]
        table[table >= limit] = np.nan
    return replace(world, values=values)


def _asked_of_new(users: BoolArray, services: BoolArray, cold: Cold) -> BoolArray:
    if cold.users and cold.services:
        return users[:, None] & services
    return users[:, None] | services


def _check(world: Known, train: BoolArray, test: BoolArray) -> None:
    for name, table, learned, asked in zip(world.parameters, world.values, train, test, strict=True):
        if not learned.any():
            message = f"the split leaves no cell of {name!r} to learn from"
            raise BadInput(Problem(message=message, field="scenario"))
        if not asked.any():
            message = f"the split leaves no cell of {name!r} to ask"
            raise BadInput(Problem(message=message, field="scenario"))
        if not table[asked].any():
            message = (
                f"all cells of {name!r} that the split asks are 0: errors have no mean to be measured by"
            )
            raise BadInput(Problem(message=message, field="scenario"))
