from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.report.stats.batchmeans import (
    BATCHES,
    mser,
    randomness_warm_up,
    steady_state,
    steady_state_limits,
    steady_state_of_sums,
)
from qoslab.report.stats.intervals import student


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(10, 1, n)


def autoregressive(n: int, phi: float, seed: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=n)
    for i in range(1, n):
        values[i] += phi * values[i - 1]
    return values


def test_mser_by_its_definition() -> None:
    values = np.concatenate([np.linspace(9, 1, 20), noise(200) - 9])
    scores = [np.square(values[d:] - values[d:].mean()).sum() / (220 - d) ** 2 for d in range(111)]
    assert mser(values) == int(np.argmin(scores))


def test_mser_removes_a_start_far_away() -> None:
    assert 20 <= mser(np.concatenate([np.full(20, 100.0), noise(400)])) <= 25


def test_mser_finds_no_steady_state_in_a_ramp() -> None:
    assert mser(np.arange(100.0)) == 50


def test_warm_up_covers_a_slow_start() -> None:
    """A decay over some 300 observations, 50 deviations high."""
    values = noise(8192) + 50 * np.exp(-np.arange(8192) / 60)
    found = steady_state(values)
    assert found.warm_up >= 128
    assert found.interval.contains(10)
    assert found.sufficient


def test_white_noise_needs_next_to_no_warm_up() -> None:
    assert steady_state(noise(4096)).warm_up <= 4


def test_longer_memory_means_longer_warm_up() -> None:
    short, long = (steady_state(autoregressive(16_384, phi)).warm_up for phi in (0.3, 0.98))
    assert short < long


def test_a_random_walk_is_no_steady_state() -> None:
    assert not steady_state(np.cumsum(noise(4096) - 10)).sufficient


def test_the_interval_is_students_on_batches_where_nothing_is_to_adjust() -> None:
    """Batches symmetric around the mean and negatively correlated: no skew, no inflation."""
    batches = np.tile([1.0, -1.0], BATCHES // 2)
    values = np.concatenate([np.zeros(4), np.repeat(batches, 4)])
    found = steady_state_of_sums(values, 1.0)
    warm_up, _ = randomness_warm_up(values[None, :])
    assert warm_up[0] == 2
    assert found.batch_size == 4
    assert found.autocorrelation < 0
    wanted = student(batches)
    assert (found.interval.low, found.interval.high) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_skarts_adjustments_by_their_formulas(seed: int, level: float) -> None:
    """Skewed and correlated runs, batch by batch, with SciPy's skewness and quantile."""
    from scipy import stats

    values = np.exp(0.3 * autoregressive(640, 0.97, seed))
    found = steady_state(values, level)
    size, start = int(found.batch_size), int(found.warm_up)
    batches = values[640 - BATCHES * size :].reshape(BATCHES, size).mean(axis=1)
    centred = batches - batches.mean()
    phi = np.sum(centred[1:] * centred[:-1]) / np.sum(centred**2)
    assert found.autocorrelation == pytest.approx(phi)
    beta = stats.skew(batches, bias=False) / (6 * np.sqrt(BATCHES))
    error = np.sqrt((1 + max(phi, 0)) / (1 - max(phi, 0)) * batches.var(ddof=1) / BATCHES)
    quantile = stats.t.ppf((1 + level) / 2, BATCHES - 1)
    mean = values[start:].mean()
    for limit, score in ((found.interval.low, quantile), (found.interval.high, -quantile)):
        shape = (np.cbrt(1 + 6 * beta * (score - beta)) - 1) / (2 * beta)
        assert limit == pytest.approx(mean - shape * error)


def test_it_is_wider_than_pretending_independence() -> None:
    values = autoregressive(20_000, 0.95)
    assert steady_state(values).interval.half_width > 3 * student(values).half_width


def test_sums_of_an_engine_are_the_series() -> None:
    values = autoregressive(4096 * 8, 0.9)
    sums = values.reshape(-1, 8).sum(axis=1)
    assert steady_state_of_sums(sums, 8) == steady_state(values)


def test_windows_of_time_scale_the_warm_up() -> None:
    values = autoregressive(2048, 0.5)
    counted, timed = steady_state_of_sums(values, 1.0), steady_state_of_sums(values * 0.25, 0.25)
    assert timed.interval.low == pytest.approx(counted.interval.low)
    assert timed.warm_up == counted.warm_up / 4


def test_rows_are_single_runs() -> None:
    rows = np.array([autoregressive(1024, 0.8, seed) for seed in range(5)])
    low, high = steady_state_limits(rows)[1:]
    for i, row in enumerate(rows):
        interval = steady_state(row).interval
        assert (interval.low, interval.high) == pytest.approx((low[i], high[i]))


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(-100, 100), st.floats(0.1, 10))
def test_shift_and_scale(seed: int, shift: float, scale: float) -> None:
    values = autoregressive(300, 0.6, seed)
    before, after = steady_state(values), steady_state(values * scale + shift)
    assert after.warm_up == before.warm_up
    assert after.interval.low == pytest.approx(before.interval.low * scale + shift, abs=1e-6)
    assert after.interval.high == pytest.approx(before.interval.high * scale + shift, abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_mirrored_runs_have_mirrored_intervals(seed: int) -> None:
    values = np.random.default_rng(seed).exponential(size=200)
    found, mirrored = steady_state(values).interval, steady_state(-values).interval
    assert found.low == pytest.approx(-mirrored.high)
    assert found.high == pytest.approx(-mirrored.low)


def test_skewness_moves_the_interval_to_the_long_tail() -> None:
    batches = np.repeat(np.random.default_rng(2).lognormal(0, 1, 64), 16)
    found = steady_state(batches).interval
    assert found.high - found.estimate > found.estimate - found.low


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
@pytest.mark.parametrize("n", [64, 100, 5000])
def test_a_constant_run(value: float, n: int) -> None:
    found = steady_state(np.full(n, value))
    assert found.interval.half_width == 0
    assert found.interval.estimate == pytest.approx(value)
    assert found.sufficient


@pytest.mark.parametrize("n", [64, 65, 127, 1000, 4097, 9999])
def test_any_length_leaves_twenty_batches(n: int) -> None:
    found = steady_state(noise(n))
    assert found.interval.n == BATCHES
    assert found.warm_up + BATCHES * found.batch_size <= n


def test_refusals() -> None:
    with pytest.raises(BadInput, match="63 observations"):
        steady_state(noise(63))
    with pytest.raises(BadInput, match="at least 64"):
        steady_state_of_sums(noise(63), 5)
    with pytest.raises(BadInput, match="above 0"):
        steady_state_of_sums(noise(64), 0)
    with pytest.raises(BadInput, match="not finite"):
        steady_state(np.append(noise(100), np.nan))
    with pytest.raises(BadInput, match="between 0 and 1"):
        steady_state(noise(100), 95)
    with pytest.raises(BadInput, match="at least 4"):
        mser([1.0])
