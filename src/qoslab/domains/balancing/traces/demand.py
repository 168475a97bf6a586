"""How requests arrive: rate, bursts, and the hours of the day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.traces.estimates import Estimate, batched

__all__ = ["Demand", "describe"]

Reals = NDArray[np.float64]
_WINDOWS_S = (1.0, 10.0, 60.0, 600.0)
_LEAST_WINDOWS = 30
_HOUR_S = 3600.0


@dataclass(frozen=True)
class Demand:
    """The arrivals of a trace in numbers.

    Attributes:
        rate_per_s: Mean rate, 1/s.
        gap_cv: Coefficient of variation of the times between arrivals: 1 for Poisson arrivals.
        dispersion: By window length in s: variance over mean of the counts, 1 for Poisson arrivals.
        peak_to_mean: By window length in s: the fullest window over the mean one.
        hour_rate_per_s: Mean rate in each hour of the day, shape (24,), NaN where there is none; None for traces of
            less than a day or without dates.
        warnings: What speaks against all this.
    """

    rate_per_s: Estimate
    gap_cv: float
    dispersion: dict[float, float]
    peak_to_mean: dict[float, float]
    hour_rate_per_s: Reals | None
    warnings: tuple[str, ...]


def describe(arrival_s: Reals, *, start_s: float | None = None, clock_s: float = 0.0) -> Demand:
    """Describe arrivals.

    Args:
        arrival_s: Arrival times, s, not decreasing, shape (k,), k >= 2.
        start_s: Seconds since 1970 of time 0, for the hours of the day; None where unknown.
        clock_s: What the times are rounded to, s.

    Raises:
        ValueError: There are fewer than two arrivals, or all at one instant.
    """
    span = float(arrival_s[-1] - arrival_s[0]) if len(arrival_s) else 0.0
    if span <= 0:
        message = "arrivals at one instant have no rate"
        raise ValueError(message)
    times = arrival_s - arrival_s[0]
    gaps = np.diff(times)
    counts = {w: _counts(times, w) for w in _WINDOWS_S if span / w >= _LEAST_WINDOWS}
    cv = float(gaps.std() / gaps.mean())
    warnings = []
    if clock_s >= 0.2 * float(gaps.mean()):
        warnings.append(
            f"the clock ticks every {clock_s:g} s, too coarse for the gaps between arrivals: gap_cv says little"
        )
    if not counts:
        warnings.append(f"{span:g} s are too short to tell bursts from a steady stream")
    hours = None if start_s is None or span < 24 * _HOUR_S else _hours(times + start_s)
    return Demand(
        _rate(times, span),
        cv,
        {w: float(c.var() / c.mean()) for w, c in counts.items()},
        {w: float(c.max() / c.mean()) for w, c in counts.items()},
        hours,
        tuple(warnings),
    )


def _rate(times: Reals, span: float) -> Estimate:
    """The rate by the counts in 200 equal windows, in 20 batches."""
    counts = np.histogram(times, bins=200, range=(0.0, span))[0]
    found = batched(counts * (200 / span))
    warning = "" if len(times) >= 1000 else f"only {len(times)} arrivals"
    rate = (len(times) - 1) / span
    return Estimate(rate, min(found.low, rate), max(found.high, rate), len(times), warning)


def _counts(times: Reals, window_s: float) -> NDArray[np.int64]:
    """Counts in whole windows; the last, cut one is left out."""
    whole = int(times[-1] / window_s)
    return np.bincount((times / window_s).astype(np.int64), minlength=whole)[:whole]


def _hours(since_1970: Reals) -> Reals:
    hour = (since_1970 // _HOUR_S).astype(np.int64)
    counts = np.bincount(hour - hour[0])
    # The first and the last hour are cut: they tell of a part of an hour only.
    number = np.arange(len(counts)) + hour[0]
    inner = slice(1, -1) if len(counts) > 2 else slice(None)
    total = np.bincount(number[inner] % 24, counts[inner], 24)
    seen = np.bincount(number[inner] % 24, minlength=24)
    return np.where(seen > 0, total / np.maximum(seen, 1) / _HOUR_S, np.nan)
