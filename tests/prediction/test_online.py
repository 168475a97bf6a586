"""Online factors against exact Gaussian conditionals, drift, and growth; compiled and plain runs agree to the bit."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.factor_analysis import factorise
from qoslab.domains.prediction.online import Memory, absorb, learn, predict, start, variance, with_places
from qoslab.engine.kernel import interpreted

STILL = Memory(persistent=0.5, rows=1.0, points=1.0, cells=1.0, surprise=1e9)


def fitted(seed=0, users=12, services=30, parameters=2, noise=0.3, share=0.6):
    rng = np.random.default_rng(seed)
    full = rng.standard_normal((parameters * users, 2)) @ rng.standard_normal((2, services))
    full = full + noise * rng.standard_normal(full.shape)
    table = np.where(rng.random(full.shape) < share, full, np.nan)
    return full, table, factorise(table, 2, 20, np.random.default_rng(1), Context())


def begun(memory=STILL, **changes):
    _, table, fit = fitted(**changes)
    return start(fit, table, changes.get("parameters", 2), memory), table, fit


def test_a_known_cell_is_drawn_to_its_measurement():
    """Half of the noise persists, so a cell measured once stands half way between factors and measurement."""
    state, table, fit = begun()
    p, u, s = 1, 3, int(np.flatnonzero(np.isfinite(table[15]))[0])
    expected = (fit.predict()[15, s] + table[15, s]) / 2
    assert predict(state)[p, u, s] == pytest.approx(expected)
    gone = int(np.flatnonzero(~np.isfinite(table[15]))[0])
    assert predict(state)[p, u, gone] == pytest.approx(fit.predict()[15, gone])


def test_one_measurement_is_the_exact_linear_gaussian_update():
    """State (row, point, cell), covariance block-diagonal, observed along (x, w, 1): Kalman's mean and own blocks."""
    state, _, _ = begun(parameters=1)
    u, s, y = 4, 7, 1.7
    x, w = np.append(state.points[s], 1.0), state.rows[0, u, :-1].copy()
    c, v, q = (
        state.row_covariances[0, u].copy(),
        state.point_covariances[s].copy(),
        state.cell_variance[0, u, s],
    )
    mean = np.concatenate([state.rows[0, u], state.points[s], [state.cell[0, u, s]]])
    full = np.zeros((6, 6))
    full[:3, :3], full[3:5, 3:5], full[5, 5] = c, v, q
    h = np.concatenate([x, w, [1.0]])
    total = h @ full @ h + 0.5 * state.noise[0, u]
    assert variance(state, u, s, STILL)[0] == pytest.approx(total)
    gain = full @ h / total
    guess = predict(state)[0, u, s]
    after, left = mean + gain * (y - guess), full - np.outer(gain, gain) * total
    learn(state, np.array([u]), np.array([s]), np.array([[y]]), STILL)
    assert state.rows[0, u] == pytest.approx(after[:3])
    assert state.points[s] == pytest.approx(after[3:5])
    assert state.cell[0, u, s] == pytest.approx(after[5])
    assert state.row_covariances[0, u] == pytest.approx(left[:3, :3])
    assert state.point_covariances[s] == pytest.approx(left[3:5, 3:5])
    assert state.cell_variance[0, u, s] == pytest.approx(left[5, 5])


def test_many_measurements_of_a_new_row_give_its_regression():
    """A row alone unknown, points without error: sequential updates are Bayesian linear regression."""
    state, _, _ = begun(parameters=1)
    state.point_covariances[:] = 0.0
    state.rows[0, 0], state.row_covariances[0, 0] = 0.0, np.eye(3)
    state.cell[0, 0], state.cell_variance[0, 0], state.offset[0, 0] = 0.0, 0.0, 0.0
    memory = Memory(persistent=0.0, rows=1.0, points=1.0, cells=1.0, surprise=1e9)
    rng = np.random.default_rng(2)
    services, y = np.arange(20), rng.standard_normal((20, 1))
    learn(state, np.zeros(20, np.int64), services, y, memory)
    x = np.concatenate([state.points[:20], np.ones((20, 1))], axis=1)
    precision = np.eye(3) + x.T @ x / state.noise[0, 0]
    assert state.rows[0, 0] == pytest.approx(np.linalg.solve(precision, x.T @ y[:, 0] / state.noise[0, 0]))
    assert state.row_covariances[0, 0] == pytest.approx(np.linalg.inv(precision))


def test_what_was_not_measured_changes_nothing():
    state, _, _ = begun()
    before = predict(state)
    learn(state, np.array([1, 2]), np.array([3, 4]), np.full((2, 2), np.nan), STILL)
    np.testing.assert_array_equal(predict(state), before)


def test_nothing_is_forgotten_for_what_was_not_measured():
    """A service's point gets less certain with a measurement, of one parameter or of several, and not without any."""
    state, _, _ = begun()
    before = [np.copy(part) for part in state]
    learn(state, np.array([1]), np.array([3]), np.full((1, 2), np.nan), Memory())
    for part, was in zip(state, before, strict=True):
        np.testing.assert_array_equal(part, was)
    memory = Memory(points=0.5, surprise=1e-9)
    for values in ([[0.1, np.nan]], [[np.nan, 0.1]], [[0.1, 0.1]]):
        state, _, _ = begun()
        state.point_covariances[3] *= (
            1e-6  # far from the limit of forgetting, and little learned by a measurement
        )
        trace = np.trace(state.point_covariances[3])
        learn(state, np.array([1]), np.array([3]), np.array(values), memory)
        assert np.trace(state.point_covariances[3]) == pytest.approx(2 * trace, rel=1e-3)


def test_one_wild_value_counts_no_more_than_its_limit():
    (tame, _, _), (wild, _, _) = begun(), begun()
    memory = Memory(surprise=2.0)
    for state, y in ((tame, 1e3), (wild, 1e9)):
        learn(state, np.array([0]), np.array([0]), np.array([[y, np.nan]]), memory)
    assert predict(wild)[0, 0, 0] == predict(tame)[0, 0, 0] < 5


def test_a_service_that_changed_is_followed():
    """A service becomes slower by one unit for everybody: after 30 users told, the others' error has shrunk by 80 %."""
    full, table, fit = fitted(users=60, services=40, parameters=1)
    memory = Memory(points=0.9)
    state = start(fit, table, 1, memory)
    s, told, others = 5, np.arange(30), np.arange(30, 60)
    direction = fit.loadings @ np.array([1.0, 0.0])
    changed = full[:, s] + direction
    before = np.abs(predict(state)[0, others, s] - changed[others]).mean()
    learn(state, told, np.full(30, s), changed[told][:, None], memory)
    after = np.abs(predict(state)[0, others, s] - changed[others]).mean()
    noise = np.abs(full[others, s] - fit.predict()[others, s]).mean()
    assert after - noise < 0.2 * (before - noise)


def test_forgetting_stops_where_nothing_was_known():
    state, _, _ = begun()
    memory = Memory(rows=0.5, points=0.5, cells=0.5)
    rng = np.random.default_rng(0)
    for _ in range(40):
        learn(state, np.full(20, 3), rng.integers(30, size=20), rng.standard_normal((20, 2)), memory)
    assert np.trace(state.row_covariances[0, 3]) <= state.row_most[0]
    assert max(np.trace(v) for v in state.point_covariances) <= state.point_most[0]
    assert (state.cell_variance <= 0.5 * state.noise[:, :, None] * (1 + 1e-12)).all()


def test_compiled_and_plain_runs_are_alike():
    (one, _, _), (two, _, _) = begun(Memory()), begun(Memory())
    rng = np.random.default_rng(3)
    users, services = rng.integers(12, size=50), rng.integers(30, size=50)
    values = rng.standard_normal((50, 2))
    values[rng.random((50, 2)) < 0.2] = np.nan
    m = Memory()
    learn(one, users, services, values, m)
    interpreted(absorb)(two, users, services, values, m.persistent, m.rows, m.points, m.cells, m.surprise)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_room_changes_nothing_that_was():
    state, _, _ = begun()
    grown = with_places(state, 14, 33, STILL)
    np.testing.assert_array_equal(predict(grown)[:, :12, :30], predict(state))
    assert grown.rows.shape == (2, 14, 3)
    assert grown.points.shape == (33, 2)
    assert grown.cell_variance[:, 12:].min() > 0
