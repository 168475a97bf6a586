"""Adaptive matrix factorisation: one update by hand, its gradient, compiled against plain, planted factors."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.adaptive import Adaptive, absorb, learn, transform_of
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.amf import AMF

SEED = np.random.SeedSequence(0)


def fresh(users=3, services=4, rank=2, seed=0):
    rng = np.random.default_rng(seed)
    sides = (rng.standard_normal((users, rank)), rng.standard_normal((services, rank)))
    return Adaptive(*sides, rng.random(users) + 0.5, rng.random(services) + 0.5)


def cell(u, s, value):
    return np.array([u]), np.array([s]), np.array([value])


def copied(state):
    return Adaptive(*(part.copy() for part in state))


def test_one_update_by_hand():
    before = fresh()
    after = copied(before)
    learn(after, cell(1, 2, 0.4), rate=0.5, ridge=0.01, least=0.1)
    u, s = before.users[1], before.services[2]
    guess = 1 / (1 + np.exp(-u @ s))
    error = abs(0.4 - guess) / 0.4
    share = before.user_errors[1] / (before.user_errors[1] + before.service_errors[2])
    slope = (guess - 0.4) * guess * (1 - guess) / 0.4**2
    assert after.users[1] == pytest.approx(u - 0.5 * share * (slope * s + 0.01 * u))
    assert after.services[2] == pytest.approx(s - 0.5 * (1 - share) * (slope * u + 0.01 * s))
    eased = before.user_errors[1] + 0.3 * share * (error - before.user_errors[1])
    assert after.user_errors[1] == pytest.approx(eased)
    changed = before.users != after.users
    assert changed.tolist() == [[False, False], [True, True], [False, False]]


def test_the_step_is_the_gradient_of_the_squared_relative_error():
    state = fresh(seed=1)
    state.user_errors[:] = 1.0
    state.service_errors[:] = 0.0

    def loss(u):
        guess = 1 / (1 + np.exp(-u @ state.services[0]))
        return 0.5 * ((0.3 - guess) / 0.3) ** 2

    start = state.users[0].copy()
    gradient = [
        (loss(start + h) - loss(start - h)) / 2e-6 for h in 1e-6 * np.eye(2)
    ]  # central differences, error of order 1e-10
    learn(state, cell(0, 0, 0.3), rate=1e-3, ridge=0.0, least=0.1)
    assert (start - state.users[0]) / 1e-3 == pytest.approx(gradient, rel=1e-6)


def test_compiled_and_plain_updates_are_the_same():
    rng = np.random.default_rng(2)
    cells = (rng.integers(3, size=200), rng.integers(4, size=200), rng.random(200))
    one, other = fresh(seed=3), fresh(seed=3)
    learn(one, cells, rate=0.8, ridge=1e-3, least=0.1)
    absorb(*other, *cells, 0.8, 1e-3, 0.1)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_factors_far_from_zero_do_not_overflow():
    sides = np.full((1, 2), -60.0), np.full((1, 2), 60.0)
    for run in (learn, lambda state, cells, **how: absorb(*state, *cells, *how.values())):
        state = Adaptive(sides[0].copy(), sides[1].copy(), np.ones(1), np.ones(1))
        run(state, (np.zeros(1, int), np.zeros(1, int), np.array([0.5])), rate=0.8, ridge=3e-4, least=0.5)
        assert state.users[0] == pytest.approx(-60.0, abs=0.1)


@pytest.mark.parametrize("power", [0.0, -0.05, 0.5])
def test_the_transform_has_a_way_back(power):
    values = np.array([0.01, 0.3, 2.0, 20.0])
    transform = transform_of(values, power)
    unit = transform.forward(values)
    assert unit[[0, -1]] == pytest.approx([0.0, 1.0])
    assert transform.backward(unit) == pytest.approx(values)
    assert transform.backward(transform.forward(np.array([0.0]))) == pytest.approx([0.01])


def test_planted_factors_are_found():
    """Values whose transform is a sigmoid of rank two: relative errors of unknown cells stay small."""
    rng = np.random.default_rng(4)
    product = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 60))
    truth = np.exp(3 / (1 + np.exp(-product)))
    table = np.where(rng.random(truth.shape) < 0.5, truth, np.nan)
    method = AMF(rank=3, power=0.0, ridge=1e-4)
    found = method.predict(Known(("q",), table[None]), SEED, Context())[0]
    hidden = ~np.isfinite(table)
    assert np.median((np.abs(found - truth) / truth)[hidden]) < 0.05


def test_it_aims_at_relative_errors():
    """Half of the services answer in 1, half in 1 or 10 by chance: it stays below the mean that squares would take."""
    rng = np.random.default_rng(5)
    truth = np.where(rng.random((40, 50)) < 0.5, 1.0, 10.0)
    found = AMF(rank=1, passes=50).predict(Known(("q",), truth[None]), SEED, Context())[0]
    assert np.median(found) < 4.0
