"""Mean-field variational Bayes for a factorisation with Student's t noise and automatic relevance of factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.prediction.data import FloatArray

__all__ = ["Belief", "variational"]

_MEAN_PRECISION = 0.1
"""Prior precision of a row's mean."""

_PRIOR_CELLS = 20.0
"""Weight of the common noise scale in a row's own, in cells."""

_LEAST_NOISE = 1e-4


@dataclass(frozen=True)
class Belief:
    """Gaussian posteriors of rows and services.

    Attributes:
        rows: Mean of each row's loadings and, last, of its mean, shape (rows, rank + 1).
        row_covariances: Shape (rows, rank + 1, rank + 1).
        points: Mean of each service's factors and, last, a one, shape (services, rank + 1).
        point_covariances: Shape (services, rank + 1, rank + 1), zero for the one.
        noise: Squared scale of each row's noise, shape (rows,).
        weights: Expected precision of each cell over that of its row, shape (rows, services); zero where unknown.
        relevance: Prior precision of each factor's loadings, shape (rank,); large where a factor is not needed.
    """

    rows: FloatArray
    row_covariances: FloatArray
    points: FloatArray
    point_covariances: FloatArray
    noise: FloatArray
    weights: FloatArray
    relevance: FloatArray

    def mean(self) -> FloatArray:
        """Posterior mean of every cell, shape (rows, services)."""
        return np.asarray(self.rows @ self.points.T)

    def deviation(self) -> FloatArray:
        """Posterior standard deviation of every cell without its noise, shape (rows, services)."""
        second = _second(self.rows, self.row_covariances) @ _second(self.points, self.point_covariances).T
        return np.asarray(np.sqrt(np.maximum(second - self.mean() ** 2, 0.0)))


def variational(
    table: FloatArray, rank: int, freedom: float, sweeps: int, rng: np.random.Generator, context: Context
) -> Belief:
    """Fit y[d, s] = mean[d] + w[d] . z[s] + noise to the known cells.

    z ~ N(0, I), w ~ N(0, diag(1 / relevance)), and noise of a cell ~ N(0, noise[d] / tau), tau ~ Gamma(f / 2, f / 2),
    which is Student's t with f degrees of freedom. The posterior factorises into q(z) q(w, mean) q(tau); each update is
    the exact optimum of its factor. Noise scales and relevances are point estimates.

    Args:
        table: Shape (rows, services), NaN where unknown; on a scale with mean about 0 and variance about 1.
        rank: Number of factors.
        freedom: Degrees of freedom f.
        sweeps: Rounds of updates.
        rng: Draws the loadings of the start.
        context: Its time limit is kept between sweeps.
    """
    mask = np.isfinite(table)
    filled = np.where(mask, table, 0.0)
    cells = mask.astype(np.float64)
    count = cells.sum(axis=1)
    size = rank + 1
    rows = np.append(
        0.3 * rng.standard_normal((len(table), rank)),
        (filled.sum(axis=1) / np.maximum(count, 1))[:, None],
        axis=1,
    )
    row_covariances = np.zeros((len(table), size, size))
    noise, weights, relevance = np.ones(len(table)), cells, np.ones(rank)
    points, point_covariances = _services(filled, weights / noise[:, None], rows, row_covariances)
    for _ in range(sweeps):
        context.check_time()
        precision = weights / noise[:, None]
        prior = np.append(relevance, _MEAN_PRECISION)
        rows, row_covariances = _side(filled, precision, points, point_covariances, prior)
        square = _squares(filled, rows, row_covariances, points, point_covariances)
        weights = cells * (freedom + 1) / (freedom + square / noise[:, None])
        noise = _noise(weights * square, count)
        relevance = len(rows) / ((rows**2).sum(axis=0) + np.einsum("dkk->k", row_covariances))[:rank]
        points, point_covariances = _services(filled, weights / noise[:, None], rows, row_covariances)
    return Belief(rows, row_covariances, points, point_covariances, noise, weights, relevance)


def _second(mean: FloatArray, covariance: FloatArray) -> FloatArray:
    """E[x x'] of each, flattened."""
    return (mean[:, :, None] * mean[:, None, :] + covariance).reshape(len(mean), -1)


def _side(
    filled: FloatArray, precision: FloatArray, other: FloatArray, covariances: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray]:
    size = other.shape[1]
    gram = (precision @ _second(other, covariances)).reshape(-1, size, size) + np.diag(prior)
    covariance = np.asarray(np.linalg.inv(gram))
    drive = (precision * filled) @ other
    return (covariance @ drive[:, :, None])[:, :, 0], covariance


def _services(
    filled: FloatArray, precision: FloatArray, rows: FloatArray, covariances: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Posteriors of services' factors, with the fixed one behind them."""
    rank = rows.shape[1] - 1
    turned = np.ascontiguousarray(precision.T)
    second = _second(rows, covariances)
    gram = (turned @ second).reshape(-1, rank + 1, rank + 1)
    drive = (turned * filled.T) @ rows[:, :rank] - gram[:, :rank, rank]
    covariance = np.asarray(np.linalg.inv(gram[:, :rank, :rank] + np.eye(rank)))
    mean = (covariance @ drive[:, :, None])[:, :, 0]
    padded = np.zeros_like(gram)
    padded[:, :rank, :rank] = covariance
    return np.append(mean, np.ones((len(mean), 1)), axis=1), padded


def _squares(
    filled: FloatArray,
    rows: FloatArray,
    row_covariances: FloatArray,
    points: FloatArray,
    point_covariances: FloatArray,
) -> FloatArray:
    """Expected squared residual of every cell."""
    mean = rows @ points.T
    second = _second(rows, row_covariances) @ _second(points, point_covariances).T
    return np.maximum(filled**2 - 2 * filled * mean + second, 0.0)


def _noise(weighted: FloatArray, count: FloatArray) -> FloatArray:
    total = weighted.sum(axis=1)
    common = max(float(total.sum() / max(count.sum(), 1.0)), _LEAST_NOISE)
    return np.asarray(np.maximum((total + _PRIOR_CELLS * common) / (count + _PRIOR_CELLS), _LEAST_NOISE))
