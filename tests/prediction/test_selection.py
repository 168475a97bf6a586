"""Selection against brute force, and its probabilities against what truly happens on planted data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.domains.prediction.selection import Limit, best, joint_scores, probabilities, thresholds


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


def test_scores_without_a_common_cell_are_dealt():
    scores = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 5.0], [np.nan, 6.0], [np.nan, 7.0]])
    joint = joint_scores(scores)
    assert joint.shape == (2, 2)
    assert set(joint[:, 0]) == {1.0, 2.0}
    whole = np.array([[1.0, 2.0], [np.nan, 3.0]])
    assert joint_scores(whole).tolist() == [[1.0, 2.0]]
