"""What methods that complete one parameter's table at a time share: seeds by parameter, bounds, ridge regressions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["by_parameter", "fill_unknown", "ridge_rows"]

Complete = Callable[[FloatArray, np.random.SeedSequence], FloatArray]
"""From one table, shape (users, services), NaN where unknown, and a seed of its own to the table without holes."""


def by_parameter(known: Known, seed: np.random.SeedSequence, complete: Complete) -> FloatArray:
    """Complete each parameter's table from its own cells, in units of their mean, within what was seen.

    Args:
        known: The known measurements.
        seed: Each parameter gets a child of it; the seed itself is left as it is.
        complete: Completes a table whose known cells have a mean absolute value of one.
    """
    children = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key).spawn(len(known.values))
    out = np.empty(known.values.shape)
    for target, table, child in zip(out, known.values, children, strict=True):
        scale = float(np.nanmean(np.abs(table))) or 1.0
        np.clip(complete(table / scale, child) * scale, np.nanmin(table), np.nanmax(table), out=target)
    return out


def ridge_rows(target: FloatArray, weight: FloatArray, features: FloatArray, ridge: FloatArray) -> FloatArray:
    """For every row the coefficients of its columns' features, by weighted ridge regression.

    Args:
        target: Shape (rows, columns); zero where the weight is.
        weight: Weight of each cell's squared error, same shape.
        features: Shape (columns, k).
        ridge: Penalty of each coefficient's square, shape (k,), positive.

    Returns:
        Shape (rows, k); zero for rows without weight.
    """
    k = features.shape[1]
    outer = (features[:, :, None] * features[:, None, :]).reshape(-1, k * k)
    gram = (weight @ outer).reshape(-1, k, k) + np.diag(ridge)
    return np.asarray(np.linalg.solve(gram, ((weight * target) @ features)[:, :, None])[:, :, 0])


def fill_unknown(factors: FloatArray, cells: FloatArray) -> None:
    """Give rows without a known cell the mean factors of the others, in place.

    Args:
        factors: Shape (rows, rank).
        cells: Number of known cells of each row, shape (rows,), not all zero.
    """
    factors[cells == 0] = factors[cells > 0].mean(axis=0)
