"""Equivalence: not "no difference was found" but "any difference is smaller than the margin".

Two one-sided tests (TOST): Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15; for a ratio of
means Sasabuchi (1980), Biometrika 67, in the paired form whose confidence set is Fieller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.report.stats.compare import Values
from qoslab.report.stats.intervals import Interval, spread, student
from qoslab.report.stats.pairs import Pairs, pair
from qoslab.report.stats.ratio import ratio_of_means
from qoslab.report.stats.sample import FloatArray, check_fraction, check_positive
from qoslab.report.stats.signed import paired_t

__all__ = ["Equivalence", "equivalent_mean", "equivalent_ratio"]


@dataclass(frozen=True)
class Equivalence:
    """Result of a test of equivalence.

    Attributes:
        outcome: "equivalent": shown to lie within the margin, even where it is also shown to differ from no
            difference at all; "different": not that, and a difference is shown; "not shown": neither.
        p_value: Larger p-value of the two one-sided tests.
        interval: The interval at 2 * level - 1 that lies within the margin exactly where equivalence is shown.
        low: Lower end of the margin.
        high: Upper end of the margin.
        beyond_margin: Whether the interval lies wholly outside the margin: a difference that matters.
        n: Number of pairs.
    """

    outcome: Literal["equivalent", "different", "not shown"]
    p_value: float
    interval: Interval
    low: float
    high: float
    beyond_margin: bool
    n: int


def _p_above_zero(values: FloatArray) -> float:
    """One-sided p-value of the t test that the mean lies above 0; 1 with one value."""
    from scipy.special import stdtr

    if values.size < 2:
        return 1.0
    mean, deviation = (float(value) for value in spread(values))
    if deviation == 0:
        return 0.0 if mean > 0 else 1.0
    return float(stdtr(values.size - 1, -mean * np.sqrt(values.size) / deviation))


def _result(
    pairs: Pairs,
    sides: tuple[FloatArray, FloatArray],
    interval: Interval,
    margin: tuple[float, float],
    level: float,
) -> Equivalence:
    low, high = margin
    p_value = max(_p_above_zero(side) for side in sides)
    error = 1 - level
    differs = paired_t(pairs.differences) <= error
    outcome: Literal["equivalent", "different", "not shown"] = "different" if differs else "not shown"
    if p_value <= error:
        outcome = "equivalent"
    beyond = bool(interval.low > high or interval.high < low)
    return Equivalence(outcome, p_value, interval, low, high, beyond, pairs.n)


def equivalent_mean(method: Values, baseline: Values, margin: float, *, level: float = 0.95) -> Equivalence:
    """Whether the means of two methods differ by less than `margin`.

    Args:
        method: Values by seed, or in the order of the seeds.
        baseline: The same for the baseline.
        margin: Largest difference that does not matter, in the metric's unit.
        level: 1 - level is the chance of calling methods equivalent that differ by the margin.

    Returns:
        The result, with the interval of the mean difference.

    Raises:
        BadInput: A margin that is not above 0, nothing to pair, or a level not above 0.5.
    """
    pairs = pair(method, baseline)
    check_positive(margin, "margin")
    interval = student(pairs.differences, check_fraction(2 * level - 1, "2 * level - 1"))
    sides = (pairs.differences + margin, margin - pairs.differences)
    return _result(pairs, sides, interval, (-margin, margin), level)


def equivalent_ratio(method: Values, baseline: Values, margin: float, *, level: float = 0.95) -> Equivalence:
    """Whether the ratio of two means lies between 1 / (1 + margin) and 1 + margin.

    These ends make method and baseline exchangeable. Both means must be positive, as sizes and times are; a
    baseline whose mean is not shown to be so is never called equivalent.

    Args:
        method: Values by seed, or in the order of the seeds.
        baseline: The same for the baseline.
        margin: Largest relative difference that does not matter, such as 0.05.
        level: 1 - level is the chance of calling methods equivalent that differ by the margin.

    Returns:
        The result, with Fieller's interval of the ratio.

    Raises:
        BadInput: A margin that is not above 0, nothing to pair, or a level not above 0.5.
    """
    pairs = pair(method, baseline)
    check_positive(margin, "margin")
    interval = ratio_of_means(pairs.method, pairs.baseline, check_fraction(2 * level - 1, "2 * level - 1"))
    low, high = 1 / (1 + margin), 1 + margin
    sides = (pairs.method - low * pairs.baseline, high * pairs.baseline - pairs.method)
    return _result(pairs, sides, interval, (low, high), level)
