"""Two methods on the same seeds: their difference, their ratio, and whether either is real."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.report.stats import Interval, ratio_of_means, student
from qoslab.report.stats.sample import FloatArray
from qoslab.report.stats.signed import paired_t

__all__ = ["Contrast", "contrast", "estimate"]

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Contrast:
    """`a` compared with `b` over the seeds that both finished.

    Attributes:
        difference: Mean of a - b with its paired Student interval; `difference.n` is the number of pairs.
        ratio: Mean of a over mean of b with Fieller's interval from the same pairs, so that it excludes 1 exactly
            where the difference excludes 0; None where b is not positive throughout.
        differences: a - b per seed, shape (pairs,); differences of pure rounding are zero.
        p: Two-sided p-value of the paired t test; 1 for a single pair. Where the difference is the same on every
            seed, that of the sign test: equal counts on two seeds prove nothing.
    """

    difference: Interval
    ratio: Interval | None
    differences: FloatArray
    p: float

    @property
    def pairs(self) -> int:
        """Number of seeds that both finished."""
        return self.difference.n

    @property
    def identical(self) -> bool:
        """Whether both gave the same number on every seed."""
        return not self.differences.any()


def estimate(values: FloatArray, level: float) -> Interval | None:
    """Mean with its Student interval; None without values, unbounded for a single one.

    Args:
        values: Finite values, one per seed.
        level: Confidence level.
    """
    return student(values, level) if len(values) else None


def contrast(a: FloatArray, b: FloatArray, level: float) -> Contrast | None:
    """Compare two methods on the same seeds.

    Args:
        a: Finite values of the one, shape (seeds,).
        b: Finite values of the other on the same seeds, shape (seeds,).
        level: Confidence level of the intervals.

    Returns:
        The comparison; None where they share no seed.
    """
    if not len(a):
        return None
    size = max(float(np.max(np.abs(a))), float(np.max(np.abs(b))))
    differences = np.where(np.abs(a - b) <= _ROUNDING * size, 0.0, a - b)
    ratio = ratio_of_means(a, b, level) if float(np.min(b)) > 0 else None
    return Contrast(student(differences, level), ratio, differences, _p_value(differences))


def _p_value(differences: FloatArray) -> float:
    if float(np.ptp(differences)) == 0 and differences.any():
        return math.ldexp(2.0, -len(differences))
    return paired_t(differences)
