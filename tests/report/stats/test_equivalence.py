from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.report.stats.equivalence import equivalent_mean, equivalent_ratio


def draws(n: int, gap: float, seed: int = 1, noise: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    shared = generator.normal(10, 1, n)
    return shared + gap + generator.normal(0, noise, n), shared


def test_two_one_sided_tests_are_scipys() -> None:
    from scipy import stats

    method, baseline = draws(12, 0.1)
    found = equivalent_mean(method, baseline, 0.3)
    above = stats.ttest_1samp(method - baseline, -0.3, alternative="greater").pvalue
    below = stats.ttest_1samp(method - baseline, 0.3, alternative="less").pvalue
    assert found.p_value == pytest.approx(max(above, below))
    assert found.interval.level == pytest.approx(0.9)


def test_the_four_answers() -> None:
    same, shifted = draws(40, 0.0), draws(40, 1.0)
    assert equivalent_mean(*same, 0.5).outcome == "equivalent"
    assert equivalent_mean(*draws(4, 0.0, noise=1.0), 0.1).outcome == "not shown"
    different = equivalent_mean(*shifted, 0.5)
    assert (different.outcome, different.beyond_margin) == ("different", True)
    unsure = equivalent_mean(*shifted, 1.0)
    assert (unsure.outcome, unsure.beyond_margin) == ("different", False)


def test_a_trifling_difference_is_equivalent_even_where_it_is_shown() -> None:
    method, baseline = draws(200, 0.05, noise=0.1)
    assert equivalent_mean(method, baseline, 0.001).outcome == "different"
    assert equivalent_mean(method, baseline, 0.5).outcome == "equivalent"


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 15), st.floats(-0.5, 0.5), st.floats(0.01, 1))
def test_equivalence_is_the_interval_within_the_margin(seed: int, n: int, gap: float, margin: float) -> None:
    method, baseline = draws(n, gap, seed)
    for found in (
        equivalent_mean(method, baseline, margin),
        equivalent_ratio(method, baseline, margin / 10),
    ):
        within = found.low < found.interval.low and found.interval.high < found.high
        assert (found.outcome == "equivalent") == within


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 15), st.floats(-0.5, 0.5), st.floats(0.01, 1))
def test_swapping_methods_changes_nothing(seed: int, n: int, gap: float, margin: float) -> None:
    method, baseline = draws(n, gap, seed)
    for equivalent in (equivalent_mean, equivalent_ratio):
        there, back = equivalent(method, baseline, margin), equivalent(baseline, method, margin)
        assert there.outcome == back.outcome
        assert there.p_value == pytest.approx(back.p_value, rel=1e-6, abs=1e-12)
        assert there.beyond_margin == back.beyond_margin


def test_a_mean_that_may_be_zero_is_never_a_near_ratio() -> None:
    noise = np.random.default_rng(1).normal(size=10)
    assert equivalent_ratio(noise, noise + 0.001, 0.05).outcome != "equivalent"


def test_a_wider_margin_is_easier() -> None:
    method, baseline = draws(8, 0.1)
    p_values = [equivalent_ratio(method, baseline, margin).p_value for margin in (0.01, 0.02, 0.05, 0.2)]
    assert p_values == sorted(p_values, reverse=True)


@pytest.mark.parametrize("repeats", [2000, pytest.param(10_000, marks=pytest.mark.full)])
def test_methods_that_differ_by_the_margin_are_rarely_called_equivalent(repeats: int) -> None:
    """True error 5 % at the margin; five standard errors leave an error probability below 1e-6."""
    generator = np.random.default_rng(5)
    wrong = 0
    for _ in range(repeats):
        baseline = generator.normal(10, 0.3, 12)
        method = 1.05 * baseline + generator.normal(0, 0.1, 12)
        wrong += equivalent_ratio(method, baseline, 0.05).outcome == "equivalent"
    assert wrong / repeats <= 0.05 + 5 * np.sqrt(0.05 * 0.95 / repeats)
    assert wrong / repeats >= 0.05 - 5 * np.sqrt(0.05 * 0.95 / repeats)


def test_deterministic_and_single_values() -> None:
    assert equivalent_mean([3.0] * 4, [3.0] * 4, 0.1).outcome == "equivalent"
    assert equivalent_ratio([3.0] * 4, [3.1] * 4, 0.05).outcome == "equivalent"
    assert equivalent_mean([3.0], [3.0], 0.1).outcome == "not shown"


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan, np.inf])
def test_margins_must_be_positive(margin: float) -> None:
    for equivalent in (equivalent_mean, equivalent_ratio):
        with pytest.raises(BadInput, match="above 0"):
            equivalent([1.0, 2.0], [1.0, 2.0], margin)
        with pytest.raises(BadInput, match="between 0 and 1"):
            equivalent([1.0, 2.0], [1.0, 2.0], 1.0, level=0.4)
