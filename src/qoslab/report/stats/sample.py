"""What every function here asks of its input: numbers, finite, enough of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qoslab.core.errors import BadInput, Problem

__all__ = ["FloatArray", "check_fraction", "check_positive", "sample"]

FloatArray = NDArray[np.float64]


def sample(values: ArrayLike, *, name: str = "values", minimum: int = 1) -> FloatArray:
    """One sample as a float array.

    Args:
        values: One-dimensional numbers.
        name: What to call them in an error.
        minimum: Fewest values that will do.

    Returns:
        Array of shape (n,).

    Raises:
        BadInput: Not one-dimensional numbers, fewer than `minimum`, or some of them NaN or infinite.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(Problem(message="these are not numbers", field=name)) from None
    if array.ndim != 1:
        message = f"one sequence of numbers is needed, not an array of shape {array.shape}"
        raise BadInput(Problem(message=message, field=name))
    problems = []
    if array.size < minimum:
        message = f"{array.size} values, but at least {minimum} are needed"
        problems.append(Problem(message=message, field=name))
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        message = f"{bad} of {array.size} values are not finite"
        problems.append(Problem(message=message, field=name, hint="leave failed trials out and say how many"))
    if problems:
        raise BadInput(problems)
    return array


def check_fraction(value: float, name: str) -> float:
    """A number strictly between 0 and 1, such as a confidence level.

    Raises:
        BadInput: It is not.
    """
    if not 0.0 < value < 1.0:
        message = f"{value} is not between 0 and 1 (both excluded)"
        raise BadInput(Problem(message=message, field=name, hint="write 95 % as 0.95"))
    return float(value)


def check_positive(value: Any, name: str) -> float:
    """A finite number above 0.

    Raises:
        BadInput: It is not.
    """
    if not (np.isfinite(value) and value > 0):
        message = f"{value} is not a finite number above 0"
        raise BadInput(Problem(message=message, field=name))
    return float(value)
