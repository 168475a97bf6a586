"""Gradient boosting on what factor analyses and neighbours say of a cell they did not see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.method import method
from qoslab.domains.prediction.data import Codes, FloatArray, Known
from qoslab.domains.prediction.factor_analysis import scale_of
from qoslab.domains.prediction.fold_features import Recipe, features, out_of_fold, readable, two_solutions
from qoslab.domains.prediction.forest import everywhere
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.newcomer_trees import (
    Side,
    complete_newcomers,
    newcomers,
    seen_alone,
)

__all__ = ["BoostedFactors", "least_leaf"]

_SLICE = 500
"""Trees between two looks at the clock: each slice sorts the features into bins once more."""

_LEAST_LEAVES = 4
"""Known cells, in leaves of the size that is given or else of the largest, below which trees are left out."""

_LEAVES_OF_ALL = 750
"""Smallest leaves that the known cells of a parameter fill, unless their size is given."""

_FINEST, _COARSEST = 5, 40
"""Bounds of that size, cells."""

_LEAST_HALVED = 4
"""Factors that are halved where they are too many, at least."""

_Map = Callable[[FloatArray], FloatArray]

_BOOSTERS: tuple[tuple[str, _Map, _Map], ...] = (
    ("absolute_error", lambda x: x, lambda y: y),
    ("absolute_error", np.sqrt, lambda y: np.maximum(y, 0.0) ** 2),
    ("squared_error", lambda x: x, lambda y: y),
    ("squared_error", np.sqrt, lambda y: np.maximum(y, 0.0) ** 2),
)
"""Loss and scale of each booster: the median is the same on values and roots, what its approximation misses is not;
means are steadier than medians where few cells lie in a leaf, that of roots lies between median and mean of values."""


@method(
    "prediction",
    "boosted_factors",
    summary="gradient boosting on out-of-fold robust factorisations, neighbours, margins and places of all parameters",
    extra="learn",
    origin="ours",
    example={"rank": 2, "sweeps": 2, "folds": 2, "trees": 4, "leaf_cells": 5},
)
@dataclass(frozen=True)
class BoostedFactors:
    """Trees that learn a cell from features of the table without the cell's fold.

    Features of a cell: means and deviations of robust factorisations of all parameters together at two ranks,
    factor analyses of roots, means over similar users and over similar services, of values and of what the factors
    leave over, quantiles of service and user; where places are known, means over them. For a known cell they come
    from the table without its fold; for an unknown cell from the whole table. For every parameter four boosters are
    averaged: absolute and squared error, on values and on roots. Predictions are bounded by the smallest and
    largest known value. Users and services without a known cell of any parameter are learned apart
    (`newcomer_trees`), unless the folds left 40 known cells or more without another one of their user or service,
    from which the boosters learn them. With fewer known cells than 160, or than four leaves of a given size,
    the factorisation answers alone, and places are not used.

    Attributes:
        rank: Factors of the larger factorisation; the other has half as many. Where the known cells are too few to
            carry them, it is halved.
        sweeps: Rounds of updates of each.
        folds: Number of folds.
        trees: Trees of each booster.
        leaves: Leaves of a tree at most.
        leaf_cells: Cells in a leaf at least; None for one in 750 of a parameter's known cells, from 5 to 40.
        learning_rate: Shrinkage of each tree.
        feature_share: Share of the features that a split may choose from.
    """

    rank: Annotated[int, Field(ge=2, le=100)] = 16
    sweeps: Annotated[int, Field(ge=1)] = 25
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    trees: Annotated[int, Field(ge=1)] = 150
    leaves: Annotated[int, Field(ge=2)] = 63
    leaf_cells: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.08
    feature_share: Annotated[float, Field(gt=0, le=1)] = 0.3

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Make features out of fold, boost, and complete the tables."""
        _require_sklearn()
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        rng = np.random.default_rng(seed)
        users, services = np.nonzero(np.isfinite(known.values).any(axis=0))
        if len(users) < _LEAST_LEAVES * (self.leaf_cells or _COARSEST):
            return RobustFactorisation(self.rank, sweeps=self.sweeps).predict(known, seed, context)
        # One thread: a study runs one trial on each core.
        with threadpool_limits(1):
            start = int(rng.integers(2**63))
            folds = rng.permutation(len(users)) % self.folds
            x, asked = self._features(known, (users, services), folds, start, context)
            out = np.empty(known.values.shape)
            for table, target in zip(known.values, out, strict=True):
                y = table[users, services]
                has = np.isfinite(y)
                target[...] = self._boost(readable(x[has]), y[has], asked, rng, context)
            del x, asked  # some hundred MB, which newcomers' features may need
            _answer_newcomers(out, known, seen_alone((users, services), folds), rng, context)
        return out

    def _features(
        self, known: Known, cells: tuple[Codes, Codes], folds: Codes, start: int, context: Context
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features of the known cells, shape (n, features), and of every cell, shape (features, users, services).

        Fewer factors are taken where so many are one solution in the folds and another in the whole table.
        """
        scale, unknown = scale_of(known.values), np.asarray(np.isnan(known.values).all(axis=0))
        rank = self.rank
        while True:
            ranks, spreads = (rank // 2, rank), list[FloatArray]()
            recipe = Recipe(ranks, self.sweeps, start, known.user_context, known.service_context)

            def make(
                values: FloatArray, recipe: Recipe = recipe, spreads: list[FloatArray] = spreads
            ) -> NDArray[np.float32]:
                made = features(values, scale, recipe, context)
                spreads.append(recipe.spread(made, len(values), unknown))
                return made

            x = out_of_fold(known.values, cells, folds, make, context)
            asked = make(known.values)
            if rank < _LEAST_HALVED or not two_solutions(spreads):
                return x, asked
            del asked  # some hundred MB, which the next ones need
            rank //= 2

    def _boost(
        self,
        x: NDArray[np.float32],
        y: FloatArray,
        asked: NDArray[np.float32],
        rng: np.random.Generator,
        context: Context,
    ) -> FloatArray:
        """The average of the boosters for one parameter, in every cell."""
        total = np.zeros(asked.shape[1:])
        for loss, forward, backward in _BOOSTERS:
            model = self._fit(loss, x, forward(y), int(rng.integers(2**31)), context)
            total += np.clip(backward(everywhere(model, asked, context)), y.min(), y.max())
        return total / len(_BOOSTERS)

    def _fit(self, loss: str, x: NDArray[np.float32], y: FloatArray, seed: int, context: Context) -> Any:
        from sklearn.ensemble import HistGradientBoostingRegressor

        model = HistGradientBoostingRegressor(
            loss=loss,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.leaf_cells or least_leaf(len(y)),
            max_features=self.feature_share,
            early_stopping=False,
            warm_start=True,
            random_state=seed,
        )
        for trees in [*range(_SLICE, self.trees, _SLICE), self.trees]:
            context.check_time()
            model.set_params(max_iter=trees).fit(x, y)
        return model


def _answer_newcomers(
    out: FloatArray, known: Known, seen: Mapping[Side, int], rng: np.random.Generator, context: Context
) -> None:
    """Put in place what is said of users and services without a known cell, unless the boosters saw enough of such.

    Args:
        out: Predictions, shape (P, users, services); changed in place.
        known: All that is known.
        seen: Known cells that looked like those of newcomers, by what is new of them.
        rng: For trees of newcomers' own.
        context: Their time limit.
    """
    for side, cells in newcomers(known.values).items():
        if cells.any() and seen[side] < _COARSEST:
            out[:, cells] = complete_newcomers(known, side, cells, rng, context)


def least_leaf(cells: int) -> int:
    """Cells in a leaf at least where so many of a parameter are known."""
    return min(max(cells // _LEAVES_OF_ALL, _FINEST), _COARSEST)


def _require_sklearn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        what = "prediction/boosted_factors"
        raise MissingExtra(what, "learn") from None
