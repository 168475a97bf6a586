"""What a scenario asks of its data, looked at before anything runs: faults of files, and splits that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
from pydantic import TypeAdapter

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, MissingData, Problem
from qoslab.core.scenario import input_files
from qoslab.core.seeds import Seed
from qoslab.datasets.errors import AlteredData
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction.data import Known, divided, without_timeouts
from qoslab.domains.prediction.planted import parameter_names
from qoslab.domains.prediction.readers import read
from qoslab.domains.prediction.scenario import Planted, PredictionScenario, Source, larger_of

__all__ = ["check"]

_DRAWS = 20
"""Draws of new users and services of which one at least must leave something to learn from and to ask."""

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def check(scenario: PredictionScenario) -> Iterator[Problem]:
    """The problems of a scenario's measurements and of their split.

    Data that is registered and not on this machine is not looked at. Which values are outliers is not asked: they are
    a tenth at most, and finding them takes longer than the rest.

    Args:
        scenario: The scenario.
    """
    try:
        world = without_timeouts(_world(scenario), scenario.timeouts)
        larger_of(scenario.larger_is_better, world.parameters)
        _must_divide(world, scenario.model_copy(update={"outliers": 0.0}))
    except (MissingData, AlteredData):
        return
    except BadInput as error:
        yield from (_placed(problem) for problem in error.problems)


def _must_divide(world: Known, scenario: PredictionScenario) -> None:
    for draw in range(_DRAWS if scenario.cold is not None else 1):
        try:
            divided(world, scenario, Seed(replication=draw))
        except BadInput:
            if draw == _DRAWS - 1 or scenario.cold is None:
                raise
        else:
            return


def _world(scenario: PredictionScenario) -> Known:
    """All measurements; ones stand for what is planted, since every replication draws its own."""
    data = scenario.data
    if isinstance(data, Planted):
        shape = (data.parameters, data.users, data.services)
        return Known(parameter_names(data), np.ones(shape))
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in input_files(data))
    return _read(data.model_dump_json(), stamps)


@lru_cache(maxsize=2)  # the scenarios of a grid mostly share their data
def _read(data: str, _stamps: tuple[tuple[int, int], ...]) -> Known:
    return read(_SOURCE.validate_json(data), Seed(), Context(dataset=resolver()))


def _placed(problem: Problem) -> Problem:
    """A problem whose field is its place in the scenario."""
    field = (problem.field or "").removeprefix("scenario").removeprefix(".")
    return replace(problem, field=field or None)
