"""RegionKNN's parts by hand, and groups of users that it must find."""

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.region_knn import RegionKNN, centres, merged, outlying
from qoslab.domains.prediction.methods.user_mean import UserMean

NAN = float("nan")
SEED = np.random.SeedSequence(0)
ALIKE = np.ones((4, 4))


def test_centres_by_hand():
    table = np.array([[1.0, NAN, 5.0], [3.0, NAN, NAN], [7.0, 2.0, NAN]])
    found = centres(table, np.array([0, 0, 1]))
    np.testing.assert_array_equal(found, [[2.0, NAN, 5.0], [7.0, 2.0, NAN]])


def test_a_value_is_outlying_above_three_robust_deviations():
    """Median 3 and median absolute deviation 1 put the limit at 3 + 3 * 1.4826 = 7.4478."""
    table = np.array([[1.0, 2.0, 3.0, 4.0, 7.44], [1.0, 2.0, 3.0, 4.0, 7.45]]).T
    assert outlying(table, 3.0)[-1].tolist() == [False, True]
    assert not outlying(table[:2], 3.0).any()


def test_mutually_nearest_regions_merge():
    similarity = np.array([[0, 0.9, 0.8, 0], [0.9, 0, 0.85, 0], [0.8, 0.85, 0, 0.2], [0, 0, 0.2, 0]])
    free = np.zeros(4, bool)
    assert merged(np.array([0, 1, 2, 3]), similarity, ALIKE, free, 0.5).tolist() == [0, 0, 1, 2]
    assert merged(np.array([0, 1, 2, 3]), similarity, ALIKE, free, 0.95).tolist() == [0, 1, 2, 3]
    blocked = np.array([True, False, False, False])
    assert merged(np.array([0, 1, 2, 3]), similarity, ALIKE, blocked, 0.5).tolist() == [0, 1, 1, 2]


def test_of_equally_correlated_regions_the_one_with_more_in_common_is_nearest():
    """All correlate by one; 0 shares most services with 3, which shares most with 0. So it is in any order."""
    common = np.array([[9, 2, 2, 5], [2, 9, 4, 2], [2, 4, 9, 2], [5, 2, 2, 9]], float)
    free, rng = np.zeros(4, bool), np.random.default_rng(0)
    for _ in range(5):
        order = rng.permutation(4)
        found = merged(np.arange(4), ALIKE, common[np.ix_(order, order)], free, 0.5)
        pairs = {frozenset(order[found == region].tolist()) for region in range(2)}
        assert pairs == {frozenset({0, 3}), frozenset({1, 2})}


def two_regions(seed=0):
    """Two groups of users whose services differ by an order of magnitude, with little noise."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.standard_normal((2, 60)))
    truth = np.repeat(level, 10, axis=0) * np.exp(0.05 * rng.standard_normal((20, 60)))
    return truth, np.where(rng.random(truth.shape) < 0.5, truth, NAN)


def test_groups_are_found_without_context():
    truth, table = two_regions()
    known, hidden = Known(("q",), table[None]), ~np.isfinite(table)
    errors = [
        np.abs(m.predict(known, SEED, Context())[0] - truth)[hidden].mean()
        for m in (RegionKNN(neighbours=1), ItemMean(), UserMean())
    ]
    assert errors[0] < 0.4 * min(errors[1:])


def test_context_gives_the_first_regions():
    """With no merging at all, the AS is what tells the groups apart."""
    truth, table = two_regions()
    hidden = ~np.isfinite(table)
    autonomous = {"as": np.repeat([4, 9], 10)}
    method = RegionKNN(neighbours=1, similarity=1.0)
    errors = [
        np.abs(method.predict(known, SEED, Context())[0] - truth)[hidden].mean()
        for known in (Known(("q",), table[None], autonomous, {}), Known(("q",), table[None]))
    ]
    assert errors[0] < 0.5 * errors[1]


def test_an_outlying_service_keeps_its_regions_value():
    truth, _ = two_regions()
    truth[10:, 0] = 500.0
    truth[:10, 0] = np.linspace(1.0, 1.1, 10)
    table = truth.copy()
    table[15, 0] = NAN
    table[16:, 0] = NAN
    found = RegionKNN(neighbours=1).predict(Known(("q",), table[None]), SEED, Context())[0]
    assert found[15, 0] == 500.0
