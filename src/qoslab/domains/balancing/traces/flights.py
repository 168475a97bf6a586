"""What a server did between the arrivals and ends of its requests: how many it held, and what each one needed.

Arrivals and ends alone do not tell service times; arrivals, ends, a discipline and a number of cores do. These
functions undo the two disciplines, given that every request of the server is in the log.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["busy", "fifo_service", "found", "mean_in_flight", "shared_service"]

Reals = NDArray[np.float64]
Whole = NDArray[np.int64]


def found(start: Reals, end: Reals) -> Whole:
    """How many requests each one found at its server.

    Args:
        start: Arrivals at the server, s, not decreasing, shape (k,).
        end: Ends, s, each after its start, shape (k,).

    Returns:
        Requests that had arrived before (in the order given) and had not ended, shape (k,).
    """
    before = np.arange(len(start))
    return before - np.searchsorted(np.sort(end), start, side="right")


def shared_service(start: Reals, end: Reals, cores: int) -> Reals:
    """Service times under processor sharing: with n requests present each is served at rate min(1, cores / n).

    Args:
        start: Arrivals at the server, s, not decreasing, shape (k,).
        end: Ends, s, none before its start, shape (k,).
        cores: Cores of the server.

    Returns:
        Seconds of one core that each request received, shape (k,).
    """
    times, held = _levels(start, end)
    rate = np.minimum(1.0, cores / np.maximum(held, 1))
    served = np.concatenate([[0.0], np.cumsum(np.diff(times) * rate[:-1])])
    return np.asarray(np.interp(end, times, served) - np.interp(start, times, served))


def fifo_service(start: Reals, end: Reals, cores: int) -> Reals:
    """Service times under first come, first served: a request begins when a core is free.

    The same arguments and result as `shared_service`; a value that is not positive proves that the server did
    not work so.
    """
    # The `cores` latest ends among earlier arrivals occupy the cores until then.
    latest: list[float] = [-np.inf] * cores
    begin = np.empty(len(start))
    for number, (came, went) in enumerate(zip(start.tolist(), end.tolist(), strict=True)):
        begin[number] = max(came, latest[0])
        heapq.heappushpop(latest, went)
    return end - begin


def busy(start: Reals, end: Reals) -> float:
    """Share of the time from the first arrival to the last end during which the server held a request."""
    times, held = _levels(start, end)
    span = times[-1] - times[0]
    return float(np.sum(np.diff(times) * (held[:-1] > 0)) / span) if span > 0 else 1.0


def mean_in_flight(start: Reals, end: Reals) -> float:
    """Requests at the server, mean over time."""
    span = float(end.max() - start.min())
    return float(np.sum(end - start)) / span if span > 0 else float(len(start))


def _levels(start: Reals, end: Reals) -> tuple[Reals, Whole]:
    """Times of change, and how many requests are there from each on."""
    times = np.concatenate([start, end])
    steps = np.concatenate([np.ones(len(start), np.int64), -np.ones(len(end), np.int64)])
    order = np.argsort(times, kind="stable")
    levels = np.cumsum(steps[order])
    # Of equal times the last one holds the level that lasts.
    times = times[order]
    last = np.append(times[1:] > times[:-1], True)
    return times[last], levels[last]
