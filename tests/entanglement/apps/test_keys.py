"""Keys against their closed forms; each step against its definition."""

import math

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.domains.entanglement.apps.cascade import reconcile
from qoslab.domains.entanglement.apps.keys import KeyRules, asymptotic_rate, finite_length, make_key, toeplitz
from qoslab.domains.entanglement.apps.measuring import (
    chsh,
    error_rates,
    sift_bb84,
    sift_e91,
    teleportation_fidelity,
)


def werner(w, count):
    return np.tile([(1 + 3 * w) / 4, *((1 - w) / 4,) * 3], (count, 1))


def entropy(x):
    return -x * math.log2(x) - (1 - x) * math.log2(1 - x)


def test_bb84_errs_as_often_as_the_state_says():
    # Two rates at 4.5 standard errors: wrong by chance once in 70 000.
    rng = np.random.default_rng(1)
    pairs = np.tile([0.86, 0.08, 0.04, 0.02], (40_000, 1))
    raw = sift_bb84(pairs, rng)
    assert abs(len(raw.alice) - 20_000) < 4.5 * 100
    for second, rate in ((False, 0.06), (True, 0.10)):
        here = raw.second == second
        wrong = (raw.alice != raw.bob)[here].mean()
        assert abs(wrong - rate) < 4.5 * math.sqrt(rate * (1 - rate) / here.sum())


def test_e91_sees_the_correlation_of_the_state():
    rng = np.random.default_rng(2)
    pairs = werner(0.9, 90_000)
    assert chsh(pairs[0]) == pytest.approx(2 * math.sqrt(2) * 0.9)
    raw = sift_e91(pairs, rng)
    # Four means of 10 000 products each: standard error below 0.02.
    assert abs(raw.chsh - chsh(pairs[0])) < 4.5 * 0.02
    assert abs((raw.alice != raw.bob).mean() - 0.05) < 4.5 * math.sqrt(0.05 * 0.95 / len(raw.alice))
    assert len(raw.alice) == pytest.approx(90_000 * 2 / 9, rel=0.05)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.1])
def test_cascade_mends_all_errors_at_a_small_price(rate):
    rng = np.random.default_rng(3)
    alice = rng.integers(0, 2, 10_000).astype(np.uint8)
    bob = alice ^ (rng.random(10_000) < rate).astype(np.uint8)
    before = bob.copy()
    found, leaked = reconcile(alice, bob, rate, rng)
    assert (found == alice).all()
    assert (bob == before).all()
    if rate:
        # Never below Shannon's limit; Cascade is known to stay within about a quarter of it.
        assert 1.0 <= leaked / (10_000 * entropy(rate)) < 1.3
    else:
        assert leaked <= 8


def test_cascade_of_nothing():
    empty = np.zeros(0, np.uint8)
    found, leaked = reconcile(empty, empty, 0.1, np.random.default_rng(0))
    assert len(found) == leaked == 0


def test_the_hash_is_a_toeplitz_matrix():
    bits = np.random.default_rng(4).integers(0, 2, 37).astype(np.uint8)
    seed = np.random.default_rng(9).integers(0, 2, 37 + 12 - 1)
    matrix = np.array([[seed[36 + i - j] for j in range(37)] for i in range(12)])
    assert (toeplitz(bits, 12, np.random.default_rng(9)) == matrix @ bits % 2).all()


def test_the_asymptotic_rate():
    assert asymptotic_rate(0.0) == 1.0
    assert asymptotic_rate(0.05) == pytest.approx(1 - 2 * entropy(0.05))
    assert asymptotic_rate(0.06, 0.1) == pytest.approx(1 - entropy(0.06) - entropy(0.1))
    assert asymptotic_rate(0.1100) > 0 == asymptotic_rate(0.1101)
    assert error_rates(werner(0.8, 1))[0] == pytest.approx([0.1, 0.1])


def test_finite_keys_grow_towards_the_limit():
    rules, q = KeyRules(), 0.03
    shares = []
    for kept in (1_000, 10_000, 10**6, 10**10):
        leaked = math.ceil(kept * entropy(q))
        shares.append(finite_length(kept, kept // 2, q, leaked, rules) / kept)
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(asymptotic_rate(q), abs=1e-3)
    assert shares[-1] < asymptotic_rate(q)


@pytest.mark.parametrize("protocol", ["bb84", "e91"])
def test_both_users_hold_the_same_key(protocol):
    pairs = werner(0.95, 60_000)
    key = make_key(pairs, KeyRules(protocol=protocol, finite=False), np.random.default_rng(5))
    assert key.reason == ""
    assert (key.alice == key.bob).all()
    kept = key.sifted - math.ceil(0.1 * key.sifted)
    # Cascade leaks up to 1.3 h(Q); Q is known from a tenth of the bits, within 4.5 standard errors.
    spread = 4.5 * math.sqrt(0.025 * 0.975 / (0.1 * key.sifted))
    low = 1 - entropy(0.025 + spread) - 1.3 * entropy(0.025 + spread)
    assert low - 100 / kept <= len(key.alice) / kept <= 1 - entropy(0.025 - spread)
    finite = make_key(pairs, KeyRules(protocol=protocol), np.random.default_rng(5))
    assert 0 < len(finite.alice) < len(key.alice)


def test_poor_pairs_give_no_key():
    poor = make_key(werner(0.7, 20_000), KeyRules(), np.random.default_rng(6))
    assert len(poor.alice) == 0
    assert "no secret is left" in poor.reason
    flat = make_key(werner(0.6, 20_000), KeyRules(protocol="e91"), np.random.default_rng(7))
    assert "no entanglement" in flat.reason
    assert "same basis" in make_key(np.zeros((0, 4)), KeyRules(), np.random.default_rng(8)).reason


def test_teleportation_fidelity_is_the_mean_over_states():
    # The pair's Pauli errors act on the teleported qubit; the mean over the sphere is taken exactly, by its six poles.
    pair = np.array([0.8, 0.1, 0.06, 0.04])
    poles = {"Z": (1, 1, -1, -1), "X": (1, -1, 1, -1), "Y": (1, -1, -1, 1)}  # sign under I, Z, X, Y
    mean = np.mean([(1 + np.dot(pair, signs)) / 2 for signs in poles.values()])
    assert teleportation_fidelity(0.8) == pytest.approx(mean)


def test_wrong_input_is_named():
    with pytest.raises(BadInput, match=r"tested is 1\.5"):
        KeyRules(tested=1.5)
    with pytest.raises(BadInput, match="four probabilities"):
        make_key(np.ones((5, 4)), KeyRules(), np.random.default_rng(0))
