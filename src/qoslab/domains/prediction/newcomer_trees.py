"""Users and services without any known cell: trees learn them from others whose cells are hidden as if they were new.

Trees that learn from features of known cells have never seen a row without any, and what they say of one is worthless.
Here whole users, whole services, or both are hidden in folds, so that features of the hidden cells are what newcomers'
features will be: margins of the other side, and places. What is learned is the factor on the median that is left to
say of a newcomer; how far it is followed is chosen on the hidden cells as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.averages import median_along
from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray, Known
from qoslab.domains.prediction.factor_analysis import Scale, scale_of, shifted_logs
from qoslab.domains.prediction.methods.gradient_boosting import margins
from qoslab.domains.prediction.place_features import place_features

__all__ = ["Side", "complete_newcomers", "medians", "newcomers", "seen_alone"]

Side = Literal["users", "services", "both"]
"""What is new of a cell: its user, its service, or both."""

Cells = tuple[Codes, Codes]
Float32Array = NDArray[np.float32]

_FOLDS = 5
_TREES, _RATE, _LEAVES, _LEAF = 100, 0.08, 15, 20
"""Trees, their shrinkage, leaves of each at most, and cells in a leaf at least."""

_FEATURE_SHARE = 0.5
"""Share of the features that a split may choose from."""

_LEAST_CELLS = 4 * _LEAF
"""Hidden cells that judge, below which the median answers alone."""

_SHARES = np.linspace(0.0, 1.0, 11)
"""How far trees may be followed."""


def newcomers(values: FloatArray) -> dict[Side, BoolArray]:
    """Which cells have a newcomer on which side, each shape (users, services).

    Args:
        values: Shape (P, users, services), NaN where unknown.
    """
    known = np.isfinite(values).any(axis=0)
    user, service = ~np.any(known, axis=1, keepdims=True), ~np.any(known, axis=0, keepdims=True)
    return {"users": user & ~service, "services": ~user & service, "both": user & service}


def seen_alone(cells: Cells, folds: Codes) -> dict[Side, int]:
    """How many known cells had no other of their user, their service, or both outside of their fold.

    Args:
        cells: Users and services of the n known cells.
        folds: Fold of each.
    """
    user, service = (_all_in_one_fold(side, folds) for side in cells)
    counts = (user & ~service).sum(), (~user & service).sum(), (user & service).sum()
    return {"users": int(counts[0]), "services": int(counts[1]), "both": int(counts[2])}


def _all_in_one_fold(side: Codes, folds: Codes) -> BoolArray:
    within = np.zeros((int(side.max()) + 1, int(folds.max()) + 1), np.int64)
    np.add.at(within, (side, folds), 1)
    return np.asarray(within[side, folds] == within[side].sum(axis=1))


def complete_newcomers(
    known: Known, side: Side, asked: BoolArray, rng: np.random.Generator, context: Context
) -> FloatArray:
    """Predictions of cells of newcomers, by trees and medians. Needs scikit-learn.

    Args:
        known: All that is known.
        side: What is new of these cells.
        asked: The n cells, shape (users, services).
        rng: Deals folds and starts trees.
        context: Its time limit is kept between folds and between trainings.

    Returns:
        Shape (P, n), between the smallest and largest known value of each parameter.
    """
    scale, (users, services) = scale_of(known.values), np.nonzero(asked)
    middle = medians(known.values, side)[:, users, services]
    x = _features(known, scale, side, (users, services))
    turns = list(_turns(known, scale, side, rng, context))
    out = np.empty(middle.shape)
    for p, (table, median) in enumerate(zip(known.values, middle, strict=True)):
        learner = _Learner(scale.floor[p, 0], scale.shift[p, 0], rng, context)
        found = learner.predict([one.of(p) for one in turns], x, median)
        out[p] = np.clip(found, np.nanmin(table), np.nanmax(table))
    return out


@dataclass(frozen=True)
class _Turn:
    """The known cells of those who were hidden together.

    Attributes:
        folds: Which fold of users and which of services; where one side is hidden, its fold twice.
        x: Features, made without those who are hidden, shape (n, features).
        values: Shape (P, n), NaN where a parameter was not measured; of one parameter shape (n,).
        medians: What the median of the rest says, the same shape.
    """

    folds: tuple[int, int]
    x: Float32Array
    values: FloatArray
    medians: FloatArray

    def of(self, p: int) -> _Turn:
        """The cells in which one parameter was measured, of that alone."""
        has = np.isfinite(self.values[p])
        return _Turn(self.folds, self.x[has], self.values[p, has], self.medians[p, has])

    def knows_nobody_of(self, other: _Turn) -> bool:
        """Whether no user and no service was hidden in both."""
        return self.folds[0] != other.folds[0] and self.folds[1] != other.folds[1]


def _turns(
    known: Known, scale: Scale, side: Side, rng: np.random.Generator, context: Context
) -> Iterator[_Turn]:
    """Every user, every service, or every pair of their folds is hidden once."""
    measured = np.isfinite(known.values).any(axis=0)
    user_folds, service_folds = (rng.permutation(size) % _FOLDS for size in measured.shape)
    for fold, other in product(range(_FOLDS), repeat=2):
        if side != "both" and fold != other:
            continue
        context.check_time()
        user, service = (user_folds == fold)[:, None], (service_folds == other)[None]
        gone = {"users": user, "services": service, "both": user | service}[side]
        rest = np.where(gone, np.nan, known.values)
        if not np.isfinite(rest).any(axis=(1, 2)).all():
            continue  # of a parameter of which nothing is left nothing can be said
        left = Known(known.parameters, rest, known.user_context, known.service_context)
        users, services = np.nonzero(measured & (user & service if side == "both" else gone))
        x, middle = _features(left, scale, side, (users, services)), medians(rest, side)
        yield _Turn((fold, other), x, known.values[:, users, services], middle[:, users, services])


def _least_that_may_be_best(errors: FloatArray) -> int:
    """The first share that errs more than the best by no more than the standard error of that over the turns.

    Args:
        errors: Sum of absolute errors of each turn at each share, shape (turns, shares).
    """
    more = errors - errors[:, [int(np.argmin(errors.sum(axis=0)))]]
    deviation = more.std(axis=0, ddof=1) / len(errors) ** 0.5
    return int(np.argmax(more.mean(axis=0) <= deviation))


def _joined(turns: Sequence[_Turn]) -> tuple[Float32Array, FloatArray, FloatArray]:
    """Features, values and medians of all cells of some turns, of one parameter."""
    return (
        np.concatenate([one.x for one in turns]),
        np.concatenate([one.values for one in turns]),
        np.concatenate([one.medians for one in turns]),
    )


def medians(values: FloatArray, side: Side) -> FloatArray:
    """What is said of newcomers without learning: the service's median, the user's, or that of all.

    Args:
        values: Shape (P, users, services), NaN where unknown; each parameter has a known cell.
        side: What is new.

    Returns:
        The same shape, without NaN.
    """
    if side == "both":
        return np.asarray(np.broadcast_to(np.nanmedian(values, axis=(1, 2), keepdims=True), values.shape))
    return median_along(values, axis=1 if side == "users" else 2)


def _features(known: Known, scale: Scale, side: Side, cells: Cells) -> Float32Array:
    """Margins of values, and what places say, of some cells, shape (n, features)."""
    logs = scale.forward(known.values)
    left = logs - medians(logs, side)
    places = place_features(logs, left, known.user_context, known.service_context)
    made: Iterator[NDArray[Any]] = chain(margins(logs), places)
    columns = [np.broadcast_to(one, logs.shape[1:])[cells].astype(np.float32) for one in made]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class _Learner:
    """Trees that learn the factor on a median, for one parameter.

    Attributes:
        floor: Smallest positive value, shape (1,).
        shift: Added to values before their logarithm is taken, shape (1,).
        rng: Starts trees.
        context: Its time limit is kept.
    """

    floor: FloatArray
    shift: FloatArray
    rng: np.random.Generator
    context: Context

    def predict(self, turns: Sequence[_Turn], x: Float32Array, middle: FloatArray) -> FloatArray:
        """Values of cells with features x: from the median as far towards the trees as the turns call for.

        A turn is judged by trees that learned from nobody of it; of pairs of folds the five equal ones are.
        """
        turns = [one for one in turns if len(one.values)]
        judged = [one for one in turns if one.folds[0] == one.folds[1]]
        others = [[other for other in turns if other.knows_nobody_of(one)] for one in judged]
        if len(judged) < 2 or not all(others) or sum(len(one.values) for one in judged) < _LEAST_CELLS:
            return middle
        found = [self._follow(rest, one.x, one.medians) for rest, one in zip(others, judged, strict=True)]
        errors = [
            [np.abs(one.medians + share * (there - one.medians) - one.values).sum() for share in _SHARES]
            for one, there in zip(judged, found, strict=True)
        ]
        share = _SHARES[_least_that_may_be_best(np.array(errors))]
        if share == 0:
            return middle
        return np.asarray(middle + share * (self._follow(turns, x, middle) - middle))

    def _follow(self, turns: Sequence[_Turn], x: Float32Array, middle: FloatArray) -> FloatArray:
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.context.check_time()
        learned, values, medians_ = _joined(turns)
        tell = _tells(learned)
        if not tell.any():
            return middle
        model = HistGradientBoostingRegressor(
            loss="absolute_error",
            max_iter=_TREES,
            learning_rate=_RATE,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=_LEAF,
            max_features=_FEATURE_SHARE,
            early_stopping=False,
            random_state=int(self.rng.integers(2**31)),
        )
        model.fit(learned[:, tell], self._logs(values) - self._logs(medians_))
        return np.asarray(np.exp(self._logs(middle) + model.predict(x[:, tell])) - self.shift)

    def _logs(self, values: FloatArray) -> FloatArray:
        return shifted_logs(values, self.floor, self.shift)


def _tells(x: Float32Array) -> BoolArray:
    """Which features differ between cells; those of the hidden side are NaN, zero, or a constant in all of them."""
    return np.asarray(((x != x[:1]) & ~(np.isnan(x) & np.isnan(x[:1]))).any(axis=0))
