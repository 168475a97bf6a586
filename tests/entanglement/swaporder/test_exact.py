"""The exact distribution against enumeration of all outcomes, and against draws."""

from itertools import pairwise, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.entanglement.swaporder.exact import evaluate, simulate
from qoslab.domains.entanglement.swaporder.moments import minimum, thinned
from qoslab.domains.entanglement.swaporder.path import SwapLink, SwapPath
from qoslab.domains.entanglement.swaporder.tree import all_trees, balanced, from_sequence, ranks


def binomial(n, p, k):
    return comb(n, k) * p**k * (1 - p) ** (n - k)


def random_path(rng, repeaters, attempts=(20, 120), success=(0.05, 0.6), *, mixed=False):
    links = tuple(
        SwapLink(int(rng.integers(*attempts)), float(rng.uniform(*success))) for _ in range(repeaters + 1)
    )
    swaps = tuple(float(rng.uniform(0.3, 1)) if mixed else 0.5 for _ in range(repeaters))
    return SwapPath(links, swaps)


def test_two_links_against_all_outcomes():
    path = SwapPath((SwapLink(3, 0.4), SwapLink(5, 0.2)), (0.7,))
    pmf = np.zeros(4)
    for i, j in product(range(4), range(6)):
        for k in range(min(i, j) + 1):
            pmf[k] += binomial(3, 0.4, i) * binomial(5, 0.2, j) * binomial(min(i, j), 0.7, k)
    np.testing.assert_allclose(evaluate(path, (None, 1, None)).pmf, pmf, atol=1e-12)


@pytest.mark.parametrize(("capacity", "mean"), [(5, 0.262), (20, 1.502), (100, 8.875)])
def test_zero_pairs_count_as_zero(capacity, mean):
    # Reading k pairs as k + 1 would give 0.5 more in each of these.
    path = SwapPath((SwapLink(capacity, 0.2),) * 2, (0.5,))
    assert evaluate(path, (None, 1, None)).mean == pytest.approx(mean, abs=6e-4)


def test_exact_equals_draws():
    # Three paths at 4.5 standard errors: wrong by chance once in 50 000.
    rng = np.random.default_rng(5)
    for repeaters in (2, 3, 5):
        path = random_path(rng, repeaters, mixed=True)
        tree = balanced(repeaters + 1)
        exact, drawn = evaluate(path, tree), simulate(path, tree, rng, 40_000)
        assert abs(drawn.mean() - exact.mean) < 4.5 * (exact.variance / 40_000) ** 0.5
        assert drawn.var() == pytest.approx(exact.variance, rel=0.06)


def test_purified_segments_equal_draws():
    rng = np.random.default_rng(6)
    path = SwapPath(
        (SwapLink(60, 0.4, 0.9), SwapLink(80, 0.3, 0.92), SwapLink(70, 0.5, 0.95)), (0.6, 0.8), 0.99
    )
    tree, rounds = (None, 1, (None, 2, None)), {(0, 1): 1, (1, 3): 2, (0, 3): 1}
    exact, drawn = evaluate(path, tree, rounds), simulate(path, tree, rng, 60_000, rounds)
    assert abs(drawn.mean() - exact.mean) < 4.5 * (exact.variance / 60_000) ** 0.5
    assert exact.werner > evaluate(path, tree).werner


def test_waiting_and_heralds_cost_fidelity():
    links = tuple(SwapLink(50, 0.5, 0.95, length) for length in (10.0, 30.0, 20.0))
    path = SwapPath(links, (0.5, 0.5), 1.0, (0.001, 0.001), 2 / 0.1, 1 / 200_000)
    batch = evaluate(path, (None, 1, (None, 2, None)))
    inner_s = 0.001 + 30 / 200_000  # the swap, and the news along the longer side
    outer_s = 0.001 + 50 / 200_000
    waits_s = inner_s + inner_s + outer_s  # the joined pair, the left link meanwhile, and both to the end
    assert batch.werner == pytest.approx(0.95**3 * np.exp(-20 * waits_s))
    assert batch.ready_s == pytest.approx(inner_s + outer_s)


@given(st.data())
def test_ranks_state_their_tree(data):
    links = data.draw(st.integers(2, 12))
    tree = from_sequence(data.draw(st.permutations(range(1, links))), links)
    found = ranks(tree, links)
    remaining = list(range(links + 1))
    for rank in range(max(found)):
        together = [node for node in remaining if found[node] == rank]
        places = [remaining.index(node) for node in together]
        assert together
        assert all(b - a > 1 for a, b in pairwise(places))
        remaining = [node for node in remaining if found[node] != rank]
    assert remaining == [0, links]


def test_there_are_catalan_many_trees():
    assert [sum(1 for _ in all_trees(0, n + 1)) for n in range(8)] == [1, 1, 2, 5, 14, 42, 132, 429]


def test_moments_near_the_distribution():
    rng = np.random.default_rng(9)
    for _ in range(30):
        path = random_path(rng, 1)
        mean, variance = [], []
        for link in path.links:
            mean.append(np.array([link.attempts * link.success]))
            variance.append(mean[-1] * (1 - link.success))
        got = thinned(*minimum(mean[0], variance[0], mean[1], variance[1]), np.array([0.5]))
        exact = evaluate(path, (None, 1, None))
        assert got[0][0] == pytest.approx(exact.mean, rel=0.06)
        assert got[1][0] == pytest.approx(exact.variance, rel=0.15)


def test_a_path_needs_one_repeater_fewer_than_links():
    with pytest.raises(ValueError, match="2 links need 1 repeaters, not 2"):
        SwapPath((SwapLink(1, 0.5),) * 2, (0.5, 0.5))


def test_an_order_names_every_repeater():
    with pytest.raises(ValueError, match="each of the repeaters"):
        from_sequence([1, 1], 3)
