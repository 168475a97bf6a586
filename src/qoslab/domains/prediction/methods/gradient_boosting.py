"""Gradient boosting on out-of-fold statistics of users and services."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.method import method
from qoslab.domains.prediction.averages import median_along
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.fold_features import out_of_fold, readable
from qoslab.domains.prediction.forest import everywhere

__all__ = ["GradientBoosting", "margins", "statistics"]

_LEAST_LEAVES = 4
"""Known cells, in smallest leaves, below which a tree cannot split in earnest."""

_AVERAGES: tuple[Callable[..., FloatArray], ...] = (np.nanmean, np.nanmedian, np.nanstd, np.nanmin, np.nanmax)


@method(
    "prediction",
    "gradient_boosting",
    summary="gradient boosted trees on out-of-fold statistics of user, service and place",
    extra="learn",
    origin="ours",
    example={"trees": 10, "leaf_cells": 5},
)
@dataclass(frozen=True)
class GradientBoosting:
    """Trees over what a table's margins say of a cell: statistics of its user and of its service, for all parameters.

    Mean, median, standard deviation, extremes and count of the user's and of the service's known values, of every
    parameter, and the codes of their places. For a known cell they are computed without the cell's fold: a mean that
    holds the cell's own value would leak it. Absolute error. With fewer known cells than four of the smallest leaves
    the service's median answers.

    Attributes:
        trees: Number of trees.
        leaves: Leaves of a tree at most.
        leaf_cells: Cells in a leaf at least.
        learning_rate: Shrinkage of each tree.
        folds: Number of folds.
    """

    trees: Annotated[int, Field(ge=1)] = 200
    leaves: Annotated[int, Field(ge=2)] = 31
    leaf_cells: Annotated[int, Field(ge=1)] = 20
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.1
    folds: Annotated[int, Field(ge=2, le=20)] = 5

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Learn one ensemble per parameter and complete its table; within what was seen."""
        try:
            from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
        except ImportError:
            what = "prediction/gradient_boosting"
            raise MissingExtra(what, "learn") from None
        rng = np.random.default_rng(seed)
        out = np.empty(known.values.shape)
        with threadpool_limits(1):  # a study runs one trial on each core
            for p, target in enumerate(out):
                target[...] = self._one(known, p, rng, context)
        return out

    def _one(self, known: Known, p: int, rng: np.random.Generator, context: Context) -> FloatArray:
        from sklearn.ensemble import HistGradientBoostingRegressor

        users, services, y = known.cells(p)
        if len(y) < _LEAST_LEAVES * self.leaf_cells:
            return np.asarray(median_along(known.values[p : p + 1], axis=1)[0])
        x = self._out_of_fold(known, users, services, rng, context)
        model = HistGradientBoostingRegressor(
            loss="absolute_error",
            max_iter=self.trees,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=self.leaf_cells,
            early_stopping=False,
            random_state=int(rng.integers(2**31)),
        ).fit(readable(x), y)
        return np.asarray(np.clip(everywhere(model, statistics(known), context), y.min(), y.max()))

    def _out_of_fold(
        self,
        known: Known,
        users: NDArray[np.int64],
        services: NDArray[np.int64],
        rng: np.random.Generator,
        context: Context,
    ) -> NDArray[np.float32]:
        folds = rng.permutation(len(users)) % self.folds

        def make(values: FloatArray) -> NDArray[np.float32]:
            return statistics(Known(known.parameters, values, known.user_context, known.service_context))

        return out_of_fold(known.values, (users, services), folds, make, context)


def margins(values: FloatArray) -> list[FloatArray]:
    """Averages, extremes and numbers of what is known by service and by user, NaN without data.

    Args:
        values: Shape (P, users, services), NaN where unknown.

    Returns:
        Arrays that can be broadcast to (users, services): of each parameter, those of services, then those of users.
    """
    found: list[FloatArray] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # users and services without data have NaN, which trees can read
        for table in values:
            for axis in (0, 1):
                found += [average(table, axis=axis, keepdims=True) for average in _AVERAGES]
                found.append(np.isfinite(table).sum(axis=axis, keepdims=True).astype(np.float64))
    return found


def statistics(known: Known) -> NDArray[np.float32]:
    """What user, service and place say of every cell, shape (features, users, services); NaN without data."""
    shape = known.values.shape[1:]
    found = margins(known.values)
    found += [codes.astype(np.float64)[:, None] for codes in known.user_context.values()]
    found += [codes.astype(np.float64)[None, :] for codes in known.service_context.values()]
    out = np.empty((len(found), *shape), np.float32)
    for target, source in zip(out, found, strict=True):
        target[...] = source
    return out
