"""Zeros, which have no logarithm: availabilities of 0 and 1, and what the shift of logarithms does to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.factor_analysis import floor_of, likely_shift, scale_of
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.newcomer_trees import _Learner, _Turn, complete_newcomers
from qoslab.domains.prediction.streaming import Online

SEED = np.random.SeedSequence(0)


def availability(levels, rows=20, columns=30, share=0.4, seed=0):
    """One level for each service, and a part of the table."""
    rng = np.random.default_rng(seed)
    full = np.broadcast_to(rng.choice(levels, columns), (1, rows, columns)).copy()
    return full, Known(("availability",), np.where(rng.random(full.shape) < share, full, np.nan))


@pytest.mark.parametrize("levels", [(0.0, 1.0), (0.0, 0.9, 1.0), (0.0, 0.99, 1.0)])
@pytest.mark.parametrize("method", [FactorAnalysis(), RobustFactorisation()])
def test_dead_services_are_told_from_living_ones(levels, method):
    full, known = availability(levels)
    found = method.predict(known, SEED, Context())
    assert np.abs(found - full)[np.isnan(known.values)].mean() < 0.1
    assert (found >= 0).all()


def test_dead_services_are_told_by_boosted_factors():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    full, known = availability((0.0, 1.0), 30, 60)
    method = BoostedFactors(rank=4, sweeps=10, folds=3, trees=30, leaf_cells=10)
    found = method.predict(known, SEED, Context())
    assert np.abs(found - full)[np.isnan(known.values)].mean() < 0.05


def test_newcomers_of_dead_services_are_told_by_trees_as_well():
    """Half of the services of every country are dead, and users are new: what is said of them is 0 or 1."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    full, known = availability((0.0, 1.0), 60, 40, share=0.5)
    values = known.values.copy()
    values[0, :12] = np.nan
    asked = np.broadcast_to(np.arange(60)[:, None] < 12, (60, 40))
    shown = [complete_newcomers(Known(known.parameters, values), "users", asked, rng(), Context())[0]]
    learner = _Learner(np.ones(1), np.ones(1), rng(), Context())  # a floor of 1, and values shifted by 1
    x = np.repeat(np.arange(2.0), 100)[:, None].astype(np.float32)
    turns = [_Turn((f, f), x, np.repeat([0.0, 1.0], 100), np.full(200, 1.0)) for f in range(5)]
    found = learner._follow(turns, x, np.full(200, 1.0))
    assert found[:100] == pytest.approx(0.0, abs=0.02)
    assert found[100:] == pytest.approx(1.0, abs=0.02)
    assert np.abs(shown[0] - full[0][asked[:]]).mean() < 0.05


def rng():
    return np.random.default_rng(0)


def test_a_stream_with_zeros_is_followed():
    """Online factors that began with dead services say so, and nothing outside of what was measured."""
    full, _ = availability((0.0, 1.0))
    follower = Online(rng())
    for number in range(6):
        share = np.random.default_rng(number).random(full.shape[1:]) < 0.4
        follower.take(np.where(share, full[0], np.nan))
    found = follower.table()
    assert np.abs(found - full[0]).mean() < 0.1
    assert found.min() >= 0
    assert found.max() <= 1


def test_two_values_are_shifted_until_logarithms_are_nearly_linear():
    assert likely_shift(np.array([0.0, 1.0, 1.0]), 1.0) == pytest.approx(10.0)


def test_values_without_zeros_are_not_shifted():
    values = np.exp(np.random.default_rng(0).standard_normal((2, 8, 9)))
    values[0, 3, 3] = np.nan
    scale = scale_of(values)
    assert not scale.shift.any()
    assert scale.floor[:, 0, 0] == pytest.approx(np.nanmin(values, axis=(1, 2)))
    np.testing.assert_array_equal(scale.forward(values), (np.log(values) - scale.mean) / scale.std)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.floats(-9, 9))
def test_there_is_a_way_back_for_zeros_and_the_rest(seed, share, size):
    rng = np.random.default_rng(seed)
    values = np.exp(rng.standard_normal((1, 6, 7))) * 10.0**size
    values[rng.random(values.shape) < share] = 0.0
    scale = scale_of(values)
    back = scale.backward(scale.forward(values))
    assert np.abs(back - values).max() <= 1e-9 * max(values.max(), 1.0)
    logs = np.unique(scale.forward(values))
    assert len(logs) == len(np.unique(values))  # nothing is as zero but zero
    assert scale_of(values).floor == floor_of(values)


def test_all_zeros_have_a_scale():
    scale = scale_of(np.zeros((1, 3, 4)))
    assert scale.backward(scale.forward(np.zeros((1, 3, 4)))) == pytest.approx(0.0, abs=1e-12)


def test_the_shift_is_that_of_a_shifted_lognormal():
    """Values drawn with a known shift: the likelihood has its maximum near it, and the grid near that maximum."""
    rng = np.random.default_rng(0)
    values = np.append(np.exp(0.3 * rng.standard_normal(20_000)) - 0.2, 0.0)
    assert values.min() == 0
    floor = float(values[values > 0].min())

    def unlikely(log_shift):
        x = np.log(values + np.exp(log_shift))
        return 0.5 * np.log(np.var(x)) + np.mean(x)

    best = optimize.minimize_scalar(unlikely, bounds=(np.log(0.001), np.log(10.0)), method="bounded").x
    step = np.log(10 * values.max() / floor) / 40
    found = likely_shift(values, floor)
    assert abs(np.log(found) - best) <= step
    assert found == pytest.approx(0.2, abs=0.15)
