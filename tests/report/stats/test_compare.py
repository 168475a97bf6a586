from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qoslab.core.errors import BadInput
from qoslab.report.stats.compare import compare, compare_all, holm
from qoslab.report.stats.pairs import pair
from qoslab.report.stats.ratio import ratio_of_means
from qoslab.report.stats.signed import average_ranks, paired_t, sign_flip, wilcoxon

# Darwin's maize (1876), self- minus cross-fertilised heights in eighths of an inch: the example of Fisher (1935).
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
whole = st.integers(-20, 20).map(float)
few = arrays(np.float64, st.integers(1, 9), elements=whole)
chances = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def draws(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    shared = generator.normal(10, 1, n)
    return shared + generator.normal(-0.5, 0.3, n), shared + generator.normal(0, 0.3, n)


# Tests against zero


def test_fishers_permutation_test_of_darwins_maize() -> None:
    """Fisher (1935), The Design of Experiments, section 21: 1726 of 32768 sign patterns are as extreme."""
    assert sign_flip(DARWIN) == pytest.approx(1726 / 32768)


def test_students_test_of_darwins_maize() -> None:
    """Fisher gives t = 2.148 and a chance of 4.97 % with 14 degrees of freedom."""
    assert paired_t(DARWIN) == pytest.approx(0.0497, abs=5e-5)


@settings(deadline=None)
@given(few)
def test_sign_flips_by_brute_force(differences: np.ndarray) -> None:
    observed = abs(differences.sum())
    patterns = list(itertools.product([-1, 1], repeat=differences.size))
    extreme = sum(abs(np.dot(signs, differences)) >= observed - 1e-9 for signs in patterns)
    assert sign_flip(differences) == pytest.approx(extreme / len(patterns))


@settings(deadline=None)
@given(few)
def test_wilcoxon_by_brute_force(differences: np.ndarray) -> None:
    moved = differences[differences != 0]
    if moved.size == 0:
        assert wilcoxon(differences) == 1.0
        return
    ranks = average_ranks(np.abs(moved))
    middle = ranks.sum() / 2
    observed = abs(ranks[moved > 0].sum() - middle)
    patterns = np.array(list(itertools.product([0, 1], repeat=moved.size)))
    share = np.mean(np.abs(patterns @ ranks - middle) >= observed - 1e-9)
    assert wilcoxon(differences) == pytest.approx(min(1.0, share))


@pytest.mark.parametrize("n", [6, 25, 50, 99])
def test_wilcoxon_is_scipys_exact_test(n: int) -> None:
    from scipy import stats

    differences = np.random.default_rng(n).normal(0.2, 1, n)
    assert wilcoxon(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@pytest.mark.parametrize("decimals", [1, 8])
def test_wilcoxon_is_scipys_approximation_for_many(decimals: int) -> None:
    from scipy import stats

    differences = np.round(np.random.default_rng(7).normal(0.1, 1, 300), decimals)
    wanted = stats.wilcoxon(differences, method="approx", zero_method="wilcox").pvalue
    assert wilcoxon(differences) == pytest.approx(wanted, rel=1e-9)


def test_random_flips_are_near_the_exact_test() -> None:
    """9999 flips; error probability 1e-6 at five standard errors."""
    differences = np.random.default_rng(8).normal(0.4, 1, 30)
    wanted = paired_t(differences)
    assert abs(sign_flip(differences) - wanted) < 5 * math.sqrt(wanted / 9999) + 0.01


@settings(deadline=None)
@given(arrays(np.float64, st.integers(3, 12), elements=st.floats(-100, 100)))
def test_paired_t_is_scipys(differences: np.ndarray) -> None:
    from scipy import stats

    if np.ptp(differences) > 1e-3:
        wanted = stats.ttest_1samp(differences, 0).pvalue
        assert paired_t(differences) == pytest.approx(wanted, rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 40), elements=whole))
def test_average_ranks_are_scipys(values: np.ndarray) -> None:
    from scipy.stats import rankdata

    assert average_ranks(values).tolist() == rankdata(values).tolist()


def test_exact_tests_never_err_more_than_they_say() -> None:
    """Over all sign patterns of the same sizes, P(p <= alpha) <= alpha, ties included."""
    sizes = np.array([1.0, 2, 2, 3, 5, 5, 5, 8])
    for test in (sign_flip, wilcoxon):
        p_values = np.array([test(sizes * signs) for signs in itertools.product([-1, 1], repeat=8)])
        for error in (0.01, 0.05, 0.1, 0.5):
            assert np.mean(p_values <= error) <= error


# Holm


def test_holms_correction_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@settings(deadline=None)
@given(chances)
def test_holm_is_monotone_and_between_none_and_bonferroni(raw: list[float]) -> None:
    adjusted = holm(raw)
    for p_value, corrected in zip(raw, adjusted, strict=True):
        assert p_value <= corrected <= min(1.0, p_value * len(raw)) + 1e-12
    order = np.argsort(raw, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)


@settings(deadline=None)
@given(chances, st.floats(0.001, 0.5))
def test_holm_is_the_step_down_procedure(raw: list[float], error: float) -> None:
    rejected = set()
    for step, i in enumerate(np.argsort(raw, kind="stable")):
        if raw[i] * (len(raw) - step) > error:
            break
        rejected.add(int(i))
    assert {i for i, p_value in enumerate(holm(raw)) if p_value <= error} == rejected


@settings(deadline=None)
@given(chances, st.integers(0, 99))
def test_holm_does_not_mind_order(raw: list[float], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(raw))
    assert holm(np.array(raw)[order]) == pytest.approx(np.array(holm(raw))[order])


@pytest.mark.parametrize("raw", [[1.1], [-0.1], [math.nan]])
def test_holm_refuses_what_is_no_p_value(raw: list[float]) -> None:
    with pytest.raises(BadInput):
        holm(raw)


# Ratio


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10_000), st.integers(2, 20), st.floats(-2, 2))
def test_ratio_and_difference_never_disagree(seed: int, n: int, gap: float) -> None:
    generator = np.random.default_rng(seed)
    method, baseline = generator.normal(10 + gap, 1, n), generator.normal(10, 1, n)
    found = compare(method, baseline)
    if math.isfinite(found.ratio.high):
        assert found.ratio.contains(1.0) == found.difference.contains(0.0)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 20))
def test_swapping_inverts_the_ratio(seed: int, n: int) -> None:
    method, baseline = draws(n, seed)
    there, back = ratio_of_means(method, baseline), ratio_of_means(baseline, method)
    assert there.low == pytest.approx(1 / back.high)
    assert there.high == pytest.approx(1 / back.low)
    assert there.low <= there.estimate <= there.high


def test_fieller_by_inverting_the_t_test() -> None:
    from scipy import stats

    method, baseline = draws(8)
    found = ratio_of_means(method, baseline)
    for limit in (found.low, found.high):
        assert stats.ttest_1samp(method - limit * baseline, 0).pvalue == pytest.approx(0.05)


def test_fieller_keeps_small_differences_of_large_values() -> None:
    method, baseline = draws(8)
    found = ratio_of_means(method + 1e8, baseline + 1e8)
    half = compare(method, baseline).difference.half_width / 1e8
    assert found.half_width == pytest.approx(half, rel=1e-3)


def test_a_baseline_that_may_be_zero_bounds_no_ratio() -> None:
    found = ratio_of_means([1.0, 2.0, 3.0], [-1.0, 0.1, 1.0])
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isnan(ratio_of_means([1.0, 2.0], [0.0, 0.0]).estimate)


def test_one_pair_bounds_no_ratio() -> None:
    found = ratio_of_means([1.0], [2.0])
    assert (found.estimate, found.low, found.high) == (0.5, -math.inf, math.inf)
    assert math.isnan(ratio_of_means([1.0], [0.0]).estimate)


# Pairs


def test_only_common_seeds_are_compared() -> None:
    found = compare({1: 1.0, 2: 2.0, 3: 3.0, 9: 99.0}, {3: 4.0, 2: 4.0, 1: 1.5, 7: 0.0, 8: 0.0})
    assert (found.n, found.unpaired, found.failed) == (3, 3, 0)
    assert found.difference.estimate == pytest.approx(-3.5 / 3)


def test_failed_trials_are_counted() -> None:
    pairs = pair([1.0, math.nan, 3.0, math.inf], [1.0, 2.0, 3.0, 4.0])
    assert (pairs.n, pairs.failed) == (2, 2)


@pytest.mark.parametrize(
    ("method", "baseline", "words"),
    [
        ({1: 1.0}, {2: 1.0}, "no seed"),
        ([math.nan], [1.0], "no seed"),
        ([1.0, 2.0], [1.0], "2 values cannot be paired with 1"),
        ({1: 1.0}, [1.0], "without seeds"),
    ],
)
def test_what_cannot_be_paired(method: object, baseline: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compare(method, baseline)


# Comparisons


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 15), st.sampled_from(["lower", "higher"]))
def test_swapping_the_methods_swaps_the_answer(seed: int, n: int, direction: str) -> None:
    method, baseline = draws(n, seed)
    there = compare(method, baseline, direction=direction)
    back = compare(baseline, method, direction=direction)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.p_wilcoxon == pytest.approx(back.p_wilcoxon)
    assert there.p_sign_flip == pytest.approx(back.p_sign_flip)
    assert there.effect_size == pytest.approx(-back.effect_size)
    assert there.superiority.estimate == pytest.approx(1 - back.superiority.estimate)
    assert (there.wins, there.losses) == (back.losses, back.wins)
    other = {"method": "baseline", "baseline": "method", None: None}
    assert there.better == other[back.better]


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-10, 10))
def test_units_do_not_matter(seed: int, scale: float, shift: float) -> None:
    method, baseline = draws(8, seed)
    before, after = compare(method, baseline), compare(method * scale + shift, baseline * scale + shift)
    assert after.p_value == pytest.approx(before.p_value, rel=1e-6)
    assert after.effect_size == pytest.approx(before.effect_size, rel=1e-6)
    assert after.difference.estimate == pytest.approx(before.difference.estimate * scale, rel=1e-6, abs=1e-9)


def test_turning_the_metric_round_turns_the_answer_round() -> None:
    method, baseline = draws(20)
    assert compare(method, baseline, direction="lower").better == "method"
    assert compare(method, baseline, direction="higher").better == "baseline"
    assert compare(-method, -baseline, direction="higher").better == "method"
    unjudged = compare(method, baseline, direction="neither")
    assert unjudged.significant
    assert unjudged.better is None


def test_ties_count_half() -> None:
    found = compare([1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 3.0])
    assert (found.wins, found.ties, found.losses) == (1, 2, 1)
    assert found.superiority.estimate == 0.5


def test_one_pair_shows_nothing() -> None:
    found = compare([1.0], [2.0])
    assert found.p_value == found.p_wilcoxon == found.p_sign_flip == 1.0
    assert found.difference.half_width == math.inf
    assert math.isnan(found.effect_size)
    assert found.better is None


def test_deterministic_methods_are_simply_compared() -> None:
    found = compare([3.0] * 3, [4.0] * 3)
    assert found.p_value == 0
    assert found.better == "method"
    assert found.effect_size == math.inf
    assert compare([3.0] * 3, [3.0] * 3).better is None


def test_one_same_step_over_moving_values_is_no_certainty() -> None:
    found = compare([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert found.p_value == 0.25
    assert found.better is None


def test_a_family_pays_for_its_size() -> None:
    generator = np.random.default_rng(3)
    values = {name: generator.normal(size=12) for name in "abcd"}
    values["worse"] = values["a"] + 1 + generator.normal(0, 0.1, 12)
    found = compare_all(values, "a")
    assert list(found) == ["b", "c", "d", "worse"]
    assert found["worse"].better == "baseline"
    assert [c.p_adjusted for c in found.values()] == pytest.approx(holm([c.p_value for c in found.values()]))
    alone = compare_all(values, "a", methods=["b"])
    assert alone["b"].p_adjusted == alone["b"].p_value


def test_unknown_names_are_all_reported() -> None:
    with pytest.raises(BadInput) as caught:
        compare_all({"jsq": [1.0], "sed": [1.0]}, "jsk", methods=["sedd"])
    assert len(caught.value.problems) == 2
    assert "did you mean 'jsq'" in str(caught.value)
