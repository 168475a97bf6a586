"""What scenarios take from files: distributions, series of rates, recorded arrivals, recorded speeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.arrivals import RateSeries, Trace
from qoslab.domains.balancing.laws import Empirical
from qoslab.domains.balancing.traces.drift import read_drift
from qoslab.domains.balancing.traces.rates import read_rates
from qoslab.domains.balancing.traces.sizes import read_sizes
from qoslab.domains.balancing.traces.workload import read_trace

__all__ = ["Recorded", "distribution", "rates", "relative_speeds", "trace"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """Recorded requests in order of time.

    Attributes:
        times: Arrivals, s from the first, shape (k,).
        sizes: Work, s, shape (k,), or (0,) where none is recorded.
        flows: Keys of flows, int64, shape (k,), or (0,).
    """

    times: Reals
    sizes: Reals
    flows: NDArray[np.int64]


def distribution(law: Empirical, context: Context) -> tuple[Reals, Reals]:
    """Values and cumulative shares of an empirical law, neither decreasing, the shares from 0 to 1.

    Raises:
        BadInput: The file is no cumulative distribution.
    """
    table = read_sizes(_located(law.file, law.dataset, context))
    return table.values, table.shares


def rates(series: RateSeries, context: Context) -> Reals:
    """The rates of a series, relative to each other.

    Raises:
        BadInput: A rate is negative, or the series is shorter than what is to be taken of it.
    """
    if not series.rates:
        path = _located(series.file, series.dataset, context)
        return read_rates(path, start=series.start, count=series.count)
    end = None if series.count is None else series.start + series.count
    values = np.array(series.rates[series.start : end], np.float64)
    if values.sum() <= 0:
        message = f"nothing is left of the series from {series.start} on"
        raise BadInput(Problem(message=message, field="scenario.arrivals.start"))
    return values


def trace(arrivals: Trace, context: Context) -> Recorded:
    """Recorded arrivals, sorted by time, the first at 0.

    Raises:
        BadInput: A column does not exist or holds something else than numbers or times, or a size is zero.
    """
    path = _located(arrivals.file, arrivals.dataset, context)
    size = {arrivals.size: 1.0} if isinstance(arrivals.size, str) else arrivals.size
    # A scenario says what its numbers are, seconds: nothing is told from the names of columns.
    found = read_trace(
        path, time=arrivals.time, time_unit="s", size=size or None, sizes=bool(size), flow=arrivals.flow
    )
    sizes = np.zeros(0) if found.size is None else found.size
    if not np.all(sizes > 0):
        number = int(np.argmin(sizes > 0)) + 1
        hint = "leave such requests out, or give `size` a factor for a column that is never zero"
        message = f"the size of request {number}, in order of time, is not positive"
        raise BadInput(Problem(message=message, path=path, hint=hint))
    flows = np.zeros(0, np.int64) if found.flow is None else found.flow
    return Recorded(found.arrival_s, sizes, flows)


def relative_speeds(file: str | None, dataset: str | None, context: Context) -> list[Reals]:
    """Recorded speeds, one series for each server of the file by its name, each divided by its mean.

    Raises:
        BadInput: The file cannot be read, lacks a column, or holds a speed that is not positive.
    """
    found = read_drift(_located(file, dataset, context))
    return [series.speed / series.speed.mean() for series in found]


def _located(file: str | None, dataset: str | None, context: Context) -> Path:
    """The path of an own or a registered file."""
    if file is not None:
        return Path(file)
    assert dataset is not None
    return context.dataset(dataset)
