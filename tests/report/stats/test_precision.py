from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_ndtr
from scipy.stats import ttest_1samp

from qoslab.core.errors import BadInput
from qoslab.report.stats.intervals import student
from qoslab.report.stats.precision import MINIMUM, precision, seeds_needed, seeds_to_decide


def spread_of(deviation: float, mean: float = 0.0, n: int = 40) -> np.ndarray:
    """n values of exactly this mean and standard deviation."""
    values = np.random.default_rng(1).normal(size=n)
    return mean + deviation * (values - values.mean()) / values.std(ddof=1)


# Cohen (1988), Statistical Power Analysis, and G*Power: paired t test, two-sided 5 %.
@pytest.mark.parametrize(
    ("effect", "power", "n"),
    [(0.5, 0.8, 34), (0.2, 0.8, 199), (0.8, 0.8, 15), (0.5, 0.95, 54), (0.5, 0.9, 44)],
)
def test_published_sample_sizes(effect: float, power: float, n: int) -> None:
    assert seeds_to_decide(spread_of(1.0, effect), power=power) == n


@pytest.mark.parametrize("power", [0.08, 0.2, 0.6])
def test_both_tails_count_as_decided(power: float) -> None:
    """The power that SciPy's noncentral t gives at the planned number and one seed before."""
    from scipy import stats

    def reached(n: int) -> float:
        quantile = stats.t.ppf(0.975, n - 1)
        return float(1 - np.diff(stats.nct.cdf([-quantile, quantile], n - 1, 0.1 * np.sqrt(n)))[0])

    n = seeds_to_decide(spread_of(1.0, 0.1), power=power)
    assert n is not None
    assert reached(n - 1) < power <= reached(n)


def test_the_planned_seeds_do_decide() -> None:
    """2000 studies of the planned size at power 0.8; five standard errors: error probability below 1e-6."""
    from qoslab.report.stats.signed import paired_t_values

    n = seeds_to_decide(spread_of(1.0, 0.6), power=0.8)
    assert n is not None
    studies = np.random.default_rng(2).normal(0.6, 1, (2000, n))
    decided = np.mean(paired_t_values(studies) <= 0.05)
    assert abs(decided - 0.8) < 0.03 + 5 * math.sqrt(0.16 / 2000)


def test_large_and_small_numbers_meet() -> None:
    """The normal approximation takes over beyond 2000 seeds without a step."""
    numbers = [seeds_to_decide(spread_of(1.0), effect=e) for e in np.linspace(0.08, 0.065, 31)]
    assert numbers == sorted(numbers)
    assert max(np.diff(numbers)) < 60
    assert seeds_to_decide(spread_of(1.0), effect=0.01) == pytest.approx(105_074, abs=3)


def test_a_family_a_level_and_a_power_cost_seeds() -> None:
    plain = seeds_to_decide(spread_of(1.0, 0.3))
    for dearer in ({"tests": 5}, {"level": 0.99}, {"power": 0.99}):
        assert seeds_to_decide(spread_of(1.0, 0.3), **dearer) > plain
    assert seeds_to_decide(spread_of(1.0, 0.3), tests=5) == seeds_to_decide(spread_of(1.0, 0.3), level=0.99)


def test_differences_that_no_number_of_seeds_decides() -> None:
    assert seeds_to_decide([-1.0, 1.0]) is None
    assert seeds_to_decide(spread_of(1.0), effect=1e-6) is None
    assert seeds_to_decide([2.0, 2.0, 2.0]) == 2
    assert seeds_to_decide([0.0, 0.0]) is None


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_units_and_sign_do_not_matter(seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).normal(0.5, 1, 10)
    assert seeds_to_decide(values * scale) == seeds_to_decide(values) == seeds_to_decide(-values)


@settings(deadline=None)
@given(st.floats(0.05, 2), st.floats(0.5, 0.99))
def test_seeds_needed_is_the_smallest_number(target: float, level: float) -> None:
    found = seeds_needed(spread_of(1.0), target, relative=False, level=level)
    assert found is not None
    assert student(spread_of(1.0, n=found), level).half_width <= target * (1 + 1e-9)
    if found > 2:
        assert student(spread_of(1.0, n=found - 1), level).half_width > target * (1 - 1e-9)


def test_relative_targets_scale_with_the_mean() -> None:
    near, far = spread_of(1.0, 10), spread_of(1.0, -20)
    assert seeds_needed(near, 0.05) == seeds_needed(near, 0.5, relative=False)
    assert seeds_needed(far, 0.05) == seeds_needed(far, 1.0, relative=False)


def test_targets_out_of_reach_or_met_at_once() -> None:
    assert seeds_needed([-1.0, 1.0], 0.1) is None
    assert seeds_needed(spread_of(1.0, 1.0), 1e-6) is None
    assert seeds_needed([5.0, 5.0], 0.01) == 2


def test_stopping() -> None:
    values = spread_of(1.0, 100, n=30)
    assert precision(values, 0.01).reached
    assert precision(values, 0.01).next_n == 30
    undecided = precision(values, 0.003)
    assert not undecided.reached
    assert undecided.next_n == seeds_needed(values, 0.003)
    assert precision(values, 0.001).next_n == 60
    assert precision(values, 0.5, relative=False).reached
    assert not precision(values, 0.1, relative=False).reached


def test_few_seeds_are_never_precise() -> None:
    for values in ([5.0], [5.0, 5.0, 5.0], spread_of(1e-9, 1.0, n=MINIMUM - 1)):
        found = precision(values, 0.5)
        assert not found.reached
        assert found.next_n == MINIMUM
    assert precision([5.0] * 3, 0.01, minimum=3).reached


def test_a_mean_of_zero_has_no_relative_precision() -> None:
    found = precision([-1.0, 1.0] * 10, 0.1)
    assert not found.reached
    assert found.next_n == 40


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1))
def test_it_always_goes_forward(seed: int, target: float) -> None:
    values = np.random.default_rng(seed).normal(1, 1, 25)
    found = precision(values, target)
    assert found.reached == (found.interval.relative <= target)
    assert found.next_n == 25 if found.reached else 25 < found.next_n <= 50


def test_refusals() -> None:
    for target in (0.0, -1.0, math.nan):
        with pytest.raises(BadInput, match="above 0"):
            precision([1.0, 2.0], target)
        with pytest.raises(BadInput, match="above 0"):
            seeds_needed([1.0, 2.0], target)
    with pytest.raises(BadInput, match="no spread"):
        precision([1.0, 2.0], 0.1, minimum=1)
    with pytest.raises(BadInput, match="at least 2"):
        seeds_to_decide([1.0])
    with pytest.raises(BadInput, match="between 0 and 1"):
        seeds_to_decide([1.0, 2.0], power=1.0)
    with pytest.raises(BadInput, match="above 0"):
        seeds_to_decide([1.0, 2.0], tests=0)


def _stopped(values: np.ndarray, target: float) -> int:
    """Seeds that the rule of `run --until-precision` ends with; values of two methods, shape (seeds, 2)."""
    n = 5
    while True:
        found = [precision(values[:n, method], target) for method in (0, 1)]
        wanted = min(max((one.next_n for one in found if not one.reached), default=n), 2 * n, len(values))
        if wanted <= n:
            return n
        n = wanted


@pytest.mark.full
@pytest.mark.parametrize(("law", "target"), [("normal", 0.05), ("lognormal", 0.12), ("exponential", 0.2)])
def test_added_seeds_hardly_touch_the_paired_test(law: str, target: float) -> None:
    """Equal methods on common seeds are called different about as often as stated; a true 5 % passes with 1 - 6e-5."""
    rng = np.random.default_rng(1)
    runs, wrong = 2000, 0
    for _ in range(runs):
        common, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, 2))
        normal = np.sqrt(0.5) * (common + own)
        values = {
            "normal": lambda z: 10 + 2 * z,
            "lognormal": lambda z: np.exp(0.5 * z),
            "exponential": lambda z: -log_ndtr(-z),
        }[law](normal)
        n = _stopped(values, target)
        difference = values[:n, 0] - values[:n, 1]
        wrong += abs(ttest_1samp(difference, 0.0).pvalue) < 0.05
    assert 0.05 - 4 * np.sqrt(0.05 * 0.95 / runs) < wrong / runs < 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)
