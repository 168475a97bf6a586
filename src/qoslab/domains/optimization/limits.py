"""The last step that is stable: found among doubles or halves of a first one, and then between two of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qoslab.core.context import Context

__all__ = ["ABOUT", "CLOSE", "UNTIMED", "Limit", "last_stable"]

ABOUT = 0.05
"""Precision of a limit in refusals, where eigenvalues take Arnoldi's iteration: each stable step that is tried costs a
thousand rounds."""

CLOSE = 1e-3
"""Precision where a limit is asked for."""

UNTIMED = Context()
"""Without a limit of time."""


@dataclass(frozen=True)
class Limit:
    """Where stability ends.

    Attributes:
        step: The largest step that is stable, and less than it by no more than a precision.
        about: None where all eigenvalues were found. Otherwise that precision: the step is then what Arnoldi's
            iteration tells, to which a step that is too large by too little counts as stable.
    """

    step: float
    about: float | None

    @property
    def exact(self) -> bool:
        """Whether all eigenvalues were found."""
        return self.about is None

    def __str__(self) -> str:
        """The step to as many digits as are known, with `about` where it is not exact."""
        if self.about is None:
            return f"{self.step:.3g}"
        return f"of about {self.step:.{2 if self.about > CLOSE else 3}g}"


def last_stable(
    growth: Callable[[float], float], first: float, *, reach: float, precision: float
) -> float | None:
    """A stable step, less than one that is not by no more than a precision.

    Args:
        growth: The factor by which something grows in a round at a step; no more than 1 where it is stable.
        first: A step to begin with: it is doubled while it is stable, or halved until it is.
        reach: How many times as large, or as small, a step may become.
        precision: Of the found step, relative.

    Returns:
        None where every step within reach is stable, or none is.
    """
    low, high = first, math.inf
    while not (grows := growth(low)) <= 1.0:
        high, low = low, low / 2.0 ** _halves(grows)
        if low < first / reach:
            return None
    while 2.0 * low < high:
        if growth(2.0 * low) <= 1.0:
            low *= 2.0
        else:
            high = 2.0 * low
        if low >= reach * first:
            return None
    while high - low > precision * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if growth(middle) <= 1.0 else (low, middle)
    return low


def _halves(grows: float) -> int:
    """How often to halve a step at which errors grow so.

    Of eigenvalues a - c s with |a| <= 1 and c s - a = g none is inside the unit circle at a step above 2 s / (g + 1).
    """
    return max(1, math.ceil(math.log2(0.5 * (grows + 1.0)))) if math.isfinite(grows) else 1
