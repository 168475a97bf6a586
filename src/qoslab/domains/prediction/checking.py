"""What a scenario asks of its data, looked at before anything runs: faults of files, and splits that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice

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
from qoslab.domains.prediction.protocol import seed_of_round
from qoslab.domains.prediction.readers import read
from qoslab.domains.prediction.scenario import Planted, PredictionScenario, Source, larger_of

__all__ = ["check"]

_FEWEST = 20
"""Replications that are looked at whatever that takes, and where nobody says which there are."""

_MOST = 2_000
"""Replications that are looked at at most, however small their table."""

_CELLS = 50_000_000
"""Cells that may be dealt for a scenario: within a second, like the replications above."""

_PLANTED = 10_000_000
"""Cells that may be planted for a scenario, which takes a second, too."""

_NAMED = 5
"""Replications that a message names at most, and problems of replications that are told of."""

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def check(scenario: PredictionScenario, seeds: Iterable[Seed] = ()) -> Iterator[Problem]:
    """The problems of a scenario's measurements and of their split in every replication.

    Data that is registered and not on this machine is not looked at. Which values are outliers is not asked: they are
    a tenth at most, and finding them takes longer than the rest. Of very many replications the first are looked at; of
    planted data with timeouts, which has to be planted for that, none where a table is very large.

    Args:
        scenario: The scenario.
        seeds: Those of its replications; twenty without any.
    """
    try:
        world = _world(scenario)
        measured = without_timeouts(world, scenario.timeouts)
        larger_of(scenario.larger_is_better, world.parameters)
        world = world if _is_planted_anew(scenario) else measured
        _must_divide(world, scenario.model_copy(update={"outliers": 0.0}), seeds)
    except (MissingData, AlteredData):
        return
    except BadInput as error:
        yield from (_placed(problem) for problem in error.problems)


def _must_divide(world: Known, scenario: PredictionScenario, seeds: Iterable[Seed]) -> None:
    looked, failed = 0, dict[Problem, list[int]]()
    for seed in _looked_at(world, scenario, seeds):
        looked += 1
        try:
            divided(_measured(world, scenario, seed), scenario, seed)
        except BadInput as error:
            for problem in error.problems:
                failed.setdefault(problem, []).append(seed.replication)
    if failed:
        raise BadInput(_said(failed, looked))


def _said(failed: dict[Problem, list[int]], looked: int) -> Iterator[Problem]:
    """What failed and in which replications; of many things, as planted timeouts make them, the first."""
    for problem, there in islice(failed.items(), _NAMED):
        words = problem.message if len(there) == looked else f"in {_named(there)} {problem.message}"
        yield replace(problem, message=words)
    if len(failed) > _NAMED:
        yield Problem(
            message=f"and {len(failed) - _NAMED} more problems in other replications", field="scenario"
        )


def _is_planted_anew(scenario: PredictionScenario) -> bool:
    """Whether a replication's own values decide what was measured: those planted for it, below the timeouts."""
    return isinstance(scenario.data, Planted) and bool(scenario.timeouts)


def _measured(world: Known, scenario: PredictionScenario, seed: Seed) -> Known:
    """What a replication divides, as `make_task` does.

    Args:
        world: That of `_world`, with the timeouts of data that is not planted left out already.
        scenario: The scenario.
        seed: The replication's.
    """
    if not _is_planted_anew(scenario):
        return world
    planted = read(scenario.data, seed_of_round(scenario, seed), Context())
    return without_timeouts(planted, scenario.timeouts)


def _looked_at(world: Known, scenario: PredictionScenario, seeds: Iterable[Seed]) -> Iterator[Seed]:
    """Seeds whose splits are tried."""
    seeds = iter(seeds)
    first = next(seeds, None)
    given = (
        (Seed(replication=number) for number in range(_FEWEST)) if first is None else chain([first], seeds)
    )
    yield from islice(given, _most(world, scenario))


def _most(world: Known, scenario: PredictionScenario) -> int:
    """How many splits are tried: one, where all can be if one can, which new ones, zeros and planting may prevent."""
    size = world.values.size
    if _is_planted_anew(scenario):
        return min(_MOST, _PLANTED // size)
    differ = scenario.cold is not None or bool((world.values == 0).any())
    return max(_FEWEST, min(_MOST, _CELLS // size)) if differ else 1


def _named(replications: list[int]) -> str:
    """Replications in words, such as `replications 0, 3 and 5`."""
    words = [str(number) for number in replications]
    if len(words) > _NAMED:
        words[_NAMED:] = [f"{len(words) - _NAMED} more"]
    if len(words) == 1:
        return f"replication {words[0]}"
    return f"replications {', '.join(words[:-1])} and {words[-1]}"


def _world(scenario: PredictionScenario) -> Known:
    """All measurements; ones stand for what is planted, since every replication, or round of folds, draws its own.

    No limit may be held against these ones: of planted data with timeouts the replications are planted.
    """
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
