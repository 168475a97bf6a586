"""Confidence intervals for a mean and for a probability.

Each interval of a mean has a form that takes many samples at once (`student_limits`, `bootstrap_limits`); the
coverage studies run on those, and the functions for one sample are the same arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qoslab.core.errors import BadInput, Problem
from qoslab.report.stats.sample import FloatArray, check_fraction, sample

__all__ = [
    "BOOTSTRAP_MINIMUM",
    "Interval",
    "bootstrap",
    "bootstrap_limits",
    "clopper_pearson",
    "student",
    "student_limits",
    "t_quantile",
    "wilson",
]

BOOTSTRAP_MINIMUM = 50  # below this no bootstrap we measured covers 95 % on skewed samples
_BLOCK = 4_000_000  # resampled values held in memory at once

Limits = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence limits.

    Attributes:
        estimate: Point estimate.
        low: Lower limit; -inf where the sample bounds nothing (one value, say).
        high: Upper limit; inf likewise.
        level: Confidence level, such as 0.95.
        n: Number of values (seeds, pairs, batches, trials) it rests on.
        kind: Name of the method, such as "student".
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    kind: str

    @property
    def half_width(self) -> float:
        """Half the distance between the limits; inf where either is infinite."""
        return (self.high - self.low) / 2

    @property
    def relative(self) -> float:
        """Half-width over the size of the estimate; 0 for an exact zero, inf for an inexact one."""
        if self.half_width == 0:
            return 0.0
        return self.half_width / abs(self.estimate) if self.estimate else float("inf")

    def contains(self, value: float) -> bool:
        """Whether `value` lies between the limits, limits included."""
        return self.low <= value <= self.high


def t_quantile(probability: float, degrees: float | FloatArray) -> FloatArray:
    """Quantile of Student's t with `degrees` degrees of freedom (array or number)."""
    from scipy.special import stdtrit

    quantile: FloatArray = np.asarray(stdtrit(degrees, probability), dtype=np.float64)
    return quantile


def spread(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation (n - 1) along the last axis; exactly 0 where all values are equal."""
    shifted = values - values[..., :1]
    mean = shifted.mean(axis=-1)
    squares = np.square(shifted - mean[..., None]).sum(axis=-1)
    return values[..., 0] + mean, np.sqrt(squares / max(values.shape[-1] - 1, 1))


def student_limits(values: FloatArray, level: float = 0.95) -> Limits:
    """Student's t interval of the mean of each row.

    Args:
        values: Array of shape (..., n), finite.
        level: Confidence level.

    Returns:
        Mean, lower and upper limit, each of shape (...). With n = 1 the limits are infinite.
    """
    n = values.shape[-1]
    mean, deviation = spread(values)
    if n == 1:
        return mean, np.full_like(mean, -np.inf), np.full_like(mean, np.inf)
    half = t_quantile((1 + level) / 2, n - 1) * deviation / np.sqrt(n)
    return mean, mean - half, mean + half


def student(values: ArrayLike, level: float = 0.95) -> Interval:
    """Student's t interval of a mean (Student 1908); exact for normal values.

    Args:
        values: Shape (n,), n >= 1.
        level: Confidence level.

    Returns:
        The interval. One value bounds nothing: the limits are infinite. Equal values give half-width 0.

    Raises:
        BadInput: Empty or non-finite values, or a level outside (0, 1).
    """
    array = sample(values)
    mean, low, high = student_limits(array, check_fraction(level, "level"))
    return Interval(float(mean), float(low), float(high), level, array.size, "student")


def _resampled_t(centred: FloatArray, resamples: int, seed: int) -> FloatArray:
    """Studentised means of bootstrap resamples of centred rows, shape (rows, resamples), sorted.

    Resampling is a product with a matrix of counts, so that all rows meet the same resamples. A resample
    without spread gives an infinite t with the sign of its mean: it says that the sample bounds nothing there.
    """
    n = centred.shape[-1]
    generator = np.random.default_rng(seed)
    studentised = np.empty((centred.shape[0], resamples))
    squares = np.square(centred)
    block = max(1, min(resamples, _BLOCK // n))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        index = generator.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(index.ravel(), minlength=size * n).reshape(size, n).T / n
        means, mean_squares = centred @ counts, squares @ counts
        variance = mean_squares - np.square(means)
        flat = variance <= 1e-12 * mean_squares
        error = np.sqrt(np.where(flat, 1.0, variance) / (n - 1))
        infinite = np.where(np.abs(means) > 0, np.copysign(np.inf, means), 0.0)
        studentised[:, start : start + size] = np.where(flat, infinite, means / error)
    studentised.sort(axis=1)
    return studentised


def bootstrap_limits(values: FloatArray, level: float = 0.95, resamples: int = 1999, seed: int = 0) -> Limits:
    """Bootstrap-t interval of the mean of each row; see `bootstrap`.

    Args:
        values: Array of shape (rows, n), finite.
        level: Confidence level.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resampling.

    Returns:
        Mean, lower and upper limit, each of shape (rows,).
    """
    n = values.shape[-1]
    mean, deviation = spread(values)
    studentised = _resampled_t(values - mean[:, None], resamples, seed)
    tail = max(1, int((resamples + 1) * (1 - level) / 2 + 1e-9))
    error = deviation / np.sqrt(n)
    exact = deviation == 0
    upper = np.where(exact, 0.0, studentised[:, resamples - tail])
    lower = np.where(exact, 0.0, studentised[:, tail - 1])
    return mean, mean - upper * error, mean - lower * error


def bootstrap(values: ArrayLike, level: float = 0.95, *, resamples: int = 1999, seed: int = 0) -> Interval:
    """Bootstrap-t (studentised) interval of a mean: for values too skewed for Student's.

    Of the bootstrap intervals of a mean it alone held 93.5-96.5 % at n = 50 for normal, uniform, exponential,
    t(5) and mildly lognormal values; percentile and BCa fell to 93 % on exponential values. On lognormal
    values with sigma = 1 it covers 93 % at n = 50 (Student and BCa 90-91 %).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 12.5; Hall (1988), Annals of
    Statistics 16.

    Args:
        values: Shape (n,), n >= 50.
        level: Confidence level.
        resamples: Number of bootstrap resamples; (resamples + 1) * (1 - level) / 2 is best whole.
        seed: Seed of the resampling.

    Returns:
        The interval, not symmetric in general. A limit is infinite where a resample without spread is likely
        (nearly all values equal); equal values give half-width 0.

    Raises:
        BadInput: Fewer than 50 values, non-finite ones, a bad level, or too few resamples for the level.
    """
    array = sample(values)
    check_fraction(level, "level")
    if array.size < BOOTSTRAP_MINIMUM:
        message = f"{array.size} values, but the bootstrap needs at least {BOOTSTRAP_MINIMUM}"
        raise BadInput(Problem(message=message, field="values", hint="use Student's interval, or more seeds"))
    if (resamples + 1) * (1 - level) / 2 < 1:
        message = f"{resamples} resamples are too few for the level {level}"
        raise BadInput(Problem(message=message, field="resamples"))
    mean, low, high = (float(limit[0]) for limit in bootstrap_limits(array[None, :], level, resamples, seed))
    return Interval(mean, low, high, level, array.size, "bootstrap-t")


def _check_counts(successes: float, trials: int) -> None:
    if trials < 0 or not 0 <= successes <= trials:
        message = f"{successes} successes of {trials} trials is not possible"
        raise BadInput(Problem(message=message, field="successes"))


def wilson(successes: float, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a probability: near the level on average.

    Source: Wilson (1927), JASA 22; recommended by Brown, Cai and DasGupta (2001), Statistical Science 16.

    Args:
        successes: Number of successes; halves are allowed (ties split evenly).
        trials: Number of independent trials.
        level: Confidence level.

    Returns:
        The interval; without trials the estimate is NaN and the limits are 0 and 1.

    Raises:
        BadInput: More successes than trials, negative counts, or a bad level.
    """
    from scipy.special import ndtri

    _check_counts(successes, trials)
    check_fraction(level, "level")
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0, level, 0, "wilson")
    z2 = float(ndtri((1 + level) / 2)) ** 2
    share = successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    low = 0.0 if successes == 0 else float(middle - half)
    high = 1.0 if successes == trials else float(middle + half)
    return Interval(share, low, high, level, trials, "wilson")


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of a probability: never below the level, so for guarantees.

    Source: Clopper and Pearson (1934), Biometrika 26.

    Args:
        successes: Number of successes.
        trials: Number of independent trials.
        level: Confidence level.

    Returns:
        The interval; without trials the estimate is NaN and the limits are 0 and 1.

    Raises:
        BadInput: More successes than trials, negative counts, or a bad level.
    """
    from scipy.special import betaincinv

    _check_counts(successes, trials)
    tail = (1 - check_fraction(level, "level")) / 2
    if trials == 0:
        return Interval(float("nan"), 0.0, 1.0, level, 0, "clopper-pearson")
    failures = trials - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return Interval(successes / trials, low, high, level, trials, "clopper-pearson")
