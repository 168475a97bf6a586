"""Neighbourhood prediction by Pearson correlation between users, between services, and both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["UPCC", "neighbours", "pearson"]

_LEAST_COMMON = 2
"""Common cells below which a correlation says nothing: two points always lie on a line, fewer have no spread."""


@method(
    "prediction",
    "upcc",
    summary="means of the most correlated users' deviations (UPCC)",
    origin="reference instance",
)
@dataclass(frozen=True)
class UPCC:
    """UPCC of the QoS literature: the user's mean and the weighted deviations of the most correlated users.

    Attributes:
        neighbours: Number of most correlated users, among those that know the service, that are asked; only positive
            correlations count.
    """

    neighbours: Annotated[int, Field(ge=1)] = 10

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,
    ) -> FloatArray:
        """Complete each parameter's table from its own known cells, within what was seen."""
        fallback = mean_along(known.values, axis=2)
        out = np.empty_like(known.values)
        for target, table, rest in zip(out, known.values, fallback, strict=True):
            context.check_time()
            found = neighbours(table, self.neighbours)
            bounded = np.clip(found, np.nanmin(table), np.nanmax(table))
            target[...] = np.where(np.isfinite(found), bounded, rest)
        return out


def pearson(table: FloatArray) -> FloatArray:
    """Pearson correlation between rows over the columns both know, each with its mean over those columns.

    Args:
        table: Shape (rows, columns), NaN where unknown.

    Returns:
        Shape (rows, rows), in [-1, 1]; 0 where fewer than two columns are common or one side does not vary, and on
        the diagonal.
    """
    mask = np.isfinite(table)
    weight = mask.astype(np.float64)
    count = np.maximum(weight @ weight.T, 1.0)
    centred = np.where(mask, table - mean_along(table[None], axis=2)[0], 0.0)
    left = centred @ weight.T
    squares = (centred**2) @ weight.T
    cross = centred @ centred.T - left * left.T / count
    spread = np.maximum(squares - left**2 / count, 0.0)
    scale = np.sqrt(spread * spread.T)
    # Differences of nearly equal sums leave dust where a row does not vary over the common columns.
    fit = (scale > 1e-9 * np.sqrt(squares * squares.T)) & (weight @ weight.T >= _LEAST_COMMON)
    out = np.where(fit, cross / np.where(fit, scale, 1.0), 0.0)
    np.fill_diagonal(out, 0.0)
    return np.asarray(np.clip(out, -1.0, 1.0))


def neighbours(table: FloatArray, count: int) -> FloatArray:
    """Mean of a row plus the weighted deviations of its most correlated rows from their means; NaN without any.

    Args:
        table: Shape (rows, columns), NaN where unknown.
        count: For each cell, the number of rows with the largest positive correlation that are asked, among those that
            know the column.
    """
    similarity = np.maximum(pearson(table), 0.0)
    mask = np.isfinite(table)
    mean = mean_along(table[None], axis=2)[0][:, 0]
    out = np.full(table.shape, np.nan)
    for column in range(table.shape[1]):
        know = np.flatnonzero(mask[:, column])
        weight = similarity[:, know]
        if count < len(know):
            least = np.partition(weight, -count, axis=1)[:, -count, None]
            weight = np.where(weight >= least, weight, 0.0)
        total = weight.sum(axis=1)
        above = weight @ (table[know, column] - mean[know])
        out[:, column] = np.where(total > 0, mean + above / np.where(total > 0, total, 1.0), np.nan)
    return out
