"""Factor analysis against exact Gaussian conditionals; boosting against leakage and against what it must beat."""

import os
import warnings
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import locate
from qoslab.domains.prediction.data import Known, make_task
from qoslab.domains.prediction.factor_analysis import factorise, scale_of
from qoslab.domains.prediction.fold_features import (
    Recipe,
    features,
    known_quantiles,
    out_of_fold,
    two_solutions,
)
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors, least_leaf
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.model import run
from qoslab.domains.prediction.place_features import place_features
from qoslab.domains.prediction.scenario import PredictionScenario
from qoslab.domains.prediction.theory import BAR, check_bar, check_published

SEED = np.random.SeedSequence(0)
_PER_RANK = 2
"""Features of one parameter at one rank: mean and deviation."""

SMALL = BoostedFactors(rank=4, sweeps=10, folds=3, trees=60, leaves=15, leaf_cells=10)


def table_with_holes(rows, services, rank, noise, share, seed=0):
    rng = np.random.default_rng(seed)
    full = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, services))
    noisy = full + noise * rng.standard_normal(full.shape)
    return full, np.where(rng.random(full.shape) < share, noisy, np.nan)


def test_posterior_is_the_exact_gaussian_conditional():
    """E[z | y] = W' (W W' + Psi)^-1 (y - mean) on the rows that are known, and its covariance."""
    _, table = table_with_holes(9, 30, 2, 0.3, 0.5)
    fit = factorise(table, 3, 5, np.random.default_rng(1), Context())
    for s in range(30):
        rows = np.isfinite(table[:, s])
        w = fit.loadings[rows]
        gain = w.T @ np.linalg.inv(w @ w.T + np.diag(fit.noise[rows]))
        assert fit.points[s] == pytest.approx(gain @ (table[rows, s] - fit.mean[rows]), abs=1e-9)
        covariance = np.eye(3) - gain @ w
        variance = np.einsum("di,ij,dj->d", fit.loadings, covariance, fit.loadings)
        assert fit.deviation()[:, s] ** 2 == pytest.approx(variance, abs=1e-9)


def test_em_never_lowers_the_posterior_probability():
    """Each sweep raises log p(table | rows) + log p(loadings, mean), where noise is not shrunk.

    The shrinkage of noise variances is no part of that objective; with many cells per row it moves them little.
    """
    _, table = table_with_holes(6, 800, 2, 0.5, 0.7)

    def objective(sweeps):
        fit = factorise(table, 2, sweeps, np.random.default_rng(1), Context())
        total = -0.5 * (fit.loadings**2).sum() - 0.05 * (fit.mean**2).sum()
        for s in range(table.shape[1]):
            rows = np.isfinite(table[:, s])
            cov = fit.loadings[rows] @ fit.loadings[rows].T + np.diag(fit.noise[rows])
            rest = table[rows, s] - fit.mean[rows]
            total -= 0.5 * (np.linalg.slogdet(cov)[1] + rest @ np.linalg.solve(cov, rest))
        return total

    values = [objective(n) for n in (1, 2, 4, 8)]
    assert all(late > early for early, late in pairwise(values))


def test_planted_factors_are_found():
    """Unknown cells of a rank-2 table: the error is a small part of the signal, which has variance 2."""
    full, table = table_with_holes(30, 200, 2, 0.1, 0.4)
    fit = factorise(table, 2, 40, np.random.default_rng(1), Context())
    hidden = ~np.isfinite(table)
    assert np.sqrt(((fit.predict() - full)[hidden] ** 2).mean()) < 0.1


def test_a_cell_does_not_speak_for_itself():
    rng = np.random.default_rng(3)
    values = np.exp(rng.standard_normal((2, 8, 20)))
    values[:, rng.random((8, 20)) < 0.3] = np.nan
    users, services = np.nonzero(np.isfinite(values[0]))
    folds = np.arange(len(users)) % 4
    places = ({"country": rng.integers(-1, 3, 8)}, {"country": rng.integers(-1, 3, 20)})
    scale, recipe = scale_of(values), Recipe((2, 4), 5, 7, *places)

    def make(table):
        return features(table, scale, recipe, Context())

    before = out_of_fold(values, (users, services), folds, make, Context())
    changed = values.copy()
    changed[:, users[5], services[5]] *= 50
    after = out_of_fold(changed, (users, services), folds, make, Context())
    same_fold = folds == folds[5]
    np.testing.assert_array_equal(before[same_fold], after[same_fold])
    assert not np.array_equal(before[~same_fold], after[~same_fold], equal_nan=True)


def test_neighbours_are_those_who_are_alike():
    """Two kinds of users, with opposite values: a kernel mean over similar users is that of the own kind."""
    rng = np.random.default_rng(5)
    kind = np.repeat([1.0, -1.0], 15)
    logs = kind[:, None] * rng.standard_normal(80) + 0.05 * rng.standard_normal((30, 80))
    values = np.where(rng.random(logs.shape) < 0.5, np.exp(logs), np.nan)[None]
    scale = scale_of(values)
    found = features(values, scale, Recipe((1, 2), 30, 3), Context())
    means = found[_PER_RANK * 2 + 1]  # behind the features of two ranks and of roots
    hidden = ~np.isfinite(values[0])
    assert np.abs(means - scale.forward(np.exp(logs)[None])[0])[hidden].mean() < 0.15


def test_a_service_counts_as_measured_by_who_measured_any_parameter_of_it():
    rng = np.random.default_rng(6)
    values = np.exp(rng.standard_normal((2, 8, 20)))
    values[rng.random(values.shape) < 0.5] = np.nan
    values[0, :, :5] = values[1, :, 5:8] = np.nan
    measured = np.isfinite(values).any(axis=0).sum(axis=0)
    found = features(values, scale_of(values), Recipe((1,), 2, 3), Context())
    assert any((table == measured).all() for table in found)


@pytest.mark.parametrize("axis", [0, 1])
def test_quantiles_of_what_is_known_are_those_of_numpy(axis):
    table = np.random.default_rng(4).standard_normal((9, 40))
    table[np.random.default_rng(5).random(table.shape) < 0.6] = np.nan
    table[3], table[:, 7] = np.nan, np.nan
    shares = (0.0, 0.1, 0.5, 0.9, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of rows without data
        expected = [np.nanquantile(table, q, axis=axis, keepdims=True) for q in shares]
    found = known_quantiles(table, shares, axis)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_means_over_places_are_those_of_a_loop():
    """Each cell by hand: who stands where it does, and what is known of them; a place of -1 is nobody's."""
    rng = np.random.default_rng(6)
    logs = np.where(rng.random((2, 7, 11)) < 0.5, rng.standard_normal((2, 7, 11)), np.nan)
    left = logs - 0.3 * np.nan_to_num(logs) ** 2
    users, services = rng.integers(-1, 3, 7), rng.integers(-1, 4, 11)
    found = [*place_features(logs, left, {"as": users}, {"as": services})]
    there, here = users[:, None] == users, services[:, None] == services
    there[users < 0], here[services < 0] = False, False

    def by_hand(table, rows, columns):
        values = table[np.ix_(rows, columns)]
        return np.nansum(values) / (np.isfinite(values).sum() + 1e-3)

    everyone = np.ones(7, bool)
    of_cell = [
        lambda u, s: (there[u], np.arange(11) == s),
        lambda u, s: (np.arange(7) == u, here[s]),
        lambda u, s: (everyone, here[s]),
        lambda u, s: (there[u], here[s]),
    ]
    assert len(found) == len(of_cell) * 2 * 3 + 2
    for k, (cells, p) in enumerate(product(of_cell, range(2))):
        means, rests, weights = (np.broadcast_to(array, (7, 11)) for array in found[3 * k : 3 * k + 3])
        for u, s in product(range(7), range(11)):
            rows, columns = cells(u, s)
            assert means[u, s] == pytest.approx(by_hand(logs[p], rows, columns), abs=1e-5)
            assert rests[u, s] == pytest.approx(by_hand(left[p], rows, columns), abs=1e-5)
            counted = np.isfinite(logs[p][np.ix_(rows, columns)]).sum()
            assert np.exp(weights[u, s]) == pytest.approx(counted + 1e-3, rel=1e-5)
    np.testing.assert_array_equal(found[-2], users[:, None])
    np.testing.assert_array_equal(found[-1], services[None, :])


def test_places_of_one_side_or_of_two_kinds_are_those_of_each_alone():
    rng = np.random.default_rng(1)
    logs = np.where(rng.random((1, 4, 6)) < 0.5, rng.standard_normal((1, 4, 6)), np.nan)
    users, services = np.array([0, 0, 1, -1]), np.arange(6) % 2
    both = [*place_features(logs, logs, {"country": users}, {"country": services})]
    of_users = [*place_features(logs, logs, {"country": users}, {})]
    of_services = [*place_features(logs, logs, {}, {"country": services})]
    np.testing.assert_equal(of_users, [*both[:3], both[-2]])
    np.testing.assert_equal(of_services, [*both[3:9], both[-1]])
    mixed = [*place_features(logs, logs, {"country": users}, {"as": services})]
    np.testing.assert_equal(mixed, [*of_services[:-1], *of_users[:-1], of_users[-1], of_services[-1]])
    assert not [*place_features(logs, logs, {}, {})]


def test_places_help_where_they_matter():
    """Most of the variance is that of pairs of places: who knows them errs a tenth less, in each of three worlds."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    data = {"kind": "planted", "users": 60, "services": 120, "countries": 4, "place": 1.0, "signal": 0.7}
    scenario = PredictionScenario.model_validate({"data": data, "density": 0.06})
    for replication in range(3):
        task = make_task(scenario, Seed(replication=replication), Context())
        blind = replace(task.known, user_context={}, service_context={})
        asked = task.test
        errors = [
            np.abs(SMALL.predict(known, SEED, Context()) - task.truth)[asked].mean()
            for known in (task.known, blind)
        ]
        assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize(
    ("cells", "leaf"),
    [(1, 5), (4_499, 5), (4_500, 6), (16_000, 21), (29_999, 39), (30_000, 40), (31_950, 40), (10**6, 40)],
)
def test_a_leaf_is_a_share_of_the_known_cells(cells, leaf):
    assert least_leaf(cells) == leaf


def test_a_given_size_of_leaves_is_obeyed():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    known = Known(("q",), step_world()[1])  # 1,800 cells
    found = {k: replace(SMALL, leaf_cells=k).predict(known, SEED, Context()) for k in (None, 5, 40)}
    np.testing.assert_array_equal(found[None], found[5])
    assert not np.array_equal(found[None], found[40])


def step_world(seed=0):
    """Ten where user and service add up to more than zero, one elsewhere: a step that few factors cannot follow."""
    rng = np.random.default_rng(seed)
    up = rng.standard_normal((40, 1)) + rng.standard_normal(150) > 0
    truth = np.where(up, 10.0, 1.0)[None] * np.exp(0.05 * rng.standard_normal((1, 40, 150)))
    return truth, np.where(rng.random(truth.shape) < 0.3, truth, np.nan)


def test_boosting_follows_a_step_that_factors_smear():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    truth, values = step_world()
    known, hidden = Known(("q",), values), ~np.isfinite(values)
    errors = [
        np.abs(m.predict(known, SEED, Context()) - truth)[hidden].mean()
        for m in (SMALL, FactorAnalysis(rank=4), ItemMean())
    ]
    assert errors[0] < 0.85 * errors[1] < 0.85 * 0.8 * errors[2]


@pytest.mark.parametrize("method", [SMALL, FactorAnalysis()], ids=["boosted", "factors"])
def test_predictions_stay_within_what_was_seen(method):
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    rng = np.random.default_rng(2)
    values = np.exp(2 * rng.standard_normal((2, 10, 30)))
    values[:, rng.random((10, 30)) < 0.6] = np.nan
    values[0, 0, 0], values[1, 0, 0] = 0.0, 3.0
    found = method.predict(Known(("a", "b"), values), SEED, Context())
    assert np.isfinite(found).all()
    for table, known in zip(found, values, strict=True):
        assert table.min() >= np.nanmin(known)
        assert table.max() <= np.nanmax(known)


def test_empty_users_and_services_are_predicted():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, values = step_world()
    values[:, 3], values[:, :, 5] = np.nan, np.nan
    for method in (SMALL, FactorAnalysis()):
        assert np.isfinite(method.predict(Known(("q",), values), SEED, Context())).all()


def test_a_parameter_may_lack_cells_that_another_has():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, first = step_world()
    _, second = step_world(seed=1)
    known = Known(("a", "b"), np.concatenate([first, second]))
    assert np.isfinite(SMALL.predict(known, SEED, Context())).all()


def test_few_cells_are_left_to_the_factors():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    values = np.full((1, 4, 9), np.nan)
    values[0, 1, :5] = [1, 2, 3, 4, 5]
    known = Known(("q",), values)
    found = BoostedFactors().predict(known, SEED, Context())
    alone = RobustFactorisation(sweeps=BoostedFactors().sweeps)
    np.testing.assert_array_equal(found, alone.predict(known, SEED, Context()))


def test_boosting_repeats_and_stops_in_time():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    known = Known(("q",), step_world()[1])
    first, second = (SMALL.predict(known, SEED, Context()) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(TimeLimitExceeded):
        SMALL.predict(known, SEED, Context(time_limit_s=0.0))


def test_planted_data_in_a_whole_run():
    data = {"kind": "planted", "users": 60, "services": 150, "rank": 2, "noise": 0.1}
    scenario = PredictionScenario.model_validate({"data": data, "density": 0.3})
    got, means = (
        next(run(scenario, m, [Seed()], Context())).metrics["nmae"] for m in (FactorAnalysis(), ItemMean())
    )
    assert got < 0.4 * means


@pytest.mark.data
@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_the_outside_bar_is_beaten_on_real_data():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    checks = list(check_bar(Context(dataset=lambda name: locate(name).path), densities=(0.1,)))
    assert [check.expected for check in checks] == list(BAR[0.1].values())
    assert {check.status for check in checks} == {"pass"}


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_published_errors_are_met_on_real_data():
    context = Context(dataset=lambda name: locate(name).path)
    checks = list(check_published(context, ("user_mean", "item_mean", "upcc", "ipcc", "uipcc")))
    assert [check.status for check in checks] == ["pass"] * 10
    assert [check.status for check in check_published(Context(), ("pmf",))] == ["not run"] * 2


def test_the_bar_says_why_it_did_not_run():
    checks = list(check_bar(Context(), densities=(0.05, 0.2)))
    assert [check.status for check in checks] == ["not run"] * 8


def test_factors_that_the_folds_do_not_find_are_another_solution():
    """In one fold and one parameter is enough; that a fifth more cells say a little more is not."""
    alike = [np.array([0.9, 1.0]), np.array([1.0, 1.1]), np.array([1.2, 1.3])]
    assert not two_solutions(alike)
    assert two_solutions([np.array([0.9, 0.5]), *alike[1:]])
    assert not two_solutions([np.zeros(2)] * 3)


@pytest.mark.parametrize(("carried", "halvings"), [(16, 0), (8, 1), (4, 2), (1, 3)])
def test_factors_are_halved_until_the_folds_find_what_the_whole_table_does(monkeypatch, carried, halvings):
    """Where more are asked for than `carried`, only the whole table has a spread; a pair of factors is the least."""
    _, table = table_with_holes(20, 30, 2, 0.3, 0.5)
    known = Known(("q",), np.abs(table)[None] + 0.1)
    cells, made = int(np.isfinite(table).sum()), []

    def fake(values, scale, recipe, context):
        made.append(tuple(recipe.ranks))
        there = recipe.ranks[-1] <= carried or np.isfinite(values).sum() == cells
        found = np.random.default_rng(0).standard_normal((4, *table.shape)) * (1.0 if there else 0.1)
        return found.astype(np.float32)

    monkeypatch.setattr("qoslab.domains.prediction.methods.boosted_factors.features", fake)
    BoostedFactors(trees=2, leaf_cells=5).predict(known, SEED, Context())
    ranks = [(16 >> (k + 1), 16 >> k) for k in range(halvings + 1)]
    assert made == [one for one in ranks for _ in range(6)]


def test_where_everything_is_known_no_solution_is_unlike():
    recipe = Recipe((2,), 1, 0)
    assert recipe.spread(np.ones((4, 2, 2), np.float32), 1, np.zeros((2, 2), bool)).tolist() == [0.0]
