"""Round robins: exact sequences, shares over a cycle, servers that come and go."""

from collections import Counter

import numpy as np
import pytest
from desk import Desk, make
from hypothesis import given
from hypothesis import strategies as st

LETTERS = "abcdefgh"


def sequence(desk, count):
    return "".join(LETTERS[j] for j in desk.routes(count))


def test_round_robin_in_order_from_the_first():
    assert sequence(Desk(make("round_robin", random_start=False), [1, 1, 1]), 7) == "abcabca"


def test_round_robin_leaves_out_what_is_down():
    desk = Desk(make("round_robin", random_start=False), [1, 1, 1, 1])
    assert sequence(desk, 2) == "ab"
    desk.up[2] = 0
    assert sequence(desk, 4) == "dabd"
    desk.up[2] = 1
    assert sequence(desk, 3) == "abc"


def test_round_robins_start_anywhere():
    desk = Desk("round_robin", [1] * 8, balancers=200)
    starts = {desk.route(lb=lb, keep=False) for lb in range(200)}
    assert starts == set(range(8))  # one of 8 is missed with probability below 8 (7/8)^200 = 2e-11


def test_smooth_wrr_gives_the_published_sequence():
    """Weights 5, 1, 1 give a a b a c a a, as nginx' commit message of 2012 has it, over and over."""
    desk = Desk("smooth_wrr", [5, 1, 1])
    assert sequence(desk, 14) == "aabacaa" * 2
    np.testing.assert_array_equal(desk.mem[0], 0.0)


def test_smooth_wrr_by_hand():
    assert sequence(Desk("smooth_wrr", [4, 2, 1]), 7) == "abacaba"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_smooth_wrr_serves_exact_shares_in_each_cycle(weights):
    desk = Desk("smooth_wrr", weights)
    for _ in range(2):
        counts = Counter(desk.routes(sum(weights)))
        assert [counts[j] for j in range(len(weights))] == weights


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=6), st.integers(0, 99))
def test_smooth_wrr_with_a_random_start_keeps_shares(weights, seed):
    """Current weights stay bounded, so counts stay within n of their exact shares."""
    desk = Desk(make("smooth_wrr", random_start=True), weights, seed=seed)
    counts = np.bincount(desk.routes(200), minlength=len(weights))
    exact = 200 * np.array(weights) / np.sum(weights)
    assert np.all(np.abs(counts - exact) <= len(weights))


def test_edf_known_order():
    """Weights 3, 2, 1: deadlines 1/3, 1/2, 1 and on; the three of time 1 in the order they were put back.

    Server b was put back at 1/2, a at 2/3, c at the start: c comes first, then b, then a.
    """
    desk = Desk(make("edf_wrr", random_start=False), [3, 2, 1])
    assert sequence(desk, 6) == "abacba"


def test_edf_equal_weights_are_round_robin():
    assert sequence(Desk(make("edf_wrr", random_start=False), [2, 2, 2]), 7) == "abcabca"


@pytest.mark.parametrize("name", ["edf_wrr", "smooth_wrr"])
@given(weights=st.lists(st.floats(0.1, 10), min_size=2, max_size=6), seed=st.integers(0, 99))
def test_shares_are_exact_up_to_a_constant(name, weights, seed):
    desk = Desk(name, weights, seed=seed)
    counts = np.bincount(desk.routes(300), minlength=len(weights))
    exact = 300 * np.array(weights) / np.sum(weights)
    assert np.all(np.abs(counts - exact) <= len(weights))


def test_edf_starts_anywhere_in_the_first_period():
    desk = Desk("edf_wrr", [1, 4], balancers=2000)
    first = desk.board.mem[:, 0]
    assert (first >= 0).all()
    assert (first[:, 0] < 1).all()
    assert (first[:, 1] < 0.25).all()
    # means of 2000 uniform deadlines: standard error period / sqrt(12 * 2000), within 4.5 of them
    np.testing.assert_allclose(first.mean(axis=0), [0.5, 0.125], atol=4.5 / np.sqrt(24_000))


def test_edf_does_not_let_a_server_catch_up():
    desk = Desk(make("edf_wrr", random_start=False), [1, 1])
    desk.up[1] = 0
    assert sequence(desk, 10) == "a" * 10
    desk.up[1] = 1
    counts = Counter(sequence(desk, 10))
    assert counts["b"] <= 6


def test_envoy_weighted_regime_by_hand():
    """Weights 2, 1 and no answers: a pick moves the deadline on by (active + 1) / weight, active before it counts.

    a at .5, next 1.0; b at 1 (it waited longer than a), next 2; a at 1, next 2; b at 2, next 4; a at 2, next 3.5;
    a at 3.5, next 5.5; b at 4.
    """
    desk = Desk(make("envoy_least_request", random_start=False), [2, 1])
    assert "".join(LETTERS[desk.route()] for _ in range(7)) == "abababa"[:5] + "ab"


def test_envoy_without_bias_is_edf():
    ours = Desk(make("envoy_least_request", active_request_bias=0.0, random_start=False), [3, 2, 1])
    assert [ours.route() for _ in range(60)] == Desk(make("edf_wrr", random_start=False), [3, 2, 1]).routes(
        60
    )


def test_envoy_equal_regime_is_best_of_two_with_replacement():
    """Server 0 has 9 requests, the others none: it is chosen only if drawn twice, 1 / 16 of the time."""
    desk = Desk("envoy_least_request", [1, 1, 1, 1])
    desk.active[0] = 9
    counts = np.bincount(desk.routes(20_000), minlength=4)
    assert abs(counts[0] - 1250) < 4.5 * np.sqrt(20_000 / 16 * 15 / 16)  # error 7e-6
