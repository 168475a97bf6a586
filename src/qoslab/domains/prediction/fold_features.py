"""What the rest of a table says about a cell: features that never saw the cell's own value."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Codes, FloatArray
from qoslab.domains.prediction.factor_analysis import Factors, Scale, factorise

__all__ = ["Recipe", "features", "out_of_fold"]

Float32Array = NDArray[np.float32]

_USER_WIDTHS = (0.1, 0.5)
"""Widths of the kernels between users, in mean squared distance of standardised loadings."""

_SERVICE_WIDTH = 0.15
"""Width of the kernel between services, in mean squared distance of their factors."""

_EMPTY = 1e-3
_QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Recipe:
    """How features are made.

    Attributes:
        ranks: Numbers of factors of the factor analyses of all parameters together; the middle one feeds the kernels.
        sweeps: EM steps of each.
        entropy: Number that the random starts follow from, the same in every fold.
    """

    ranks: Sequence[int]
    sweeps: int
    entropy: int


def features(values: FloatArray, scale: Scale, recipe: Recipe, context: Context) -> Float32Array:
    """Features of every cell, for one table.

    Only other cells may speak for a known cell, so these serve for cells that are unknown in `values`.

    Args:
        values: Shape (P, users, services), NaN where unknown.
        scale: Standardised logarithms.
        recipe: Ranks and sweeps.
        context: Its time limit is kept.

    Returns:
        Shape (features, users, services), NaN where a quantity has no data.
    """
    logs = scale.forward(values)
    rng = np.random.default_rng(recipe.entropy)
    fits = [factorise(logs.reshape(-1, logs.shape[2]), k, recipe.sweeps, rng, context) for k in recipe.ranks]
    chosen = fits[len(fits) // 2]
    found: list[FloatArray] = []
    for fit in fits:
        found += [*fit.predict().reshape(logs.shape), *fit.deviation().reshape(logs.shape)]
    found += _roots(values, recipe, rng, context)
    found += _like_users(logs, chosen)
    context.check_time()
    found += _like_services(logs, chosen)
    context.check_time()
    found += _margins(logs, values)
    out = np.empty((len(found), *logs.shape[1:]), np.float32)
    for target, source in zip(out, found, strict=True):
        target[...] = source
    return out


def out_of_fold(
    values: FloatArray,
    cells: tuple[Codes, Codes],
    folds: Codes,
    scale: Scale,
    recipe: Recipe,
    context: Context,
) -> Float32Array:
    """Features of known cells, each from the table without the cell's fold, shape (cells, features)."""
    users, services = cells
    out: Float32Array | None = None
    for fold in range(int(folds.max()) + 1):
        hidden = folds == fold
        rest = values.copy()
        rest[:, users[hidden], services[hidden]] = np.nan
        part = features(rest, scale, recipe, context)[:, users[hidden], services[hidden]].T
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
        rank = recipe.ranks[len(recipe.ranks) // 2]
        out.append(factorise(table / (spread or 1.0), rank, recipe.sweeps, rng, context).predict())
    return out


def _like_users(logs: FloatArray, fit: Factors) -> list[FloatArray]:
    """Means of the same service over users with similar loadings, and how much data stands behind them."""
    parameters, users, _ = logs.shape
    loadings = np.concatenate(list(fit.loadings.reshape(parameters, users, -1)), axis=1)
    loadings = loadings / (loadings.std(axis=0) + 1e-12)
    apart = ((loadings[:, None] - loadings[None]) ** 2).mean(axis=2)
    out = []
    for width in _USER_WIDTHS:
        kernel = np.exp(-apart / width)
        np.fill_diagonal(kernel, 0.0)
        for table in logs:
            mask = np.isfinite(table)
            weight = kernel @ mask + _EMPTY
            out += [kernel @ np.where(mask, table, 0.0) / weight, np.log(weight)]
    return out


def _like_services(logs: FloatArray, fit: Factors) -> list[FloatArray]:
    """Means of the same user, and of what the factors leave over, over services with similar factors."""
    points = fit.points.astype(np.float32)
    squares = (points**2).sum(axis=1)
    apart = squares[:, None] + squares[None] - 2 * points @ points.T
    kernel = np.exp(np.maximum(apart, 0) * np.float32(-1 / (_SERVICE_WIDTH * points.shape[1])))
    np.fill_diagonal(kernel, 0.0)
    out = []
    for table, predicted in zip(logs, fit.predict().reshape(logs.shape), strict=True):
        mask = np.isfinite(table)
        weight = mask.astype(np.float32) @ kernel + np.float32(_EMPTY)
        for quantity in (table, table - predicted):
            out.append(np.where(mask, quantity, 0.0).astype(np.float32) @ kernel / weight)
    return out


def _margins(logs: FloatArray, values: FloatArray) -> list[FloatArray]:
    """Quantiles and means by service and by user, how often the service was measured, and who asks."""
    shape = logs.shape[1:]
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a service or user without data has NaN here, which trees can read
        for table, raw in zip(logs, values, strict=True):
            for axis in (0, 1):
                out += [np.nanquantile(table, q, axis=axis, keepdims=True) for q in _QUANTILES]
                out.append(np.nanmean(raw, axis=axis, keepdims=True))
    out.append(np.isfinite(logs[0]).sum(axis=0, keepdims=True).astype(np.float64))
    out.append(np.arange(shape[0], dtype=np.float64)[:, None])
    return [np.broadcast_to(quantity, shape) for quantity in out]
