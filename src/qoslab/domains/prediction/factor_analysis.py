"""Factor analysis of tables with holes: every service is a point in a small space, every row a line through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.prediction.data import FloatArray

__all__ = ["Factors", "Scale", "factorise", "floor_of", "likely_shift", "scale_of", "shifted_logs"]

_PRIOR_CELLS = 20.0
"""Weight of the common noise variance in a row's own, in cells."""

_MEAN_RIDGE = 0.1
"""Prior precision of a row's mean, in units of that of the row's noise; that of its loadings is 1."""

_LEAST_NOISE = 1e-4

_SHIFTS, _FURTHEST = 41, 10.0
"""Shifts that are tried for a parameter with zeros, and the largest of them, in largest values."""

_LEAST_VARIANCE = 1e-12
"""Of logarithms: what is less is rounding."""


@dataclass(frozen=True)
class Scale:
    """Standardised logarithms of each parameter, and the way back.

    Attributes:
        floor: Smallest positive value, shape (P, 1, 1).
        shift: Added to values before their logarithm is taken, shape (P, 1, 1): zero, unless zeros are known.
        mean: Mean of the logarithms, shape (P, 1, 1).
        std: Their standard deviation, shape (P, 1, 1), positive.
    """

    floor: FloatArray
    shift: FloatArray
    mean: FloatArray
    std: FloatArray

    def forward(self, values: FloatArray) -> FloatArray:
        """Values to standardised logarithms."""
        return np.asarray((shifted_logs(values, self.floor, self.shift) - self.mean) / self.std)

    def backward(self, logs: FloatArray) -> FloatArray:
        """Standardised logarithms to values."""
        return np.asarray(np.exp(logs * self.std + self.mean) - self.shift)


def floor_of(values: FloatArray) -> FloatArray:
    """The smallest positive value of each parameter, or 1 where none is, shape (P, 1, 1)."""
    floor = np.where(values > 0, values, np.inf).min(axis=(1, 2), keepdims=True)
    return np.where(np.isfinite(floor), floor, 1.0)


def shifted_logs(values: FloatArray, floor: FloatArray, shift: FloatArray) -> FloatArray:
    """Logarithms of values and a shift, of the floor where that is more; shapes that can be broadcast together."""
    return np.asarray(np.log(np.maximum(values + shift, floor)))


def scale_of(values: FloatArray) -> Scale:
    """The scale of a table of shape (P, users, services), NaN where unknown; each parameter has a known cell.

    Zeros have no logarithm. Where some are known, all values of the parameter are shifted, so that zeros stay apart
    from the smallest positive value however near that is to the rest: of availabilities 0 and 1, for example.
    """
    floor = floor_of(values)
    shift = np.zeros(floor.shape)
    for table, least, target in zip(values, floor[:, 0, 0], shift, strict=True):
        known = table[np.isfinite(table)]
        if (known < least).any():
            target[...] = likely_shift(known, float(least))
    logs = shifted_logs(values, floor, shift)
    std = np.nanstd(logs, axis=(1, 2), keepdims=True)
    return Scale(floor, shift, np.nanmean(logs, axis=(1, 2), keepdims=True), np.where(std > 0, std, 1.0))


def likely_shift(values: FloatArray, floor: float) -> float:
    """The shift with which the logarithms of some values are most like a normal distribution.

    By the likelihood of a shifted lognormal distribution (Box and Cox, An analysis of transformations, JRSS B 1964,
    section 7), between the smallest positive value and ten times the largest, where logarithms are nearly linear.

    Args:
        values: Shape (n,), not negative, at least one of them zero.
        floor: The smallest positive one, or 1.
    """
    shifts = np.geomspace(floor, _FURTHEST * max(float(values.max()), floor), _SHIFTS)
    logs = (np.log(values + shift) for shift in shifts)
    likely = [-0.5 * np.log(max(float(np.var(x)), _LEAST_VARIANCE)) - float(np.mean(x)) for x in logs]
    return float(shifts[int(np.argmax(likely))])


@dataclass(frozen=True)
class Factors:
    """A fitted factor analysis.

    Attributes:
        mean: Mean of each row, shape (rows,).
        loadings: Shape (rows, rank).
        noise: Noise variance of each row, shape (rows,).
        points: Posterior mean of each service's factors, shape (services, rank).
        covariances: Their posterior covariances, shape (services, rank, rank).
    """

    mean: FloatArray
    loadings: FloatArray
    noise: FloatArray
    points: FloatArray
    covariances: FloatArray

    def predict(self) -> FloatArray:
        """Posterior mean of every cell, shape (rows, services)."""
        return np.asarray(self.mean[:, None] + self.loadings @ self.points.T)

    def deviation(self) -> FloatArray:
        """Posterior standard deviation of every cell without its noise, shape (rows, services)."""
        rows, rank = self.loadings.shape
        outer = (self.loadings[:, :, None] * self.loadings[:, None, :]).reshape(rows, rank * rank)
        variance = outer @ self.covariances.reshape(-1, rank * rank).T
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def factorise(
    table: FloatArray, rank: int, sweeps: int, rng: np.random.Generator, context: Context
) -> Factors:
    """Fit y[d, s] = mean[d] + loadings[d] . z[s] + noise, z ~ N(0, I), to the known cells by EM.

    The E step gives each service its exact Gaussian posterior from the rows that know it; the M step is a ridge
    regression per row (a normal prior on loadings whose variance is that of the row's noise); noise variances are
    shrunk to their common mean.
    Rows without a known cell get zero, services without one the prior.

    Args:
        table: Shape (rows, services), NaN where unknown; on a scale with mean about 0 and variance about 1.
        rank: Number of factors.
        sweeps: Number of EM steps.
        rng: Draws the loadings of the start.
        context: Its time limit is kept between sweeps.
    """
    mask = np.isfinite(table)
    filled = np.where(mask, table, 0.0)
    count = mask.sum(axis=1)
    mean = filled.sum(axis=1) / np.maximum(count, 1)
    loadings = 0.3 * rng.standard_normal((len(table), rank))
    noise = np.full(len(table), max(float(np.var(table[mask])) if mask.any() else 1.0, _LEAST_NOISE))
    weight = np.ascontiguousarray(mask.T, np.float64)
    for _ in range(sweeps):
        context.check_time()
        points, covariances = _posterior(filled, weight, mean, loadings, noise)
        mean, loadings, noise = _rows(filled, weight, points, covariances)
    points, covariances = _posterior(filled, weight, mean, loadings, noise)
    return Factors(mean, loadings, noise, points, covariances)


def _posterior(
    filled: FloatArray, weight: FloatArray, mean: FloatArray, loadings: FloatArray, noise: FloatArray
) -> tuple[FloatArray, FloatArray]:
    rows, rank = loadings.shape
    scaled = loadings / noise[:, None]
    outer = (scaled[:, :, None] * loadings[:, None, :]).reshape(rows, rank * rank)
    precision = (weight @ outer).reshape(-1, rank, rank) + np.eye(rank)
    covariances = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    drive = (filled.T - weight * mean) @ scaled
    return (covariances @ drive[:, :, None])[:, :, 0], covariances


def _rows(
    filled: FloatArray, weight: FloatArray, points: FloatArray, covariances: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    rank = points.shape[1]
    extended = np.concatenate([points, np.ones((len(points), 1))], axis=1)
    second = extended[:, :, None] * extended[:, None, :]
    second[:, :rank, :rank] += covariances
    gram = (weight.T @ second.reshape(len(points), -1)).reshape(-1, rank + 1, rank + 1)
    cross = filled @ extended
    ridge = np.diag(np.append(np.ones(rank), _MEAN_RIDGE))
    found = np.linalg.solve(gram + ridge, cross[:, :, None])[:, :, 0]
    explained = 2 * (found * cross).sum(axis=1) - np.einsum("di,dij,dj->d", found, gram, found)
    squares, count = (filled**2).sum(axis=1) - explained, weight.sum(axis=0)
    common = max(float(squares.sum() / max(count.sum(), 1.0)), _LEAST_NOISE)
    noise = np.maximum((squares + _PRIOR_CELLS * common) / (count + _PRIOR_CELLS), _LEAST_NOISE)
    return found[:, rank], found[:, :rank], noise
