"""Which measurements are known, who is new, and which values are too strange to be judged."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import BoolArray, FloatArray
from qoslab.domains.prediction.scenario import Cold, PredictionScenario

__all__ = ["deal", "new_ones", "ordinary", "seed_of_round"]

_FOREST_SAMPLES = 20_000
"""Values that each tree of the isolation forest sees at most."""


def seed_of_round(scenario: PredictionScenario, seed: Seed) -> Seed:
    """The seed of what the replications of one round of folds share: a planted world, who is new, and the deal.

    Without folds every replication is a round of its own.
    """
    return replace(seed, replication=seed.replication // scenario.folds) if scenario.folds else seed


def deal(measured: BoolArray, scenario: PredictionScenario, seed: Seed) -> BoolArray:
    """The cells to learn from, shape (P, users, services).

    Args:
        measured: Cells with a measurement, same shape.
        scenario: A density draws this share of the whole table; folds leave one fold of the measured cells out. In
            joint scenarios the cells are the same for all parameters, otherwise each has its own.
        seed: Draws the cells; replications of one round of folds share one deal.

    Raises:
        BadInput: The density is less than one cell; or fewer cells were measured than it asks for, or fewer than
            folds.
    """
    if scenario.joint:
        everywhere = np.asarray(measured.all(axis=0))
        return np.broadcast_to(_deal_one(everywhere, scenario, seed), measured.shape).copy()
    return np.stack([_deal_one(table, scenario, seed, p) for p, table in enumerate(measured)])


def _deal_one(measured: BoolArray, scenario: PredictionScenario, seed: Seed, *names: int) -> BoolArray:
    cells = np.flatnonzero(measured)
    chosen = np.zeros(measured.size, bool)
    if scenario.folds:
        if len(cells) < scenario.folds:
            message = f"{scenario.folds} folds need as many measured cells, but there are {len(cells)}"
            raise BadInput(Problem(message=message, field="scenario.folds"))
        order = seed_of_round(scenario, seed).generator("folds", *names).permutation(len(cells))
        chosen[cells[order % scenario.folds != seed.replication % scenario.folds]] = True
        return chosen.reshape(measured.shape)
    count = round(scenario.density * measured.size)
    if not count:
        rows, columns = measured.shape
        message = f"{scenario.density:g} of {rows} x {columns} cells is less than one: there is nothing to learn from"
        hint = f"one cell is {1 / measured.size:.3g}"
        raise BadInput(Problem(message=message, field="scenario.density", hint=hint))
    if count >= len(cells):
        message = f"{count} of {measured.size} cells should be known, but {len(cells)} were measured"
        together = (
            scenario.joint and "of cells, those where every parameter was measured count, as joint is true"
        )
        raise BadInput(Problem(message=message, field="scenario.density", hint=together or None))
    chosen[seed.generator("split", *names).choice(cells, count, replace=False)] = True
    return chosen.reshape(measured.shape)


def new_ones(shape: tuple[int, ...], cold: Cold, seed: Seed) -> tuple[BoolArray, BoolArray]:
    """Which users and which services are new, shapes (users,) and (services,); at least one where a share is given."""
    found = []
    for name, count, share in zip(("users", "services"), shape, (cold.users, cold.services), strict=True):
        new = np.zeros(count, bool)
        number = max(1, round(share * count)) if share else 0
        new[seed.generator("cold", name).choice(count, number, replace=False)] = True
        found.append(new)
    return found[0], found[1]


def ordinary(values: FloatArray, share: float) -> BoolArray:
    """Which values are not among each parameter's strangest, by an isolation forest over the values alone.

    Args:
        values: All measurements, shape (P, users, services), NaN where nobody measured.
        share: Share of each parameter's values that is strange; less where values at the cut are as strange as others
            beyond it, for these are kept.
    """
    out = np.ones(values.shape, bool)
    for table, target in zip(values, out, strict=True):
        mask = np.isfinite(table)
        target[mask] = np.frombuffer(_ordinary(table[mask].tobytes(), share), bool)
    return out


@lru_cache(maxsize=8)  # every replication of a study asks for the same data
def _ordinary(values: bytes, share: float) -> bytes:
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError:
        what = "scenario.outliers"
        raise MissingExtra(what, "learn") from None
    numbers = np.frombuffer(values)
    distinct, place = np.unique(numbers, return_inverse=True)
    samples = min(len(numbers), _FOREST_SAMPLES)
    forest = IsolationForest(max_samples=samples, random_state=0).fit(numbers[:, None])
    score = forest.score_samples(distinct[:, None])[place]
    strange = round(share * len(numbers))
    # Values that score alike stay together, whatever their order: as strange as the cut is not strange yet.
    chosen: BoolArray = score >= np.partition(score, strange)[strange]
    return chosen.tobytes()
