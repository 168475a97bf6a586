"""Medians and correlation neighbourhoods against loops written from their definitions."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.ipcc import IPCC
from qoslab.domains.prediction.methods.item_median import ItemMedian
from qoslab.domains.prediction.methods.uipcc import UIPCC
from qoslab.domains.prediction.methods.upcc import UPCC
from qoslab.domains.prediction.methods.user_median import UserMedian
from qoslab.domains.prediction.neighbourhood import (
    _cells,
    complete_rows,
    correlate,
    neighbours,
    pearson,
)

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


def test_a_row_without_variation_over_the_common_columns_is_nobodys_neighbour():
    """It varies elsewhere; sums of its squares leave dust, which is no correlation, for values of any size."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(3, 30))
        table = np.full((2, n + 3), NAN)
        table[0, :n], table[0, n : n + 2] = 20.0, rng.random(2)
        table[1, :n], table[1, n + 2] = rng.random(n).round(3) + 5 * rng.integers(2), 9.0
        for size in (1e-28, 1.0, 1e25):
            assert pearson(table * size)[0, 1] == 0


def test_small_variation_is_a_correlation_still():
    rng = np.random.default_rng(1)
    x = rng.standard_normal(12)
    table = np.array([1000 + 1e-3 * x, 5 + 1e-3 * (2 * x + rng.standard_normal(12))])
    assert pearson(table)[0, 1] == pytest.approx(np.corrcoef(table)[0, 1], abs=1e-6)


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


def test_a_side_without_neighbours_has_its_full_share_of_the_mixture():
    """No two users share a service and no two services two users: both sides have their means."""
    table = np.array([[[1.0, 2.0, NAN, NAN], [NAN, NAN, 3.0, 5.0]]])
    known = Known(("q",), table)
    found = UIPCC(share=0.25).predict(known, np.random.SeedSequence(0), Context())[0]
    assert found[0, 2] == pytest.approx(0.25 * 1.5 + 0.75 * 3.0)
    assert found[1, 0] == pytest.approx(0.25 * 4.0 + 0.75 * 1.0)


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


def by_columns(table, count):
    """The same column by column on the whole matrix of correlations: slow, and short enough to be read."""
    similarity, mask = np.maximum(pearson(table), 0.0), np.isfinite(table)
    mean = np.nanmean(table, axis=1)
    out = np.full(table.shape, np.nan)
    for column in range(table.shape[1]):
        know = np.flatnonzero(mask[:, column])
        weight = similarity[:, know]
        if count < len(know):
            weight = np.where(weight >= np.partition(weight, -count, axis=1)[:, -count, None], weight, 0.0)
        has = weight.sum(axis=1) > 0
        above = weight[has] @ (table[know, column] - mean[know])
        out[has, column] = mean[has] + above / weight[has].sum(axis=1)
    return out


@pytest.mark.parametrize(
    ("rows", "columns", "share", "count"),
    [(60, 90, 0.4, 5), (80, 30, 0.15, 3), (30, 80, 0.1, 10), (40, 25, 1.0, 1), (33, 20, 0.3, 100)],
)
def test_neighbourhood_is_the_column_by_column_one_with_its_ties(rows, columns, share, count):
    table = random_table(rows, columns, share, seed=rows)
    table[:, 0] = np.where(np.arange(rows) < 2, 1.0, NAN)
    empty = np.isnan(table).all(axis=1)
    table[empty, 1] = 1.0
    np.testing.assert_allclose(neighbours(table, count), by_columns(table, count), rtol=1e-10)


def test_two_common_cells_correlate_exactly():
    table = random_table(40, 30, 0.15, seed=5)
    known = np.isfinite(table)
    common = known.astype(int) @ known.T
    found = pearson(table)[(common == 2) & ~np.eye(40, dtype=bool)]
    assert found.size > 100
    assert set(np.abs(found)) == {1.0}
    np.testing.assert_array_equal(pearson(table), pearson(table).T)


def test_the_order_of_columns_does_not_break_ties():
    """Of a few levels many correlations are equal, and sums of them in another order are not, to the last digit."""
    rng = np.random.default_rng(8)
    table = np.where(rng.random((60, 40)) < 0.3, rng.integers(0, 3, (60, 40)) + 0.1, NAN)
    order = rng.permutation(40)
    turned = neighbours(table[:, order], 2)
    np.testing.assert_allclose(turned, neighbours(table, 2)[:, order], rtol=1e-9)


def test_compiled_and_plain_neighbourhoods_are_equal():
    table = random_table(30, 25, 0.3, seed=6)
    cells, mean = _cells(table)
    plain = np.empty(table.shape)
    complete_rows(cells, mean, 4, 0, plain)
    np.testing.assert_array_equal(plain, neighbours(table, 4))
    row = np.empty(30)
    correlate(cells, 7, np.empty((30, 6)), row)
    np.testing.assert_array_equal(row, pearson(table)[7])


def test_blocks_of_rows_do_not_show(monkeypatch):
    table = random_table(50, 20, 0.4, seed=7)
    whole = neighbours(table, 3)
    monkeypatch.setattr("qoslab.domains.prediction.neighbourhood._BLOCK", 7)
    np.testing.assert_array_equal(neighbours(table, 3), whole)


def test_nobody_knows_anything_of_an_empty_row_or_column():
    table = random_table(12, 10, 0.8, seed=8)
    table[3] = NAN
    table[:, 4] = NAN
    found = neighbours(table, 2)
    assert np.isnan(found[3]).all()
    assert np.isnan(found[:, 4]).all()
    assert np.isfinite(found[5, [c for c in range(10) if c != 4]]).all()
