"""A number with its interval, its samples and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Estimate", "batched"]

Reals = NDArray[np.float64]
_BATCHES = 20
_T19 = 2.093
"""97.5 % quantile of Student's t with 19 degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """What was inferred.

    Attributes:
        value: The number.
        low: Lower end of its 95 % interval; the value itself where no interval could be had.
        high: Upper end of the same.
        samples: How many observations stand behind it.
        warning: Why it may be wrong; empty where nothing is known against it.
    """

    value: float
    low: float
    high: float
    samples: int
    warning: str = ""

    def __str__(self) -> str:
        return self.in_unit("")

    def in_unit(self, unit: str) -> str:
        """The same in words, the unit behind the number."""
        number = f"{self.value:.4g} {unit}".rstrip()
        words = f"{number} (95 % interval {self.low:.4g} to {self.high:.4g}, {self.samples} samples)"
        return f"{words}; WEAK: {self.warning}" if self.warning else words


def batched(values: Reals | Sequence[float], warning: str = "") -> Estimate:
    """The mean of dependent values in order of time, by 20 batch means.

    Args:
        values: The values, shape (k,), k >= 1.
        warning: What speaks against the result; replaced where there are too few values for an interval.
    """
    values = np.asarray(values, np.float64)
    mean = float(values.mean())
    if len(values) < 2 * _BATCHES:
        return Estimate(mean, mean, mean, len(values), warning or f"only {len(values)} samples")
    means = np.array([part.mean() for part in np.array_split(values, _BATCHES)])
    half = _T19 * float(means.std(ddof=1)) / np.sqrt(_BATCHES)
    return Estimate(mean, mean - half, mean + half, len(values), warning)
