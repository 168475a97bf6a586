"""Medians and correlation neighbourhoods against loops written from their definitions."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.ipcc import IPCC
from qoslab.domains.prediction.methods.item_median import ItemMedian
from qoslab.domains.prediction.methods.uipcc import UIPCC
from qoslab.domains.prediction.methods.upcc import UPCC, neighbours, pearson
from qoslab.domains.prediction.methods.user_median import UserMedian

NAN = float("nan")
SEED = np.random.SeedSequence(0)


def random_table(rows=7, columns=15, share=0.7, seed=0):
    rng = np.random.default_rng(seed)
    table = np.exp(rng.standard_normal((rows, columns)))
    table[rng.random(table.shape) > share] = NAN
    return table


def test_medians_by_hand():
    known = Known(("q",), np.array([[[1.0, NAN, NAN], [3.0, 5.0, NAN], [8.0, 7.0, NAN]]]))
    assert ItemMedian().predict(known, SEED, Context())[0, 0].tolist() == [3, 6, 5]
    assert UserMedian().predict(known, SEED, Context())[0, :, 2].tolist() == [1, 4, 7.5]


def test_pearson_is_numpys_on_common_cells():
    table = random_table()
    table[3] = 5.0
    table[4, :] = NAN
    table[4, 0] = 2.0
    found = pearson(table)
    for i, a in enumerate(table):
        for j, b in enumerate(table):
            both = np.isfinite(a) & np.isfinite(b)
            varies = both.sum() > 1 and np.ptp(a[both]) > 0 and np.ptp(b[both]) > 0
            expected = np.corrcoef(a[both], b[both])[0, 1] if varies and i != j else 0.0
            assert found[i, j] == pytest.approx(expected, abs=1e-9)


def test_neighbourhood_is_the_loop_over_the_nearest():
    table = random_table(seed=1)
    found, similarity = neighbours(table, 3), pearson(table)
    means = np.nanmean(table, axis=1)
    for u in range(table.shape[0]):
        for s in range(table.shape[1]):
            know = [v for v in range(table.shape[0]) if np.isfinite(table[v, s]) and similarity[u, v] > 0]
            asked = sorted(know, key=lambda v: -similarity[u, v])[:3]
            if not asked:
                assert np.isnan(found[u, s])
                continue
            weight = sum(similarity[u, v] for v in asked)
            above = sum(similarity[u, v] * (table[v, s] - means[v]) for v in asked)
            assert found[u, s] == pytest.approx(means[u] + above / weight)


def test_services_are_users_of_the_turned_table():
    table = random_table(seed=2)
    turned = UPCC(4).predict(Known(("q",), table.T[None].copy()), SEED, Context())
    straight = IPCC(4).predict(Known(("q",), table[None]), SEED, Context())
    np.testing.assert_array_equal(straight[0], turned[0].T)


def test_a_mixture_with_all_the_share_is_one_side():
    known = Known(("q",), random_table(seed=3)[None])
    users, services = UPCC(4).predict(known, SEED, Context()), IPCC(4).predict(known, SEED, Context())
    both = UIPCC(share=0.25, users=4, services=4).predict(known, SEED, Context())
    np.testing.assert_allclose(both, 0.25 * users + 0.75 * services)


def test_users_that_differ_by_a_constant_predict_each_other_exactly():
    rng = np.random.default_rng(4)
    truth = 20 + rng.standard_normal(40) + np.arange(5.0)[:, None]
    table = truth.copy()
    table[:, :8] = NAN
    table[0, :8] = truth[0, :8]
    table[0, 8:] = truth[0, 8:]
    found = neighbours(table, 1)
    # A mean over other columns than the neighbour's shifts the level of all predictions alike, their pattern not.
    asked = found[1:, :8][np.isfinite(found[1:, :8])]
    assert asked.size
    rows = np.flatnonzero(np.isfinite(found[1:, 0])) + 1
    for row in rows:
        gap = found[row, :8] - truth[row, :8]
        np.testing.assert_allclose(gap, gap[0], atol=1e-9)
