"""From a run's tally to named numbers and series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.outcome import Outcome, Series
from qoslab.domains.balancing import state
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.state import Tally, World

__all__ = ["half_width", "outcome"]

_T_QUANTILE = 2.0395  # Student, 31 degrees of freedom, 97.5 %
_GROUPS = 32
_LEAST_IN_GROUP = 10
_BUSY = 0.999
"""From this share of the measured time on a server counts as never idle."""
_GROWTH = 1.25
"""From this ratio on, second half over first half of the measured requests, mean response times count as growing."""
_SHARES = [0.5, 0.95, 0.99, 0.999]


def outcome(scenario: BalancingScenario, world: World, *, keep_series: bool) -> Outcome:
    """What a finished run gave.

    Args:
        scenario: The scenario.
        world: The state at the end.
        keep_series: Whether to give series for figures.
    """
    first = _first_segment(scenario, world.tally)
    metrics = _means(world, first)
    if scenario.metrics == "full":
        metrics |= _distributions(world.tally, first) | _fairness(world.tally, first)
        metrics |= _half_width(world, first) | _share_spread(world.tally, first)
    counters = _counters(world) | ({"unsteady": 1} if _unsteady(scenario, world, first) else {})
    return Outcome(metrics, counters, _series(world, first) if keep_series else {})


def _first_segment(scenario: BalancingScenario, tally: Tally) -> int:
    """The first segment that counts."""
    last = len(tally.total) - 1
    if scenario.warmup.rule != "mser":
        return last
    return min(_mser(tally) * len(tally.total) // state.BATCHES + 1, last // 2 + 1)


def _mser(tally: Tally) -> int:
    """The batch at which White's rule (Simulation, 1997) cuts: the least standard error of what is left."""
    used = tally.batch_count > 0
    means = tally.batch_total[used] / tally.batch_count[used]
    n = len(means)
    if n < 4:
        return 0
    left = np.arange(n, 0, -1)
    totals, squares = np.cumsum(means[::-1])[::-1], np.cumsum(means[::-1] ** 2)[::-1]
    errors = (squares - totals**2 / left) / left.astype(float) ** 2
    cut = int(np.argmin(errors[: n // 2]))
    return int(np.flatnonzero(used)[cut])


def _means(world: World, first: int) -> dict[str, float]:
    tally = world.tally
    events = tally.events[first:].sum(axis=0)
    span = float(tally.begin[-1] - tally.begin[first])
    found: dict[str, float] = {}
    if events[state.FINISHED]:
        found["response_time_mean_s"] = float(tally.total[first:].sum() / events[state.FINISHED])
    if events[state.OFFERED]:
        offered = int(events[state.OFFERED])
        found["rejected_share"] = events[state.REJECTED] / offered
        found["timed_out_share"] = events[state.TIMED_OUT] / offered
        found["lost_share"] = events[state.LOST] / offered
    if 0 < span < math.inf:
        capacity = _capacity(tally, first)
        if capacity.any():
            found["utilisation"] = float((tally.served[-1] - tally.served[first]).sum() / capacity.sum())
            found["utilisation_max"] = float(_usage(tally, first).max())
        found["queue_mean"] = float((tally.area[-1] - tally.area[first]).mean() / span)
        found["throughput_per_s"] = float(tally.answered[-1] - tally.answered[first]) / span
    return {name: float(value) for name, value in found.items()}


def _distributions(tally: Tally, first: int) -> dict[str, float]:
    from qoslab.engine.histogram import quantiles

    finished = int(tally.events[first:, state.FINISHED].sum())
    if not finished:
        return {}
    response = quantiles(tally.response[first:].sum(axis=0), _SHARES)
    names = ("p50", "p95", "p99", "p999")
    found = {f"response_time_{name}_s": float(value) for name, value in zip(names, response, strict=True)}
    found["slowdown_mean"] = float(tally.slowdown[first:].sum() / finished)
    found["slowdown_p99"] = float(quantiles(tally.slow[first:].sum(axis=0), [0.99])[0])
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _fairness(tally: Tally, first: int) -> dict[str, float]:
    sums = tally.fairness[first:].sum(axis=0)
    found = {}
    if sums[state.BUSY_GRID]:
        for name, row in (("jain", state.JAIN), ("g", state.G_INDEX), ("bossaer", state.BOSSAER)):
            found[f"fairness_{name}"] = float(sums[row] / sums[state.BUSY_GRID])
    if sums[state.GRID]:
        found["residual_work_mean_s"] = float(sums[state.WORK] / sums[state.GRID])
        found["residual_work_max_s"] = float(tally.fairness[first:, state.WORK_MOST].max())
    return found


def _half_width(world: World, first: int) -> dict[str, float]:
    """Half of a 95 % interval of this run's mean response time, from the means of 32 groups of batches."""
    tally = world.tally
    start = _first_batch(world, first)
    size = (state.BATCHES - start) // _GROUPS
    if size < 1:
        return {}
    rows = slice(start, start + size * _GROUPS)
    sums = tally.batch_total[rows].reshape(_GROUPS, size).sum(axis=1)
    counts = tally.batch_count[rows].reshape(_GROUPS, size).sum(axis=1)
    if counts.min() < _LEAST_IN_GROUP:
        return {}
    return {"response_time_half_width_s": half_width(sums / counts)}


def half_width(means: NDArray[np.float64]) -> float:
    """Half of a symmetric 95 % interval of the mean of correlated, skewed group means.

    Student's interval, widened for the correlation that is left between neighbours and skewed for their skewness
    (Willink 2005, Communications in Statistics - Theory and Methods 34), as in Skart; the longer side counts.

    Args:
        means: Means of 32 successive groups of equal size, shape (32,).
    """
    n = len(means)
    centred = means - means.mean()
    scatter = float(np.square(centred).sum())
    if scatter <= 1e-24 * float(np.square(means).sum()):
        return 0.0
    correlation = max(float(centred[1:] @ centred[:-1]) / scatter, 0.0)
    variance = scatter / (n - 1)
    error = math.sqrt((1.0 + correlation) / (1.0 - correlation) * variance / n)
    skewness = n / ((n - 1) * (n - 2)) * float((centred**3).sum()) / (variance * math.sqrt(variance))
    beta = abs(skewness) / (6.0 * math.sqrt(n))
    if beta < 1e-6:
        return _T_QUANTILE * error
    return error * (1.0 + math.cbrt(6.0 * beta * (_T_QUANTILE + beta) - 1.0)) / (2.0 * beta)


def _unsteady(scenario: BalancingScenario, world: World, first: int) -> bool:
    """Whether the run reached no steady state, so that its figures grow with its length.

    So is judged a run in which a server was never idle for the whole measured time while response times grew: the mean
    of the second half of the measured requests is a quarter above that of the first half or more. A server with more
    arriving than it can serve shows both, one in a closed loop or with a bounded queue does not grow. Where only means
    are measured, no growth is seen; there queues must be unbounded instead. A server with less arriving than it can
    serve is never idle for a time t with a probability that falls as exp(-(1 - sqrt(rho))^2 t): 5,000 mean service
    times at rho = 0.9 are never so; runs that are short for their load may be, and have not reached their steady state.
    """
    tally = world.tally
    span = float(tally.begin[-1] - tally.begin[first])
    if not 0.0 < span < math.inf:
        return False
    # A server that took part for a small part of the time says nothing about the whole.
    whole = _capacity(tally, first) >= 0.1 * span * world.servers.base * world.servers.cores
    if not (whole & (_usage(tally, first) >= _BUSY)).any():
        return False
    if scenario.metrics != "full":
        return scenario.servers.limit is None and scenario.arrivals.kind != "closed" and not scenario.cancel
    counts, totals = (x[_first_batch(world, first) :] for x in (tally.batch_count, tally.batch_total))
    used = counts > 0
    earlier, later = np.array_split(np.stack([counts[used], totals[used]]), 2, axis=1)
    if not earlier.size or not later.size:
        return False
    return bool(later[1].sum() / later[0].sum() >= _GROWTH * earlier[1].sum() / earlier[0].sum())


def _first_batch(world: World, first: int) -> int:
    """The first batch of requests that is measured whole."""
    before = int(world.tally.events[:first, state.OFFERED].sum())
    return math.ceil(before * float(world.clock[state.PER_BATCH]))


def _share_spread(tally: Tally, first: int) -> dict[str, float]:
    """The largest deviation of a server's share of requests from its share of the capacity that took part."""
    handled, capacity = tally.handled[first:].sum(axis=0), _capacity(tally, first)
    if not handled.any() or not capacity.any():
        return {}
    deviation = np.abs(handled / handled.sum() - capacity / capacity.sum())
    return {"share_spread": float(deviation.max())}


def _capacity(tally: Tally, first: int) -> NDArray[np.float64]:
    """Integral over the measured time of each server's capacity that took part, shape (n,)."""
    if not math.isfinite(tally.begin[-1]):
        return np.zeros(tally.available.shape[1])
    return np.asarray(tally.available[-1] - tally.available[first], np.float64)


def _usage(tally: Tally, first: int) -> NDArray[np.float64]:
    """Work done by each server per capacity that it had while it took part; 0 for one that never did, shape (n,)."""
    capacity = _capacity(tally, first)
    served = tally.served[-1] - tally.served[first]
    usage = np.zeros(len(capacity))
    np.divide(served, capacity, out=usage, where=capacity > 0.0)
    return usage


def _counters(world: World) -> dict[str, int]:
    names = (
        "offered",
        "finished",
        "rejected",
        "timed_out",
        "retried",
        "lost",
        "untracked",
        "hedged",
        "redirected",
    )
    totals = world.tally.events.sum(axis=0)
    found = {name: int(value) for name, value in zip(names, totals, strict=True)}
    found |= {"in_system": int(world.counts[state.LIVE]), "events": int(world.counts[state.EVENTS])}
    stranded = int(world.counts[state.STRANDED])
    return found | ({"stranded": stranded} if stranded else {})


def _series(world: World, first: int) -> dict[str, Series]:
    tally = world.tally
    rows = int(world.counts[state.ROWS])
    columns = ("time_s", "jain", "g", "bossaer", "residual_work_mean_s", "residual_work_max_s")
    over_time = {name: tally.series[:rows, k].copy() for k, name in enumerate(columns)}
    n = tally.queues.shape[1]
    times = tally.series[:rows, 0]
    found: dict[str, Series] = {"fairness": over_time}
    found["queue"] = {
        "time_s": np.repeat(times, n),
        "server": np.tile(np.arange(n), rows),
        "queue": tally.queues[:rows].reshape(-1).copy(),
    }
    found["servers"] = _per_server(world, first)
    if tally.response.shape[1]:
        found["response_time"] = _cumulative(tally.response[first:].sum(axis=0))
    return found


def _per_server(world: World, first: int) -> dict[str, NDArray[Any]]:
    tally = world.tally
    handled = tally.handled[first:].sum(axis=0)
    span = float(tally.begin[-1] - tally.begin[first])
    # A run that was cut off before its measured time ended has no averages over it.
    per_s = 1.0 / span if 0 < span < math.inf else 0.0
    return {
        "server": np.arange(len(handled)),
        "capacity": _capacity(tally, first) * per_s,
        "requests": handled,
        "share": handled / max(int(handled.sum()), 1),
        "utilisation": _usage(tally, first),
        "queue_mean": (tally.area[-1] - tally.area[first]) * per_s,
    }


def _cumulative(histogram: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The distribution of response times at 200 shares, closer together in the tail."""
    from qoslab.engine.histogram import quantiles

    if not histogram.sum():
        return {"share": np.zeros(0), "response_time_s": np.zeros(0)}
    shares = 1.0 - np.logspace(0, -4, 201)[1:]
    shares = shares[shares <= 1.0 - 10.0 / max(int(histogram.sum()), 11)]
    return {"share": shares, "response_time_s": quantiles(histogram, shares)}
