"""Factorisations against closed forms, stationary points of their objectives and planted tables."""

from itertools import pairwise

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction.completion import by_parameter, ridge_rows
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.biased_mf import BiasedMF
from qoslab.domains.prediction.methods.nimf import NIMF, conjugate, mixing
from qoslab.domains.prediction.methods.nmf import NMF, update
from qoslab.domains.prediction.methods.pmf import PMF, factors
from qoslab.domains.prediction.neighbourhood import pearson

SEED = np.random.SeedSequence(0)
NAN = float("nan")


def low_rank(rows=40, columns=80, rank=2, share=0.5, seed=0):
    """A positive table of known rank, whole and with holes."""
    rng = np.random.default_rng(seed)
    full = rng.uniform(0.2, 1.0, (rows, rank)) @ rng.uniform(0.2, 1.0, (rank, columns))
    return full, np.where(rng.random(full.shape) < share, full, NAN)


def test_ridge_rows_is_the_weighted_closed_form():
    rng = np.random.default_rng(1)
    features, target = rng.standard_normal((30, 4)), rng.standard_normal((5, 30))
    weight, ridge = rng.random((5, 30)), np.array([0.5, 1.0, 2.0, 0.1])
    weight[3] = 0.0
    found = ridge_rows(target, weight, features, ridge)
    for row in range(5):
        roots = np.sqrt(weight[row])[:, None]
        left = np.concatenate([roots * features, np.diag(np.sqrt(ridge))])
        right = np.concatenate([roots[:, 0] * target[row], np.zeros(4)])
        assert found[row] == pytest.approx(np.linalg.lstsq(left, right, rcond=None)[0], abs=1e-9)
    assert not found[3].any()


def test_parameters_are_completed_apart_in_units_of_their_mean():
    values = np.array([[[2.0, 4.0, NAN]], [[100.0, NAN, 300.0]]])
    seen = []

    def complete(table, child):
        seen.append((np.nanmean(table), child.spawn_key))
        return np.full(table.shape, 9.0)

    found = by_parameter(Known(("a", "b"), values), SEED, complete)
    assert [mean for mean, _ in seen] == pytest.approx([1.0, 1.0])
    assert seen[0][1] != seen[1][1]
    assert found.max(axis=(1, 2)).tolist() == [4.0, 300.0]
    assert SEED.n_children_spawned == 0


@pytest.mark.parametrize(
    "method",
    [
        PMF(rank=2, ridge=1e-4, sweeps=60),
        BiasedMF(rank=2, ridge=1e-4, offset_ridge=1e-4, sweeps=60),
        NMF(rank=2, ridge=0.0, updates=3000),
        NIMF(rank=2, ridge=1e-4, own=0.5, sweeps=40),
    ],
    ids=lambda method: type(method).__name__,
)
def test_a_planted_table_is_found(method):
    """Unknown cells of a table of rank two without noise, to a hundredth of its mean."""
    full, table = low_rank()
    found = method.predict(Known(("q",), table[None]), SEED, Context())[0]
    assert np.abs(found - full)[~np.isfinite(table)].mean() < 0.01 * full.mean()


def penalised(table, prediction, *parts, ridge):
    return np.nansum((table - prediction) ** 2) + ridge * sum((part**2).sum() for part in parts)


@pytest.mark.parametrize("method", [PMF(rank=2), NIMF(rank=2)])
def test_the_smallest_known_value_is_predicted_where_nothing_was_measured(method):
    """Of a user and a service without a measurement: their most probable factors are zero."""
    _, table = low_rank()
    table[3], table[:, 5] = NAN, NAN
    found = method.predict(Known(("q",), table[None]), SEED, Context())[0]
    assert found[3].tolist() == [np.nanmin(table)] * 80
    assert found[:, 5].tolist() == [np.nanmin(table)] * 40


def test_pmf_lowers_its_objective_to_a_stationary_point():
    _, table = low_rank(share=0.3)

    def objective(u, v):
        return penalised(table, u @ v.T, u, v, ridge=0.2)

    runs = [factors(table, 3, 0.2, sweeps, SEED, Context()) for sweeps in (1, 3, 10, 300)]
    assert all(late < early for early, late in pairwise(objective(*run) for run in runs))
    u, v = runs[-1]
    weight = np.isfinite(table)
    rest = np.where(weight, table - u @ v.T, 0.0)
    assert np.abs(rest.T @ u - 0.2 * v).max() < 1e-3
    assert np.abs(rest @ v - 0.2 * u).max() < 1e-9


def test_offsets_alone_are_the_closed_form():
    """With factors priced out, users' and services' offsets are one ridge regression on indicator columns."""
    _, table = low_rank(rows=6, columns=9)
    found = BiasedMF(rank=1, ridge=1e9, offset_ridge=0.7, sweeps=300).predict(
        Known(("q",), table[None]), SEED, Context()
    )[0]
    scale = np.nanmean(table)
    users, services = np.nonzero(np.isfinite(table))
    design = np.zeros((len(users), 15))
    design[np.arange(len(users)), users] = 1.0
    design[np.arange(len(users)), 6 + services] = 1.0
    target = table[users, services] / scale - 1.0
    offsets = np.linalg.solve(design.T @ design + 0.7 * np.eye(15), design.T @ target)
    expected = scale * (1.0 + offsets[:6, None] + offsets[None, 6:])
    assert found == pytest.approx(np.clip(expected, np.nanmin(table), np.nanmax(table)), abs=1e-6)


def test_multiplicative_updates_never_raise_the_objective():
    _, table = low_rank(share=0.3)
    weight, filled = np.isfinite(table).astype(float), np.nan_to_num(table)
    rng = np.random.default_rng(2)
    u, v = rng.random((40, 3)), rng.random((80, 3))
    values = []
    for _ in range(30):
        u = update(filled, weight, u, v, 0.1)
        values.append(penalised(table, u @ v.T, u, v, ridge=0.1))
        v = update(filled.T, weight.T, v, u, 0.1)
        values.append(penalised(table, u @ v.T, u, v, ridge=0.1))
    assert min(u.min(), v.min()) >= 0
    assert all(late <= early + 1e-9 for early, late in pairwise(values))


def test_nmf_shifts_negative_tables():
    full, table = low_rank()
    found = NMF(rank=3, ridge=0.0, updates=2000).predict(Known(("q",), table[None] - 1.0), SEED, Context())[0]
    assert np.abs(found - full + 1.0)[~np.isfinite(table)].mean() < 0.02


def test_mixing_weighs_the_nearest_by_their_correlation():
    _, table = low_rank(rows=8, columns=30, share=0.8)
    mix, similarity = mixing(table, 0.4, 3), np.maximum(pearson(table), 0.0)
    for u in range(8):
        near = np.argsort(-similarity[u])[:3]
        expected = np.zeros(8)
        expected[near] = 0.6 * similarity[u, near] / similarity[u, near].sum()
        expected[u] += 0.4
        assert mix[u] == pytest.approx(expected)


def test_users_without_correlations_are_their_own_neighbours():
    table = np.array([[1.0, NAN, NAN], [NAN, 2.0, NAN], [NAN, NAN, 3.0]])
    np.testing.assert_array_equal(mixing(table, 0.4, 2), np.eye(3))


def test_conjugate_gradients_solve():
    rng = np.random.default_rng(3)
    half = rng.standard_normal((6, 6))
    matrix = half @ half.T + np.eye(6)
    right = rng.standard_normal((6, 2))
    found = conjugate(lambda x: matrix @ x, right, np.zeros((6, 2)), 20)
    assert found == pytest.approx(np.linalg.solve(matrix, right), abs=1e-8)


def test_own_factors_alone_are_pmf():
    _, table = low_rank(share=0.3)
    known = Known(("q",), table[None])
    alone = NIMF(rank=2, own=1.0, ridge=0.1, sweeps=300).predict(known, SEED, Context())
    plain = PMF(rank=2, ridge=0.1, sweeps=600).predict(known, SEED, Context())
    np.testing.assert_allclose(alone, plain, rtol=1e-3)


def test_factorisations_stop_in_time():
    known = Known(("q",), low_rank()[1][None])
    for method in (PMF(), BiasedMF(), NMF(), NIMF()):
        with pytest.raises(TimeLimitExceeded):
            method.predict(known, SEED, Context(time_limit_s=0.0))
