"""What the rest of a table says about a cell: features that never saw the cell's own value."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Codes, FloatArray
from qoslab.domains.prediction.factor_analysis import Scale, factorise
from qoslab.domains.prediction.place_features import place_features
from qoslab.domains.prediction.variational import Belief, variational

__all__ = ["Recipe", "features", "known_quantiles", "out_of_fold", "readable", "two_solutions"]

Float32Array = NDArray[np.float32]

_USER_WIDTHS = (0.1, 0.5)
"""Widths of the kernels between users, in mean squared distance of standardised loadings."""

_SERVICE_WIDTHS = (0.05, 0.15, 0.5)
"""Widths of the kernels between services, in mean squared distance of their factors."""

_FREEDOM = 3.0
"""Degrees of freedom of the factorisations' noise."""

_ROOT_RANK = 8
"""Factors of the analyses of roots."""

_UNLIKE = 1.6
"""Spread of factors' means by the whole table over that without a fold, above which they are taken for two solutions:
1.4 at most on tables where they are one; 1.7 and more, of one parameter at least, where they are two."""

_EMPTY = 1e-3
_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Recipe:
    """How features are made.

    Attributes:
        ranks: Numbers of factors of the factorisations of all parameters together; the last one feeds the kernels.
        sweeps: Rounds of updates of each.
        entropy: Number that the random starts follow from, the same in every fold.
        user_places: For each kind of place one code per user, shape (users,); -1 is unknown.
        service_places: The same for services.
    """

    ranks: Sequence[int]
    sweeps: int
    entropy: int
    user_places: Mapping[str, Codes] = field(default_factory=dict)
    service_places: Mapping[str, Codes] = field(default_factory=dict)

    def spread(self, made: Float32Array, parameters: int, where: NDArray[np.bool_]) -> FloatArray:
        """Standard deviation over some cells of what each factorisation says of each parameter.

        Args:
            made: Features of a table, shape (features, users, services).
            parameters: The table's number of parameters.
            where: The cells, shape (users, services).

        Returns:
            Shape (factorisations * parameters,); zero where there are no cells.
        """
        if not where.any():
            return np.zeros(len(self.ranks) * parameters)
        # Of each factorisation the means come first, then as many deviations.
        places = [2 * parameters * k + p for k in range(len(self.ranks)) for p in range(parameters)]
        return np.array([made[place][where].std(dtype=np.float64) for place in places])


def features(values: FloatArray, scale: Scale, recipe: Recipe, context: Context) -> Float32Array:
    """Features of every cell, for one table.

    Only other cells may speak for a known cell, so these serve for cells that are unknown in `values`.

    Args:
        values: Shape (P, users, services), NaN where unknown.
        scale: Standardised logarithms.
        recipe: Ranks, sweeps and places.
        context: Its time limit is kept.

    Returns:
        Shape (features, users, services), NaN where a quantity has no data.
    """
    logs = scale.forward(values)
    rng = np.random.default_rng(recipe.entropy)
    table = logs.reshape(-1, logs.shape[2])
    fits = [variational(table, k, _FREEDOM, recipe.sweeps, rng, context) for k in recipe.ranks]
    found: list[NDArray[Any]] = []
    for fit in fits:
        found += [*fit.mean().reshape(logs.shape), *fit.deviation().reshape(logs.shape)]
    found += _roots(values, recipe, rng, context)
    left = logs - fits[-1].mean().reshape(logs.shape)
    found += _like_users(logs, left, fits[-1])
    context.check_time()
    found += _like_services(logs, left, fits[-1])
    context.check_time()
    found += _margins(logs, values)
    found += place_features(logs, left, recipe.user_places, recipe.service_places)
    context.check_time()
    out = np.empty((len(found), *logs.shape[1:]), np.float32)
    for target, source in zip(out, found, strict=True):
        target[...] = source
    return out


def readable(x: Float32Array) -> Float32Array:
    """Features of cells, shape (n, features), changed in place: columns without any value become zeros.

    scikit-learn cannot bin what has no value, and trees cannot split by a constant.
    """
    for column in x.T:
        if np.isnan(column[0]) and np.isnan(column).all():
            column[:] = 0.0
    return x


def two_solutions(made: Sequence[FloatArray]) -> bool:
    """Whether factors of the whole table say far more of cells that they did not see than those without a fold do.

    Where little is known a factorisation of many factors has two solutions: nearly all factors switched off, or in
    use. A fifth more cells can decide between them. Features of the whole table then mean something else than those
    that trees learned from, and what trees make of them is worthless.

    Args:
        made: For each fold, and last for the whole table, the `spread` of what was made of it.
    """
    *folds, whole = made
    return bool((whole > _UNLIKE * np.min(folds, axis=0)).any())


def out_of_fold(
    values: FloatArray,
    cells: tuple[Codes, Codes],
    folds: Codes,
    make: Callable[[FloatArray], Float32Array],
    context: Context,
) -> Float32Array:
    """Features of known cells, each from the table without the cell's fold.

    Args:
        values: Shape (P, users, services), NaN where unknown.
        cells: Users and services of the n cells.
        folds: Fold of each cell, from 0 on; all parameters of a cell share it.
        make: From a table to features of every cell, shape (features, users, services).
        context: Its time limit is kept between folds.

    Returns:
        Shape (n, features).
    """
    users, services = cells
    out: Float32Array | None = None
    for fold in range(int(folds.max()) + 1):
        context.check_time()
        hidden = folds == fold
        rest = values.copy()
        rest[:, users[hidden], services[hidden]] = np.nan
        part = make(rest)[:, users[hidden], services[hidden]].T
        if out is None:
            out = np.empty((len(users), part.shape[1]), np.float32)
        out[hidden] = part
    assert out is not None
    return out


def _roots(
    values: FloatArray, recipe: Recipe, rng: np.random.Generator, context: Context
) -> list[FloatArray]:
    """Factor analysis of square roots, where large values weigh more than among logarithms."""
    roots = np.sqrt(values)
    out = []
    for table in roots:
        known = table[np.isfinite(table)]
        spread = float(known.std()) if len(known) else 0.0
        out.append(factorise(table / (spread or 1.0), _ROOT_RANK, recipe.sweeps, rng, context).predict())
    return out


def _like_users(logs: FloatArray, left: FloatArray, fit: Belief) -> list[FloatArray]:
    """Means of the same service over users with similar rows, and how much data stands behind them.

    Args:
        logs: Shape (P, users, services), NaN where unknown.
        left: What the factors leave over of it.
        fit: The factors.
    """
    parameters, users, _ = logs.shape
    rows = np.concatenate(list(fit.rows.reshape(parameters, users, -1)), axis=1)
    rows = rows / (rows.std(axis=0) + 1e-12)
    apart = ((rows[:, None] - rows[None]) ** 2).mean(axis=2)
    out: list[FloatArray] = []
    for width in _USER_WIDTHS:
        kernel = np.exp(-apart / width)
        np.fill_diagonal(kernel, 0.0)
        out += _smoothed(kernel, logs, left)
    return out


def _like_services(logs: FloatArray, left: FloatArray, fit: Belief) -> list[FloatArray]:
    """The same of one user over services with similar factors."""
    points = fit.points[:, :-1].astype(np.float32)
    squares = (points**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares[None] - 2 * points @ points.T, 0)
    turned = (logs.transpose(0, 2, 1), left.transpose(0, 2, 1))
    out: list[FloatArray] = []
    for width in _SERVICE_WIDTHS:
        kernel = np.exp(apart * np.float32(-1 / (width * points.shape[1])))
        np.fill_diagonal(kernel, 0.0)
        out += [found.T for found in _smoothed(kernel, *turned)]
    return out


def _smoothed(kernel: NDArray[Any], logs: FloatArray, left: FloatArray) -> list[FloatArray]:
    """Means over rows of values and of what is left over, and the logarithm of their weight, for each parameter.

    Args:
        kernel: Weight of each row for each row, shape (rows, rows).
        logs: Shape (P, rows, columns), NaN where unknown.
        left: What the factors leave over of it.
    """
    out: list[FloatArray] = []
    mask, weight = np.empty(0), np.empty(0)
    for table, rest in zip(logs, left, strict=True):
        here = np.isfinite(table)
        if not np.array_equal(here, mask):  # parameters measured in the same cells share their weights
            mask, weight = here, kernel @ here.astype(kernel.dtype) + kernel.dtype.type(_EMPTY)
        for quantity in (table, rest):
            out.append(kernel @ np.where(mask, quantity, 0.0).astype(kernel.dtype) / weight)
        out.append(np.log(weight))
    return out


def _margins(logs: FloatArray, values: FloatArray) -> list[FloatArray]:
    """Quantiles and means by service and by user, how often the service was measured, and who asks."""
    shape = logs.shape[1:]
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a service or user without data has NaN here, which trees can read
        for table, raw in zip(logs, values, strict=True):
            for axis in (0, 1):
                out += known_quantiles(table, _QUANTILES, axis)
                out.append(np.nanmean(raw, axis=axis, keepdims=True))
    out.append(np.isfinite(logs).any(axis=0).sum(axis=0, keepdims=True).astype(np.float64))
    out.append(np.arange(shape[0], dtype=np.float64)[:, None])
    return [np.broadcast_to(quantity, shape) for quantity in out]


def known_quantiles(table: FloatArray, shares: Sequence[float], axis: int) -> list[FloatArray]:
    """Quantiles of what is known along an axis, interpolated linearly, as `np.nanquantile` finds them one by one.

    Args:
        table: Shape (rows, columns), NaN where unknown.
        shares: Which quantiles.
        axis: The axis that is summed up; it is kept with length one.

    Returns:
        One array for each share, NaN where nothing is known.
    """
    ordered = np.sort(table, axis=axis)  # NaN goes last
    last = np.maximum(np.isfinite(table).sum(axis=axis, keepdims=True) - 1, 0)
    out = []
    for share in shares:
        low = np.floor(share * last).astype(np.int64)
        below, above = (np.take_along_axis(ordered, k, axis) for k in (low, np.minimum(low + 1, last)))
        out.append(below + (share * last - low) * (above - below))
    return out
