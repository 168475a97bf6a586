# mypy: disable-error-code="no-any-return"
"""Averages over time of a quantity that jumps: a queue's length, a busy server, a link's memory in use."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["TimeAverage", "average", "change", "greatest", "level", "restart", "set_level", "time_average"]

TimeAverage = NDArray[np.float64]

_START, _LAST, _LEVEL, _AREA, _GREATEST = range(5)


@kernel
def time_average(start: float, first_level: float) -> TimeAverage:
    """From time `start` on: start, time of the last jump, level, area so far, greatest level; float64, shape (5,)."""
    a = np.zeros(5, np.float64)
    a[_LEVEL] = first_level
    restart(a, start)
    return a


@kernel
def restart(a: TimeAverage, now: float) -> None:
    """Forget the past and keep the level: the end of a warm-up."""
    a[_START] = a[_LAST] = now
    a[_AREA] = 0.0
    a[_GREATEST] = a[_LEVEL]


@kernel(inline=True)
def set_level(a: TimeAverage, now: float, value: float) -> None:
    """Let the level be `value` from `now` on; `now` must not go back."""
    a[_AREA] += a[_LEVEL] * (now - a[_LAST])
    a[_LAST] = now
    a[_LEVEL] = value
    if value > a[_GREATEST]:
        a[_GREATEST] = value


@kernel(inline=True)
def change(a: TimeAverage, now: float, by: float) -> None:
    """Let the level jump by `by` at `now`."""
    set_level(a, now, a[_LEVEL] + by)


@kernel(inline=True)
def level(a: TimeAverage) -> float:
    """The present level."""
    return a[_LEVEL]


@kernel(inline=True)
def greatest(a: TimeAverage) -> float:
    """The greatest level since the start or the last restart."""
    return a[_GREATEST]


@kernel
def average(a: TimeAverage, now: float) -> float:
    """Average level from the start, or the last restart, until `now`; NaN over no time."""
    span = now - a[_START]
    return (a[_AREA] + a[_LEVEL] * (now - a[_LAST])) / span if span > 0.0 else math.nan
