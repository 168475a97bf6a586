from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qoslab.core.errors import BadInput
from qoslab.report.stats.intervals import (
    Interval,
    bootstrap,
    bootstrap_limits,
    clopper_pearson,
    student,
    student_limits,
    wilson,
)

numbers = st.floats(-1e6, 1e6)
samples = arrays(np.float64, st.integers(2, 30), elements=numbers)
big = arrays(np.float64, st.integers(50, 70), elements=st.integers(-1000, 1000).map(float))


# Gosset's (1908) sleep data: extra hours of sleep, ten patients, drug 2 minus drug 1; mean 1.58, t = 4.06.
SLEEP = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]


def test_student_on_gossets_sleep_data() -> None:
    found = student(SLEEP)
    assert found.estimate == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-6)
    assert found.n == 10
    assert found.kind == "student"


@settings(deadline=None)
@given(samples, st.floats(0.5, 0.999))
def test_student_is_scipys(values: np.ndarray, level: float) -> None:
    from scipy import stats

    if np.ptp(values) < 1e-6:
        return
    found = student(values, level)
    low, high = stats.t.interval(level, values.size - 1, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9 * (high - low))


@settings(deadline=None)
@given(samples, st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_student_moves_with_shift_and_scale(values: np.ndarray, shift: float, scale: float) -> None:
    before, after = student(values), student(values * scale + shift)
    size = scale * np.abs(values).max() + abs(shift) + 1
    assert after.estimate == pytest.approx(before.estimate * scale + shift, abs=1e-9 * size)
    assert after.half_width == pytest.approx(before.half_width * scale, abs=1e-7 * size)


@settings(deadline=None)
@given(samples, st.randoms(use_true_random=False))
def test_student_does_not_mind_order(values: np.ndarray, random: object) -> None:
    mixed = np.random.default_rng(0).permutation(values)
    size = np.abs(values).max() + 1
    assert student(mixed).low == pytest.approx(student(values).low, abs=1e-9 * size)


@settings(deadline=None)
@given(samples)
def test_a_higher_level_is_wider(values: np.ndarray) -> None:
    assert student(values, 0.99).half_width >= student(values, 0.9).half_width


def test_one_value_bounds_nothing() -> None:
    found = student([3.0])
    assert found == Interval(3.0, -math.inf, math.inf, 0.95, 1, "student")
    assert found.half_width == math.inf
    assert found.relative == math.inf


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e300])
def test_equal_values_leave_no_width(value: float) -> None:
    found = student([value] * 7)
    assert found.half_width == 0
    assert found.relative == 0
    assert found.estimate == pytest.approx(value)
    assert bootstrap([value] * 60).half_width == 0


def test_relative_of_a_zero_estimate() -> None:
    assert student([-1.0, 1.0]).relative == math.inf


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "at least 1"),
        ([1.0, math.nan, math.inf], "2 of 3 values are not finite"),
        ([[1.0, 2.0]], "shape"),
        (["a"], "not numbers"),
    ],
)
def test_unusable_values(values: list, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        student(values)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.1, math.nan])
def test_unusable_level(level: float) -> None:
    for interval in (student, bootstrap):
        with pytest.raises(BadInput, match="between 0 and 1"):
            interval(list(range(60)), level)
    with pytest.raises(BadInput, match="between 0 and 1"):
        wilson(1, 2, level)
    with pytest.raises(BadInput, match="between 0 and 1"):
        clopper_pearson(1, 2, level)


# The bootstrap


def test_bootstrap_by_its_definition() -> None:
    """Resample by resample, with the same random indices, in plain Python."""
    values = np.random.default_rng(1).exponential(size=50)
    index = np.random.default_rng(5).integers(0, 50, (199, 50))
    error = values.std(ddof=1) / math.sqrt(50)
    scores = sorted(
        (values[i].mean() - values.mean()) / (values[i].std(ddof=1) / math.sqrt(50)) for i in index
    )
    found = bootstrap(values, resamples=199, seed=5)
    assert found.low == pytest.approx(values.mean() - scores[194] * error, rel=1e-10)
    assert found.high == pytest.approx(values.mean() - scores[4] * error, rel=1e-10)


@settings(deadline=None)
@given(big, st.integers(-50, 50), st.sampled_from([0.5, 2.0, 8.0]))
def test_bootstrap_moves_with_shift_and_scale(values: np.ndarray, shift: int, scale: float) -> None:
    before, after = bootstrap(values, resamples=99), bootstrap(values * scale + shift, resamples=99)
    if not (math.isfinite(before.low) and math.isfinite(before.high)):
        assert (after.low == before.low) or (after.high == before.high)
        return
    assert after.low == pytest.approx(before.low * scale + shift, rel=1e-6, abs=1e-6 * scale)
    assert after.high == pytest.approx(before.high * scale + shift, rel=1e-6, abs=1e-6 * scale)


def test_bootstrap_is_repeatable_and_depends_on_its_seed() -> None:
    values = np.random.default_rng(2).normal(size=80)
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values).low != bootstrap(values, seed=1).low


def test_bootstrap_in_blocks_is_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(2).normal(size=80)
    whole = bootstrap(values)
    monkeypatch.setattr("qoslab.report.stats.intervals._BLOCK", 1000)
    assert bootstrap(values).low == pytest.approx(whole.low, rel=1e-12)


def test_bootstrap_leans_to_the_long_tail() -> None:
    values = np.random.default_rng(3).lognormal(0, 1, 100)
    found = bootstrap(values)
    assert found.high - found.estimate > 1.2 * (found.estimate - found.low)


def test_a_single_deviant_bounds_one_side_only() -> None:
    """A third of the resamples of 49 zeros and a one hold no one: they have no spread."""
    found = bootstrap([0.0] * 49 + [1.0])
    assert found.high == math.inf
    assert math.isfinite(found.low)


def test_too_few_values_for_the_bootstrap() -> None:
    with pytest.raises(BadInput, match="at least 50"):
        bootstrap(np.arange(49.0))


def test_too_few_resamples_for_the_level() -> None:
    with pytest.raises(BadInput, match="too few"):
        bootstrap(np.arange(60.0), 0.99, resamples=99)


def test_rows_are_single_samples() -> None:
    rows = np.random.default_rng(4).normal(size=(6, 50))
    low, high = student_limits(rows)[1:]
    boot_low, boot_high = bootstrap_limits(rows)[1:]
    for i, row in enumerate(rows):
        assert (student(row).low, student(row).high) == (low[i], high[i])
        assert (bootstrap(row).low, bootstrap(row).high) == pytest.approx((boot_low[i], boot_high[i]))


# Probabilities


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (5, 10), (10, 10), (81, 263), (0, 1)])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_probabilities_are_scipys(successes: int, trials: int, level: float) -> None:
    from scipy.stats import binomtest

    result = binomtest(successes, trials)
    for interval, method in ((wilson, "wilson"), (clopper_pearson, "exact")):
        found = interval(successes, trials, level)
        wanted = result.proportion_ci(level, method=method)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_newcombes_example() -> None:
    """Newcombe (1998), Statistics in Medicine 17, Table I: 81 of 263."""
    found = wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    exact = clopper_pearson(81, 263)
    assert (round(exact.low, 4), round(exact.high, 4)) == (0.2527, 0.3676)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_failures_mirror_successes(successes: int, failures: int) -> None:
    trials = successes + failures
    for interval in (wilson, clopper_pearson):
        found, mirrored = interval(successes, trials), interval(failures, trials)
        assert 0 <= found.low <= found.high <= 1
        assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_the_exact_interval_never_undercovers() -> None:
    """By summing the binomial, not by sampling it."""
    from scipy.stats import binom

    limits = [clopper_pearson(k, 20) for k in range(21)]
    for chance in np.linspace(0.01, 0.99, 99):
        coverage = sum(binom.pmf(k, 20, chance) for k, found in enumerate(limits) if found.contains(chance))
        assert coverage >= 0.95


@pytest.mark.parametrize("successes", [-1, 4])
def test_impossible_counts(successes: int) -> None:
    for interval in (wilson, clopper_pearson):
        with pytest.raises(BadInput, match="not possible"):
            interval(successes, 3)


def test_no_trials() -> None:
    for interval in (wilson, clopper_pearson):
        found = interval(0, 0)
        assert math.isnan(found.estimate)
        assert (found.low, found.high) == (0.0, 1.0)
