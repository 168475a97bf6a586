"""Policies that estimate: filters against matrices, estimates against known capacities."""

import math

import numpy as np
import pytest
from desk import Desk, make
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.balancing.methods.aquarius import softmax_of_minus
from qoslab.domains.balancing.methods.hlb import AGE, MEAN, VARIANCE


def with_ages(desk, ages):
    """Put one open request of each age on each server."""
    for j, age in enumerate(ages):
        desk.active[j] = 1
        desk.board.local[0, 1, j] = desk.now - age


def softmax(values):
    powers = np.exp(values - np.max(values))
    return powers / powers.sum()


def matrix_kalman(x, p, z, system, sensor):
    """One step of the general filter: F = H = I, Q = system^2 I, R = sensor^2 I."""
    n = len(x)
    eye = np.eye(n)
    p = p + system**2 * eye
    gain = p @ np.linalg.inv(p + sensor**2 * eye)
    return x + gain @ (z - x), (eye - gain) @ p


@given(st.lists(st.lists(st.floats(0.01, 10), min_size=3, max_size=3), min_size=1, max_size=8))
def test_hlb_is_the_matrix_kalman_filter(history):
    desk = Desk(make("hlb", system=0.1, sensor=0.5), [1, 2, 3])
    x, p = np.ones(3), 0.25 * np.eye(3)
    for ages in history:
        desk.wait(0.5)
        with_ages(desk, ages)
        desk.tick()
        ages = np.array(ages)
        x, p = matrix_kalman(x, p, ages / ages.mean(), 0.1, 0.5)
        np.testing.assert_allclose(desk.mem[AGE], ages, rtol=1e-9)
        np.testing.assert_allclose(desk.mem[MEAN], x, rtol=1e-9)
        np.testing.assert_allclose(desk.mem[VARIANCE], np.diag(p), rtol=1e-9)
        np.testing.assert_allclose(desk.weight, softmax(-x), rtol=1e-9)


def test_hlb_starts_equal_whatever_was_configured():
    assert Desk("hlb", [1, 5]).weight.tolist() == [0.5, 0.5]


def test_hlb_without_open_requests():
    """Nowhere any: no step. On one server none: its age is 0."""
    desk = Desk("hlb", [1, 1])
    desk.tick()
    assert desk.mem[MEAN].tolist() == [1, 1]
    with_ages(desk, [2.0, 4.0])
    desk.active[0] = 0
    desk.tick()
    assert desk.mem[AGE].tolist() == [0.0, 4.0]
    assert desk.weight[0] > desk.weight[1]


def test_hlb_routes_by_shortest_expected_delay():
    desk = Desk("hlb", [1, 1])
    desk.weight[:] = [0.8, 0.2]
    desk.active[:] = [3, 1]
    assert set(desk.routes(20)) == {0}  # 5 against 10
    two = Desk(make("hlb", d=2), [1, 1])
    two.weight[:] = [0.8, 0.2]
    two.active[:] = [3, 1]
    assert set(two.routes(20)) == {0}


def test_hlb_ada_adapts_its_sensor():
    desk = Desk(make("hlb_ada", system=0.1, sensor=0.5, keep=0.9), [1, 1])
    x, p, variance = np.ones(2), 0.25 * np.eye(2), 0.25
    for ages in ([1.0, 3.0], [2.0, 2.0], [5.0, 1.0]):
        with_ages(desk, ages)
        desk.tick()
        z = np.array(ages) / np.mean(ages)
        x, p = matrix_kalman(x, p, z, 0.1, math.sqrt(variance))
        variance = 0.9 * variance + 0.1 * z.var() + 0.01
        np.testing.assert_allclose(desk.mem[MEAN], x, rtol=1e-9)
        np.testing.assert_allclose(desk.box[0], variance, rtol=1e-9)


def test_aquarius_by_formula():
    desk = Desk(make("aquarius", smoothing=0.3), [1, 9])
    weights = np.array([0.5, 0.5])
    for ages in ([1.0, 3.0], [0.5, 0.1]):
        with_ages(desk, ages)
        desk.tick()
        weights = 0.3 * softmax(-np.array(ages)) + 0.7 * weights
        np.testing.assert_allclose(desk.weight, weights, rtol=1e-12)


@given(st.lists(st.floats(-500, 1e6), min_size=1, max_size=9))
def test_softmax_is_positive_and_sums_to_one(values):
    weights = np.empty(len(values))
    softmax_of_minus(np.array(values), weights)
    assert (weights > 0).all()
    assert abs(weights.sum() - 1) < 1e-12


def work(desk, speeds, rounds):
    """Keep one request on each server all the time, each served in 1 / speed."""
    for j in range(len(speeds)):
        desk.active[j] = 0
    due = [0.0] * len(speeds)
    for _ in range(rounds):
        j = int(np.argmin(due))
        desk.now = due[j]
        if desk.open[0][j]:
            desk.finish(j)
        desk._touch(0, j)
        desk.active[j] += 1
        desk.open[0][j].append(desk.now)
        due[j] += 1.0 / speeds[j]
    return desk


def test_little_finds_the_capacities():
    speeds = [1.0, 2.0, 5.0]
    desk = work(Desk(make("little", memory_s=1e9, prior=1e-6), [1, 1, 1]), speeds, 800)
    desk.tick()
    np.testing.assert_allclose(desk.weight, speeds, rtol=0.02)


def test_little_by_formula():
    """Two steps with discount: D and B by hand, the mean capacity as prior."""
    desk = Desk(make("little", memory_s=1.0, period_s=1.0, prior=2.0), [1, 1])
    keep = math.exp(-1.0)
    desk.board.counts[0, 3] = [4, 1]
    desk.board.local[0, 2] = [2.0, 2.0]
    desk.tick()
    done, busy = np.array([4.0, 1.0]), np.array([2.0, 2.0])
    np.testing.assert_allclose(desk.weight, (done + 2) / (busy + 2 * 4 / 5))
    desk.board.counts[0, 3] = [4, 3]
    desk.board.local[0, 2] = [2.5, 3.0]
    desk.tick()
    done, busy = keep * done + [0, 2], keep * busy + [0.5, 1.0]
    np.testing.assert_allclose(desk.weight, (done + 2) / (busy + 2 * busy.sum() / done.sum()))


def test_little_before_any_completion():
    desk = Desk("little", [1, 7])
    desk.tick()
    assert desk.weight.tolist() == [1, 1]


def test_inverse_ewma_by_formula():
    desk = Desk(make("inverse_ewma", smoothing=0.25), [1, 1, 1])
    desk.active[:], desk.open[0] = [2, 1, 0], [[0.0, 0.0], [0.0], []]
    desk.wait(2.0)
    desk.finish(0)
    assert desk.weight.tolist() == [0.5, 0.5, 0.5]  # others count as the mean of those heard of
    desk.wait(2.0)
    desk.finish(0)
    assert desk.weight[0] == 1 / 2.5
    desk.wait(2.0)
    desk.finish(1)
    assert desk.weight.tolist() == [1 / 2.5, 1 / 6, 2 / 8.5]


def test_inverse_ewma_rules():
    shortest, lot = (Desk(make("inverse_ewma", rule=rule), [1, 1]) for rule in ("sed", "random"))
    for desk in (shortest, lot):
        desk.weight[:] = [3.0, 1.0]
        desk.active[:] = [1, 0]
    assert set(shortest.routes(20)) == {0}  # 2/3 against 1
    share = lot.routes(8000).count(0) / 8000
    assert abs(share - 0.75) < 4.5 * math.sqrt(0.75 * 0.25 / 8000)  # error 7e-6


@pytest.mark.parametrize("name", ["hlb", "hlb_ada", "aquarius", "little"])
def test_weights_stay_positive_after_many_steps(name):
    desk = Desk(name, [1, 1, 1])
    for k in range(300):
        with_ages(desk, [0.001, 1.0 + k, 1000.0])
        desk.wait(0.5)
        desk.tick()
    assert (desk.weight > 0).all()
    assert np.isfinite(desk.weight).all()
