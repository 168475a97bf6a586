"""Ratio of two paired means: Fieller's interval.

Chosen over the log-ratio with the delta method for one reason: at the same level it contains 1 exactly where
Student's interval of the paired difference contains 0, so a report never says "12 % faster" and "no difference shown"
of the same pair. It is exact for bivariate normal values and asks for no sign.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qoslab.report.stats.intervals import Interval, Limits, spread, t_quantile
from qoslab.report.stats.pairs import pair
from qoslab.report.stats.sample import FloatArray, check_fraction

__all__ = ["fieller_limits", "ratio_of_means"]


def fieller_limits(numerator: FloatArray, denominator: FloatArray, level: float = 0.95) -> Limits:
    """Fieller's interval of mean(numerator) / mean(denominator) of each row; see `ratio_of_means`.

    Args:
        numerator: Shape (..., n), n >= 2.
        denominator: Shape (..., n), paired with the numerator.
        level: Confidence level.

    Returns:
        Ratio, lower and upper limit, each of shape (...).
    """
    n = numerator.shape[-1]
    top, top_spread = spread(numerator)
    bottom, bottom_spread = spread(denominator)
    left, right = numerator - top[..., None], denominator - bottom[..., None]
    covariance = (left * right).sum(axis=-1) / (n - 1)
    combined = np.square(bottom[..., None] * left - top[..., None] * right).sum(axis=-1) / (n - 1)
    weight = t_quantile((1 + level) / 2, n - 1) ** 2 / n
    # The limits are the roots of square x^2 - 2 mixed x + constant, where (top - x bottom) / error = +-t.
    square = np.square(bottom) - weight * np.square(bottom_spread)
    mixed = top * bottom - weight * covariance
    # Their discriminant is written so that no large terms cancel.
    excess = np.square(top_spread * bottom_spread) - np.square(covariance)
    discriminant = weight * combined - weight**2 * excess
    bounded = square > 0
    divisor = np.where(bounded, square, 1.0)
    reach = np.sqrt(np.maximum(discriminant, 0.0))
    low = np.where(bounded, (mixed - reach) / divisor, -np.inf)
    high = np.where(bounded, (mixed + reach) / divisor, np.inf)
    ratio = np.where(bottom == 0, np.nan, top / np.where(bottom == 0, 1.0, bottom))
    return ratio, low, high


def ratio_of_means(numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95) -> Interval:
    """Ratio of the means of paired values with Fieller's interval.

    Source: Fieller (1954), Journal of the Royal Statistical Society B 16.

    Args:
        numerator: Shape (n,).
        denominator: Shape (n,), paired with the numerator.
        level: Confidence level.

    Returns:
        The interval. Its limits are infinite with one pair, and where the denominator's mean does not differ from
        0 at this level: then the data bound no ratio.

    Raises:
        BadInput: Nothing to pair, unequal lengths, or a bad level.
    """
    pairs = pair(numerator, denominator)
    check_fraction(level, "level")
    if pairs.n == 1:
        bottom = pairs.baseline[0]
        ratio = float(pairs.method[0] / bottom) if bottom else float("nan")
        return Interval(ratio, float("-inf"), float("inf"), level, 1, "fieller")
    limits = fieller_limits(pairs.method, pairs.baseline, level)
    ratio, low, high = (float(limit) for limit in limits)
    return Interval(ratio, low, high, level, pairs.n, "fieller")
