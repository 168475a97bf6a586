"""Variational updates against exact conditionals; outliers and needless factors."""

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction import variational as engine
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.factor_analysis import factorise
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.variational import variational

RNG = np.random.default_rng


def holes(rows=12, services=60, rank=2, noise=0.1, share=0.5, seed=0):
    rng = RNG(seed)
    full = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, services))
    return full, np.where(
        rng.random(full.shape) < share, full + noise * rng.standard_normal(full.shape), np.nan
    )


def test_services_posterior_is_the_exact_conditional_where_rows_are_certain():
    _, table = holes()
    mask = np.isfinite(table)
    rng = RNG(1)
    rows, precision = rng.standard_normal((12, 4)), mask * rng.uniform(0.5, 2.0, table.shape)
    points, covariances = engine._services(np.nan_to_num(table), precision, rows, np.zeros((12, 4, 4)))
    for s in range(60):
        known = mask[:, s]
        w, noise = rows[known, :3], np.diag(1 / precision[known, s])
        gain = w.T @ np.linalg.inv(w @ w.T + noise)
        assert points[s, :3] == pytest.approx(gain @ (table[known, s] - rows[known, 3]), abs=1e-8)
        assert covariances[s, :3, :3] == pytest.approx(np.eye(3) - gain @ w, abs=1e-8)
    assert (points[:, 3] == 1).all()


def test_uncertain_rows_widen_the_penalty():
    """E[w w'] = w w' + C: with one factor and one cell the posterior mean is p w x / (1 + p (w^2 + C))."""
    rows, covariance = np.array([[2.0, 0.0]]), np.zeros((1, 2, 2))
    covariance[0, 0, 0] = 3.0
    points, _ = engine._services(np.array([[5.0]]), np.array([[0.5]]), rows, covariance)
    assert points[0, 0] == pytest.approx(0.5 * 2 * 5 / (1 + 0.5 * (4 + 3)))


def test_expected_squares_by_sampling():
    """Mean of 200,000 draws of (y - w . z)^2; five standard errors, failed by chance once in a million."""
    rng = RNG(2)
    rows, points = rng.standard_normal((1, 3)), rng.standard_normal((1, 3))
    half = [rng.standard_normal((3, 3)) for _ in range(2)]
    covariances = [(h @ h.T)[None] for h in half]
    found = engine._squares(np.array([[0.7]]), rows, covariances[0], points, covariances[1])[0, 0]
    draws = [x + rng.standard_normal((200_000, 3)) @ h.T for x, h in zip((rows, points), half, strict=True)]
    squares = (0.7 - (draws[0] * draws[1]).sum(axis=1)) ** 2
    assert abs(squares.mean() - found) < 5 * squares.std() / np.sqrt(len(squares))


def test_deviation_is_that_of_products_of_draws():
    belief = variational(holes(rows=8, services=30)[1], 2, 3.0, 5, RNG(0), Context())
    size, draws = belief.rows.shape[1], 200_000
    row = RNG(1).multivariate_normal(belief.rows[3], belief.row_covariances[3], draws)
    point = np.ones((draws, size))
    covariance = belief.point_covariances[7][:-1, :-1]
    point[:, :-1] = RNG(2).multivariate_normal(belief.points[7][:-1], covariance, draws)
    assert (row * point).sum(axis=1).std() == pytest.approx(belief.deviation()[3, 7], rel=0.02)


def test_outliers_lose_their_weight():
    full, table = holes(rows=20, services=150, seed=3)
    known = np.argwhere(np.isfinite(table))
    bad = known[RNG(4).choice(len(known), len(known) // 20, replace=False)]
    table[bad[:, 0], bad[:, 1]] += 15.0
    hidden = ~np.isfinite(table)
    belief = variational(table, 2, 3.0, 60, RNG(5), Context())
    plain = factorise(table, 2, 60, RNG(5), Context()).predict()
    robust_error, plain_error = (np.abs(m - full)[hidden].mean() for m in (belief.mean(), plain))
    assert robust_error < 0.2
    assert robust_error < 0.25 * plain_error
    good = np.isfinite(table)
    good[bad[:, 0], bad[:, 1]] = False
    assert belief.weights[bad[:, 0], bad[:, 1]].max() < 0.1 * belief.weights[good].mean()
    assert not belief.weights[hidden].any()


def test_needless_factors_cost_little():
    """Six factors for a table of two: unknown cells as good as with two, and the noise is not explained away."""
    full, table = holes(rows=40, services=200, seed=6)
    hidden = ~np.isfinite(table)
    many, enough = (variational(table, rank, 1e6, 60, RNG(7), Context()) for rank in (6, 2))
    errors = [np.sqrt(((belief.mean() - full)[hidden] ** 2).mean()) for belief in (many, enough)]
    assert errors[0] < 1.5 * errors[1] < 0.1
    assert many.noise.mean() == pytest.approx(0.01, rel=0.2)


def test_it_beats_gaussian_factors_on_heavy_tails():
    """Log values of rank two with Student's t noise of two degrees of freedom, one table in eight known."""
    rng = RNG(8)
    signal = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 200))
    truth = np.exp(signal)[None]
    noisy = np.exp(np.clip(signal + 0.15 * rng.standard_t(2, signal.shape), -6, 6))[None]
    known = Known(("q",), np.where(rng.random(noisy.shape) < 0.25, noisy, np.nan))
    found = RobustFactorisation(rank=3).predict(known, np.random.SeedSequence(0), Context())
    fit = factorise(np.log(known.values[0]), 3, 50, RNG(9), Context()).predict()
    robust_error, plain_error = (
        np.median(np.abs(np.log(x) - signal)) for x in (found[0], np.exp(np.clip(fit, -6, 6)))
    )
    assert robust_error < 0.8 * plain_error
    assert np.abs(np.log(found / truth)).mean() < 0.3


def test_it_stops_in_time():
    with pytest.raises(TimeLimitExceeded):
        variational(holes()[1], 2, 3.0, 5, RNG(0), Context(time_limit_s=0.0))
