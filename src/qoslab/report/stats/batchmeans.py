"""The steady-state mean of one long run: warm-up removal and batch means.

Observations of one run are correlated and start away from steady state. The rule here follows N-Skart
(Tafazzoli, Wilson, Lada and Steiger 2011, "Performance of Skart", INFORMS Journal on Computing 23; Tafazzoli and
Wilson 2011, IIE Transactions 43), simplified to a fixed number of batches:

1. Warm-up: the smallest batch whose means, without the first one, pass von Neumann's (1941) test of randomness; that
   first batch is the warm-up. It asks how long the run remembers and not where the run was low, so it does
   not throw away honest bursts. MSER-5 (White 1997, Simulation 69) does: on M/M/1 waiting times it left a bias
   of 0.2-0.3 standard errors and 91-93.5 % coverage; `mser` is offered for comparison.
2. The rest is cut into 20 batches (Schmeiser 1982, Operations Research 30: between 10 and 30).
3. Student's interval on the batch means is widened for what correlation remains between batches and skewed for
   their skewness (Willink 2005, Communications in Statistics - Theory and Methods 34), as in Skart.

Measured over 10,000 runs at a nominal 95 %: AR(1) 95.3-96.0 % (phi 0, 0.5, 0.9; 2,048 to 8,192 observations), waiting
times in M/M/1 94.8 % (load 0.8, 32,768 customers, from empty and from far above) and 94.4 % (load 0.9, 131,072).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.report.stats.intervals import Interval, Limits, t_quantile
from qoslab.report.stats.sample import FloatArray, check_fraction, check_positive, sample

__all__ = [
    "BATCHES",
    "SteadyState",
    "mser",
    "randomness_warm_up",
    "steady_state",
    "steady_state_limits",
    "steady_state_of_sums",
]

BATCHES = 20
_FEWEST = 64  # base batches; fewer leave nothing to judge the warm-up by
_FEWEST_TESTED = 16  # batch means below which von Neumann's test says too little
_FEWEST_LASTING = 32  # batches of the size that passed, in a run that is long enough
_TEST_ERROR = 0.05
_FINEST = 4096  # raw series are first collected into at most about so many base batches

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class SteadyState:
    """The steady-state mean of one run and what it rests on.

    Attributes:
        interval: Estimate and limits; its n is the number of batches.
        warm_up: What was removed at the start, in the unit of the batch size (observations or time).
        batch_size: Size of each of the batches, in the same unit.
        autocorrelation: Lag-one autocorrelation between the batch means.
        sufficient: Whether batches of a 32nd of the run or less passed the test of randomness. False means
            that the run is short for its memory and the interval likely to be too narrow. It is no proof of the
            opposite: on M/M/1 at load 0.9, False came for 73 % of runs of 4,096 customers (which cover 88 %),
            11 % of 32,768 (93 %), 4 % of 65,536 (94.7 %).
    """

    interval: Interval
    warm_up: float
    batch_size: float
    autocorrelation: float
    sufficient: bool


def mser(means: ArrayLike) -> int:
    """Truncation point of the marginal standard error rule over batch means (MSER-5 for batches of 5).

    Source: White (1997), Simulation 69; White, Cobb and Spratt (2000), Winter Simulation Conference.

    Args:
        means: Means of successive batches of equal size, shape (batches,).

    Returns:
        Number of batches to remove, at most half; half itself means that the rule found no steady state.

    Raises:
        BadInput: Fewer than 4 batches, or non-finite means.
    """
    values = sample(means, name="means", minimum=4)
    centred = (values - values.mean())[::-1]
    kept = np.arange(1, values.size + 1)
    scatter = np.cumsum(np.square(centred)) - np.square(np.cumsum(centred)) / kept
    error = (scatter / np.square(kept))[::-1]
    return int(np.argmin(error[: values.size // 2 + 1]))


def _random(means: FloatArray) -> NDArray[np.bool_]:
    """Rows that von Neumann's ratio does not show to be positively correlated (one-sided, 5 %)."""
    from scipy.special import ndtri

    count = means.shape[-1]
    scatter = np.square(means - means.mean(axis=-1, keepdims=True)).sum(axis=-1)
    steps = np.square(np.diff(means, axis=-1)).sum(axis=-1)
    correlation = 1 - steps / np.where(scatter > 0, 2 * scatter, 1.0)
    score = correlation * np.sqrt((count**2 - 1) / (count - 2))
    random: NDArray[np.bool_] = (np.ptp(means, axis=-1) == 0) | (score < float(ndtri(1 - _TEST_ERROR)))
    return random


def randomness_warm_up(means: FloatArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Warm-up of each row of base batch means by von Neumann's test over doubling batches.

    Args:
        means: Base batch means, shape (rows, batches).

    Returns:
        Number of base batches to remove, and whether the test was passed before batches ran out; shapes (rows,).
    """
    rows = means.shape[0]
    warm_up = np.zeros(rows, dtype=np.int64)
    passed = np.zeros(rows, dtype=np.bool_)
    size = 1
    while means.shape[1] >= _FEWEST_TESTED:
        warm_up[~passed] = size
        passed |= _random(means[:, 1:])
        size *= 2
        means = means[:, : means.shape[1] // 2 * 2].reshape(rows, -1, 2).mean(axis=2)
    return warm_up, passed


def _rebatch(means: FloatArray, warm_up: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean of what follows the warm-up, the last `BATCHES` equal batches of it, and their size."""
    count = means.shape[1]
    total = np.concatenate([np.zeros((means.shape[0], 1)), np.cumsum(means, axis=1)], axis=1)
    size = (count - warm_up) // BATCHES
    edges = count - size[:, None] * np.arange(BATCHES, -1, -1)
    batches = np.diff(np.take_along_axis(total, edges, axis=1), axis=1) / size[:, None]
    start = np.take_along_axis(total, warm_up[:, None], axis=1)[:, 0]
    return (total[:, -1] - start) / (count - warm_up), batches, size


def _skewed(score: float, skewness: FloatArray, count: int) -> FloatArray:
    """Willink's transform of a t quantile for a sample of the given skewness."""
    beta = skewness / (6 * np.sqrt(count))
    plain = np.abs(beta) < 1e-6
    beta = np.where(plain, 1.0, beta)
    return np.where(plain, score, (np.cbrt(1 + 6 * beta * (score - beta)) - 1) / (2 * beta))


def _adjusted_limits(mean: FloatArray, batches: FloatArray, level: float) -> tuple[Limits, FloatArray]:
    """Skart's limits around `mean` from batch means, and the batch means' lag-one autocorrelation."""
    count = batches.shape[1]
    centred = batches - batches.mean(axis=1, keepdims=True)
    scatter = np.square(centred).sum(axis=1)
    varied = scatter > 1e-24 * np.square(batches).sum(axis=1)
    safe = np.where(varied, scatter, 1.0)
    correlation = np.where(varied, (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / safe, 0.0)
    third = count / ((count - 1) * (count - 2)) * (centred**3).sum(axis=1)
    skewness = np.where(varied, third / (safe / (count - 1)) ** 1.5, 0.0)
    positive = np.maximum(correlation, 0.0)  # negative estimates would narrow the interval on noise
    inflation = (1 + positive) / (1 - positive)
    error = np.where(varied, np.sqrt(inflation * safe / (count - 1) / count), 0.0)
    quantile = float(t_quantile((1 + level) / 2, count - 1))
    low = mean - _skewed(quantile, skewness, count) * error
    high = mean - _skewed(-quantile, skewness, count) * error
    return (mean, low, high), correlation


def steady_state_limits(means: FloatArray, level: float = 0.95) -> Limits:
    """Steady-state interval of each row of base batch means; see `steady_state`.

    Args:
        means: Base batch means of many runs, shape (runs, batches), batches >= 64.
        level: Confidence level.

    Returns:
        Mean, lower and upper limit, each of shape (runs,).
    """
    warm_up, _ = randomness_warm_up(means)
    mean, batches, _ = _rebatch(means, warm_up)
    limits, _ = _adjusted_limits(mean, batches, level)
    return limits


def steady_state_of_sums(sums: ArrayLike, batch_size: float, level: float = 0.95) -> SteadyState:
    """Steady-state mean from the sums over successive equal batches of a run, as an engine collects them.

    Args:
        sums: Sum over each batch (or integral over each window of time), in order, shape (batches,); at least 64,
            some hundreds or thousands are better. An incomplete last batch must be left out.
        batch_size: Observations in each batch, or length of each window.
        level: Confidence level.

    Returns:
        Interval, warm-up and batch size; half-width 0 for a constant run.

    Raises:
        BadInput: Fewer than 64 batches, non-finite sums, or a bad batch size or level.
    """
    check_fraction(level, "level")
    size = check_positive(batch_size, "batch_size")
    means = sample(sums, name="sums", minimum=_FEWEST)[None, :] / size
    warm_up, passed = randomness_warm_up(means)
    mean, batches, per_batch = _rebatch(means, warm_up)
    limits, correlation = _adjusted_limits(mean, batches, level)
    estimate, low, high = (float(limit[0]) for limit in limits)
    return SteadyState(
        interval=Interval(estimate, low, high, level, BATCHES, "batch means"),
        warm_up=float(warm_up[0]) * size,
        batch_size=float(per_batch[0]) * size,
        autocorrelation=float(correlation[0]),
        sufficient=bool(passed[0] and warm_up[0] * _FEWEST_LASTING <= means.shape[1]),
    )


def steady_state(series: ArrayLike, level: float = 0.95) -> SteadyState:
    """Steady-state mean of one run, from its observations in order.

    A run should span some 200 times its memory (the sum of its autocorrelations over all lags; about
    4 / (1 - load)^2 customers in M/M/1); `sufficient` warns of much less.

    Args:
        series: Observations, shape (n,), n >= 64.
        level: Confidence level.

    Returns:
        Interval, warm-up and batch size, in observations; half-width 0 for a constant run.

    Raises:
        BadInput: Fewer than 64 observations, non-finite ones, or a bad level.
    """
    values = sample(series, name="series")
    if values.size < _FEWEST:
        message = f"{values.size} observations, but a steady-state mean needs at least {_FEWEST}"
        raise BadInput(Problem(message=message, field="series", hint="run longer, or use several seeds"))
    size = max(1, values.size // _FINEST)
    whole = values[values.size % size :]  # the odd ones go where the warm-up is
    return steady_state_of_sums(whole.reshape(-1, size).sum(axis=1), size, level)
