"""The parts that policies are built from: lots, ties, alias tables, hashes."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.balancing.choosing import (
    alias_table,
    another,
    drawn,
    least_of,
    weighted,
    weighted_by_table,
)
from qoslab.domains.balancing.hashing import hash_bits, hash_unit
from qoslab.engine.streams import stream

DRAWS = 20_000


def close(counts, shares, draws=DRAWS):
    """Every count within 4.5 standard deviations of its binomial law: error below 7e-6 a count, 1e-4 a test."""
    shares = np.asarray(shares)
    limit = 4.5 * np.sqrt(draws * shares * (1 - shares))
    return np.all(np.abs(np.asarray(counts) - draws * shares) <= limit + 1e-9)


def tally(draw, n):
    return np.bincount([draw() for _ in range(DRAWS)], minlength=n)


def test_drawn_is_uniform_over_the_others_that_are_up():
    up, s = np.array([1, 0, 1, 1, 0]), stream(1)
    assert close(tally(lambda: drawn(up, s, -1), 5), [1 / 3, 0, 1 / 3, 1 / 3, 0])
    assert close(tally(lambda: drawn(up, s, 2), 5), [1 / 2, 0, 0, 1 / 2, 0])


def test_drawn_without_any_other():
    assert drawn(np.array([0, 1, 0]), stream(1), 1) == 1
    assert drawn(np.array([0, 0, 0]), stream(1), -1) == 0


def test_another_is_uniform_over_what_is_left():
    up, chosen, s = np.array([1, 1, 1, 0, 1]), np.array([1.0, 4.0, 2.0]), stream(2)
    assert close(tally(lambda: another(chosen, 2, up, s), 5), [1 / 2, 0, 1 / 2, 0, 0])
    assert another(np.array([0.0, 1.0]), 2, np.array([1, 1, 0]), s) == -1


def test_least_of_breaks_ties_uniformly_and_skips_what_is_down():
    scores, up, s = np.array([1.0, 1.0, 0.0, 2.0, 1.0]), np.array([1, 1, 0, 1, 1]), stream(3)
    assert close(tally(lambda: least_of(scores, up, s), 5), [1 / 3, 1 / 3, 0, 0, 1 / 3])


def test_least_of_infinite_scores_is_any_server_that_is_up():
    scores, up = np.full(3, math.inf), np.array([0, 1, 0])
    assert least_of(scores, up, stream(3)) == 1


def test_weighted_shares():
    weight, up, s = np.array([5.0, 1.0, 0.0, 4.0, 7.0]), np.array([1, 1, 1, 1, 0]), stream(4)
    assert close(tally(lambda: weighted(weight, up, s), 5), [0.5, 0.1, 0, 0.4, 0])
    assert close(tally(lambda: weighted(np.zeros(5), up, s), 5), [0.25, 0.25, 0.25, 0.25, 0])


def test_table_shares_with_a_server_down():
    weight, up, s = np.array([5.0, 1.0, 4.0, 10.0]), np.array([1, 1, 1, 0]), stream(5)
    table = alias_table(weight)
    assert close(tally(lambda: weighted_by_table(table, weight, up, s), 4), [0.5, 0.1, 0.4, 0])
    up[3] = 1
    assert close(tally(lambda: weighted_by_table(table, weight, up, s), 4), [0.25, 0.05, 0.2, 0.5])


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_alias_table_holds_exactly_the_shares(weights):
    n, table = len(weights), alias_table(np.array(weights, float))
    shares = [Fraction(0)] * n
    for j in range(n):
        shares[j] += Fraction(float(table[j])) / n
        shares[int(table[n + j])] += (1 - Fraction(float(table[j]))) / n
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(weight, sum(weights))) < 1e-12


def test_mixing_is_the_published_splitmix64():
    """First words of SplitMix64 from seed 0, as Java's SplittableRandom and the reference C code give them."""
    from qoslab.domains.balancing.hashing import _mixed

    golden, mask = 0x9E3779B97F4A7C15, 2**64 - 1
    words = [_mixed(golden * k & mask) for k in (1, 2, 3)]
    assert words == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_hash_units_are_uniform_and_of_two_salts_uncorrelated():
    """Chi-square over 64 cells and correlation of 20 000 pairs, each within 4.5 standard deviations."""
    first = np.array([hash_unit(k, 0) for k in range(DRAWS)])
    second = np.array([hash_unit(k, 1) for k in range(DRAWS)])
    for each in (first, second):
        assert each.min() > 0
        assert each.max() < 1
        counts = np.bincount((each * 64).astype(int), minlength=64)
        chi = ((counts - DRAWS / 64) ** 2 / (DRAWS / 64)).sum()
        assert abs(chi - 63) < 4.5 * math.sqrt(2 * 63)
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / math.sqrt(DRAWS)


@pytest.mark.parametrize("count", [1, 8, 52, 63])
def test_hash_bits_are_the_top_ones(count):
    assert hash_bits(12345, 7, 63) >> (63 - count) == hash_bits(12345, 7, count)
