"""Selection against brute force, and its probabilities against what truly happens on planted data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.domains.prediction.selection import Limit, best, binding, joint_scores, probabilities, thresholds


def test_a_probability_by_hand():
    """Prediction 1, spread 1, scores -1, 0, 1, 2; at most e is score 1: three of four. At least 1 is score 0: three."""
    scores = np.array([[-1.0], [0.0], [1.0], [2.0]])
    logs, spread = np.zeros((1, 1)), np.ones((1, 1))
    for limit, share in (
        (Limit(0, np.e * 1.0001, at_most=True), 0.75),
        (Limit(0, 0.9999, at_most=False), 0.75),
    ):
        at = thresholds(logs, spread, [limit])
        assert probabilities(at, scores, [limit])[0] == share


def test_what_is_missed_together_counts_together():
    """Perfectly opposed scores: each limit holds half of the time, both never."""
    column = np.linspace(-1, 1, 100)
    scores = np.stack([column, -column], axis=1)
    limits = [Limit(0, 1.0, at_most=True), Limit(1, 1.0, at_most=True)]
    at = thresholds(np.zeros((2, 1)), np.ones((2, 1)), limits)
    assert [probabilities(at[i : i + 1], scores, limits[i : i + 1])[0] for i in (0, 1)] == [0.5, 0.5]
    assert probabilities(at, scores, limits)[0] == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans(), st.booleans())
def test_best_is_what_brute_force_finds(seed, count, first, second):
    rng = np.random.default_rng(seed)
    logs, spread = rng.standard_normal((2, 200)), rng.uniform(0.1, 1, (2, 200))
    scores = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 2))
    limits = [Limit(0, float(rng.uniform(0.2, 3)), first), Limit(1, float(rng.uniform(0.2, 3)), second)]
    met = np.ones((200, 60), bool)
    for limit in limits:
        p = limit.parameter
        value = np.exp(logs[p][:, None] + spread[p][:, None] * scores[:, p])
        met &= value <= limit.value if limit.at_most else value >= limit.value
    every = met.mean(axis=1)
    places, found = best(logs, spread, scores, limits, count)
    assert found == pytest.approx(np.sort(every)[::-1][:count])
    assert every[places] == pytest.approx(found)


def test_more_wanted_than_there_are():
    limits = [Limit(0, 1.0, at_most=True)]
    places, _ = best(np.zeros((1, 3)), np.ones((1, 3)), np.zeros((5, 1)), limits, 10)
    assert places.tolist() == [0, 1, 2]


def test_limits_of_zero_are_met_by_all_or_none():
    limits = [Limit(0, 0.0, at_most=False)]
    assert best(np.zeros((1, 3)), np.ones((1, 3)), np.zeros((5, 1)), limits, 1)[1] == 1.0
    limits = [Limit(0, 0.0, at_most=True)]
    assert best(np.zeros((1, 3)), np.ones((1, 3)), np.zeros((5, 1)), limits, 1)[1] == 0.0


def test_probabilities_are_calibrated_on_planted_data():
    """Misses of two parameters with correlation 0.8: of services said to meet both limits with p, a share p does.

    Ten classes of 20,000 services, largest standard error sqrt(0.25 / 500) = 0.022; treating the parameters as
    independent fails the same test.
    """
    rng = np.random.default_rng(7)
    root = np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]])
    spread = rng.uniform(0.2, 0.8, (2, 20_000))
    logs = rng.normal(0, 0.4, (2, 20_000))
    scores = rng.standard_normal((2000, 2)) @ root.T
    real = np.exp(logs + spread * (rng.standard_normal((20_000, 2)) @ root.T).T)
    limits = [Limit(0, 1.0, at_most=True), Limit(1, 1.0, at_most=True)]
    happened = (real[0] <= 1.0) & (real[1] <= 1.0)

    def worst(joint):
        said = probabilities(thresholds(logs, spread, limits), joint, limits)
        classes = np.minimum((said * 10).astype(int), 9)
        gaps = [abs(happened[classes == c].mean() - said[classes == c].mean()) for c in range(10)]
        return max(gap for gap, c in zip(gaps, range(10), strict=True) if (classes == c).sum() > 500)

    assert worst(scores) < 0.06
    independent = np.stack([scores[:, 0], rng.permutation(scores[:, 1])], axis=1)
    assert worst(independent) > 0.06


def test_scores_without_a_common_cell_are_independent():
    """4,000 drawn pairs of their own distributions; the mean product of independent signs has standard error 0.016."""
    scores = np.full((500, 2), np.nan)
    scores[:100, 0], scores[100:, 1] = np.repeat([-1.0, 1.0], 50), np.repeat([-1.0, 1.0], 200)
    joint = joint_scores(scores, [0, 1])
    assert (joint.together, joint.drawn) == (0, True)
    assert joint.scores.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)
    assert abs((joint.scores[:, 0] * joint.scores[:, 1]).mean()) < 4 * 0.016


def test_one_limit_is_judged_by_all_that_its_parameter_shows():
    """Two cells measured in both parameters do not throw the others' scores away."""
    scores = np.stack([np.linspace(-1, 1, 101), np.full(101, np.nan)], axis=1)
    scores[-2:, 1] = 0.0
    joint = joint_scores(scores, [0])
    assert (joint.together, joint.drawn) == (101, False)
    at = thresholds(np.zeros((2, 1)), np.ones((2, 1)), [Limit(0, np.exp(-0.5), at_most=True)])
    assert probabilities(at, joint.scores, [Limit(0, np.exp(-0.5), at_most=True)])[0] == 26 / 101


def test_many_common_cells_are_counted_among():
    scores = np.random.default_rng(0).standard_normal((300, 3))
    scores[:50, 2] = np.nan
    assert joint_scores(scores, [0, 2]).scores.tolist() == scores[50:].tolist()
    assert joint_scores(scores, [1, 0, 1]).together == 300


def test_few_common_cells_give_a_correlation_and_all_cells_the_distributions():
    """60 cells of correlation 0.8 and weight 60 / 80: about 0.6; 1,000 others show each parameter's own scores.

    The 60 have a correlation of 0.8 up to 0.05, the normal copula's 4,000 draws up to 0.02.
    """
    rng = np.random.default_rng(3)
    scores = np.full((1060, 2), np.nan)
    scores[:60] = rng.standard_normal((60, 2)) @ np.linalg.cholesky([[1.0, 0.8], [0.8, 1.0]]).T
    scores[60:560, 0], scores[560:, 1] = rng.standard_normal(500), rng.standard_normal(500)
    joint = joint_scores(scores, [0, 1])
    assert (joint.together, joint.drawn) == (60, True)
    assert np.corrcoef(joint.scores.T)[0, 1] == pytest.approx(0.6, abs=0.1)
    for drawn, column in zip(joint.scores.T, scores.T, strict=True):
        own = column[np.isfinite(column)]
        grid = np.linspace(-2, 2, 9)
        shares = [(drawn <= x).mean() - (own <= x).mean() for x in grid]
        assert np.abs(shares).max() <= 1 / 560


def test_few_common_cells_do_not_decide_alone():
    """Two whole rows of 402 with scores of -9 once made every limit certain; the others say one half."""
    scores = np.full((402, 2), np.nan)
    scores[:2] = -9.0
    scores[2:202, 0] = scores[202:, 1] = np.linspace(-1, 1, 200)
    limits = [Limit(0, 1.0, at_most=True), Limit(1, 1.0, at_most=True)]
    at = thresholds(np.zeros((2, 1)), np.ones((2, 1)), limits)
    assert probabilities(at, joint_scores(scores, [0, 1]).scores, limits)[0] == pytest.approx(0.25, abs=0.04)


def test_limits_of_parameters_with_an_offset():
    """Of log(v + 1): at most 0 is a threshold of 0 for a prediction of 0, and of -log 2 for one of 1."""
    at = thresholds(
        np.log([[1.0, 2.0]]), np.ones((1, 2)), [Limit(0, 0.0, at_most=True)], offset=np.array([1.0])
    )
    assert at[0] == pytest.approx([0.0, -np.log(2)], abs=2e-6)


@pytest.mark.parametrize("value", [0.0, -1e-9, -0.004, -0.01, -5.0])
def test_what_no_measurement_is_is_impossible_and_what_all_are_is_certain(value):
    """With an offset of .01 for the zeros, scores far below reach the logarithms of negative values, which none is."""
    scores = np.linspace(-9, 9, 50)[:, None]
    logs, spread, offset = np.log([[0.01, 0.02]]), np.ones((1, 2)), np.array([0.01])
    for at_most, share in ((False, 1.0), (True, 0.0)):
        if at_most and value == 0:
            continue
        limits = [Limit(0, value, at_most)]
        at = thresholds(logs, spread, limits, offset)
        assert probabilities(at, scores, limits).tolist() == [share, share]
        assert best(logs, spread, scores, limits, 2, offset)[1].tolist() == [share, share]


def test_limits_that_everything_meets_are_no_limits_beside_others():
    free, tight, none = (
        Limit(0, 0.0, at_most=False),
        Limit(1, 2.0, at_most=True),
        Limit(1, -1.0, at_most=True),
    )
    assert binding([free, tight, none]) == [tight, none]
    assert binding([free, Limit(1, -3.0, at_most=False)]) == [free]


def test_limits_below_the_zeros_of_a_scale_are_met_as_by_a_zero():
    """Values up to .1 are zeros: at most 0 is at most .1, and at least any less is what is above .1, the rest of it."""
    scores, logs, zero = np.linspace(-1, 1, 101)[:, None], np.log([[0.1, 0.2]]), np.array([0.1])

    def share(value, at_most):
        limits = [Limit(0, value, at_most)]
        shares = probabilities(thresholds(logs, np.ones((1, 2)), limits, zero=zero), scores, limits)
        assert best(logs, np.ones((1, 2)), scores, limits, 2, zero=zero)[1].tolist() == sorted(shares)[::-1]
        return shares

    for value in (0.0, 1e-9, 0.09):
        np.testing.assert_array_equal(share(value, at_most=True), share(0.1, at_most=True))
        if value > 0:
            np.testing.assert_allclose(share(value, at_most=False), 1 - share(0.1, at_most=True))
    assert share(0.0, at_most=True)[0] == 51 / 101
    assert share(0.0, at_most=False).tolist() == [1.0, 1.0]
    assert share(-1e-9, at_most=True).tolist() == [0.0, 0.0]


def test_a_limit_is_met_by_its_own_value_in_float32():
    """Every prediction and miss is that of 0.9, kept as float32, which is less than 0.9."""
    logs = np.log(np.full((1, 3), np.float32(0.9), float))
    limits = [Limit(0, 0.9, at_most=False)]
    assert best(logs, np.full((1, 3), 1e-3), np.zeros((50, 1)), limits, 1)[1] == 1.0
