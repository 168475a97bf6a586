"""Secret keys from delivered pairs: sift, estimate, reconcile, amplify; and their length in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.apps.cascade import reconcile
from qoslab.domains.entanglement.apps.measuring import Raw, sift_bb84, sift_e91
from qoslab.domains.entanglement.swaporder.value import binary_entropy

__all__ = ["Key", "KeyRules", "asymptotic_rate", "finite_length", "make_key", "toeplitz"]

FloatArray = NDArray[np.float64]
Bits = NDArray[np.uint8]

_BOUND = 2.0
"""Largest CHSH value without entanglement."""


@dataclass(frozen=True)
class KeyRules:
    """How a key is made.

    Attributes:
        protocol: `bb84` or `e91`.
        tested: Share of the sifted bits that is compared in public and given up.
        finite: Whether the key is shortened for statistics; else only for what the error rate tells.
        secrecy: Distance from a perfect key that is allowed, epsilon_sec.
        correctness: Probability that the keys differ, epsilon_cor; one hash of log2(1 / epsilon_cor) bits checks it.
        errors: `alike` where the errors that an eavesdropper could have made are taken to be as many as the wrong
            bits, which holds for Werner pairs; `apart` where they are estimated: in BB84 each basis makes a key of its
            own whose secrecy is judged by the other's errors, in E91 they follow from S (see `make_key`).
    """

    protocol: Literal["bb84", "e91"] = "bb84"
    tested: float = 0.1
    finite: bool = True
    secrecy: float = 1e-9
    correctness: float = 1e-12
    errors: Literal["alike", "apart"] = "alike"

    def __post_init__(self) -> None:
        """Refuse shares and probabilities outside (0, 1).

        Raises:
            BadInput: One of them is.
        """
        for name in ("tested", "secrecy", "correctness"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise BadInput(Problem(message=f"{name} is {value:g}, must lie between 0 and 1", field=name))


@dataclass(frozen=True)
class Key:
    """What came out.

    Attributes:
        alice: Her key; empty where no secret is left.
        bob: His.
        sifted: Bits after sifting.
        error_rate: As estimated from the tested bits; 1 where none were there.
        leaked: Bits told in reconciliation and in its check.
        chsh: S of E91; None in BB84.
        reason: Why there is no key; empty where there is one.
    """

    alice: Bits
    bob: Bits
    sifted: int
    error_rate: float
    leaked: int
    chsh: float | None
    reason: str


def asymptotic_rate(error_rate: float, second: float | None = None) -> float:
    """Key bits per sifted bit with perfect reconciliation, 1 - h(e_Z) - h(e_X), not below 0 (Shor and Preskill)."""
    other = error_rate if second is None else second
    return max(0.0, 1.0 - binary_entropy(min(error_rate, 0.5)) - binary_entropy(min(other, 0.5)))


def finite_length(
    kept: int, tested: int, error_rate: float, leaked: int, rules: KeyRules, doubt: float = 0.0
) -> int:
    """Secret bits that may be taken of `kept` reconciled ones.

    l = n (1 - h(Q + mu)) - leak - log2(2 / (epsilon_sec^2 epsilon_cor)),
    mu = sqrt((n + k)(k + 1) / (n k^2) ln(2 / epsilon_sec)), after Tomamichel, Lim, Gisin and Renner (2012); without
    `finite`, l = n (1 - h(Q)) - leak.

    Args:
        kept: Bits, n.
        tested: Bits that Q was estimated from, k.
        error_rate: Q, of the basis that these bits were not measured in.
        leaked: Bits told in reconciliation and in its check.
        rules: How the key is made.
        doubt: How far Q may be off beyond mu.
    """
    if kept < 1 or tested < 1:
        return 0
    toll = 0.0
    if rules.finite:
        doubt += math.sqrt((kept + tested) * (tested + 1) / (kept * tested**2) * math.log(2 / rules.secrecy))
        toll = math.log2(2 / (rules.secrecy**2 * rules.correctness))
    secret = kept * (1 - binary_entropy(min(error_rate + doubt, 0.5))) - leaked - toll
    return max(0, math.floor(secret))


def toeplitz(bits: Bits, length: int, rng: np.random.Generator) -> Bits:
    """A random Toeplitz matrix of shape (length, n) times the bits, modulo 2: a two-universal hash.

    Args:
        bits: Shape (n,).
        length: Bits of the result.
        rng: Draws the n + length - 1 public bits of the matrix.
    """
    from scipy.signal import fftconvolve

    if length < 1:
        return np.zeros(0, np.uint8)
    seed = rng.integers(0, 2, len(bits) + length - 1)
    sums = fftconvolve(seed.astype(np.float64), bits.astype(np.float64))[
        len(bits) - 1 : len(bits) - 1 + length
    ]
    return np.asarray(np.rint(sums).astype(np.int64) % 2, np.uint8)


class _Sample(NamedTuple):
    """Sifted bits, of which a share was compared.

    Attributes:
        alice: Her bits that were not, shape (n,).
        bob: His, shape (n,).
        tested: How many were.
        rate: Which share of those differed; 1 where there were none.
    """

    alice: Bits
    bob: Bits
    tested: int
    rate: float


def make_key(pairs: FloatArray, rules: KeyRules, rng: np.random.Generator) -> Key:
    """The key that two users make of their pairs.

    With `errors = "apart"` BB84 makes one key of each basis and puts them together, each held to half of what secrecy
    and correctness allow. E91 takes the errors in the other basis as 1 - S / (2 sqrt 2) - Q: its bits err with e_X or
    with (e_Z + e_X) / 2, half of them each, and S tells e_Z + e_X; S itself is off by at most
    4 sqrt(2 ln(8 / epsilon_sec) / m) where each setting was met m times (Hoeffding). This is our derivation, for
    Bell-diagonal pairs.

    Args:
        pairs: Bell-diagonal states (I, Z, X, Y), shape (n, 4), each row a distribution.
        rules: How it is made.
        rng: All lots: bases, outcomes, tests, shuffles, hashes.

    Raises:
        BadInput: A row is no distribution.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 4 or (pairs < -1e-9).any() or not np.allclose(pairs.sum(1), 1):
        message = "pairs are rows of four probabilities (I, Z, X, Y) that add up to 1"
        raise BadInput(Problem(message=message, field="pairs"))
    raw = (sift_bb84 if rules.protocol == "bb84" else sift_e91)(pairs, rng)
    if rules.protocol == "bb84" and rules.errors == "apart" and len(raw.alice):
        return _of_both_bases(raw, rules, rng)
    sample = _sampled(raw.alice, raw.bob, rules, rng)
    reason = _refusal(raw, sample.rate, rules)
    if reason:
        return _none(raw, sample.rate, 0, reason)
    other, doubt = sample.rate, 0.0
    if rules.errors == "apart" and raw.chsh is not None:
        other = max(0.0, 1.0 - raw.chsh / math.sqrt(8) - sample.rate)
        doubt = (
            4.0 * math.sqrt(2.0 * math.log(8.0 / rules.secrecy) / raw.met) / math.sqrt(8)
            if rules.finite
            else 0.0
        )
    return _amplified(raw, sample, (other, sample.tested, doubt), rules, rng)


def _sampled(alice: Bits, bob: Bits, rules: KeyRules, rng: np.random.Generator) -> _Sample:
    chosen = rng.permutation(len(alice))
    count = math.ceil(rules.tested * len(chosen))
    tested, kept = chosen[:count], np.sort(chosen[count:])
    rate = float((alice[tested] != bob[tested]).mean()) if count else 1.0
    return _Sample(alice[kept], bob[kept], count, rate)


def _of_both_bases(raw: Raw, rules: KeyRules, rng: np.random.Generator) -> Key:
    """The keys of BB84's two bases one after another; the errors in one tell what may be known of the other."""
    half = replace(rules, secrecy=rules.secrecy / 2, correctness=rules.correctness / 2)
    picked = [raw.second == basis for basis in (False, True)]
    samples = [_sampled(raw.alice[here], raw.bob[here], rules, rng) for here in picked]
    keys = []
    for sample, other in zip(samples, samples[::-1], strict=True):
        reason = _refusal(raw, max(sample.rate, other.rate), rules)
        if reason:
            keys.append(_none(raw, sample.rate, 0, reason))
        else:
            keys.append(_amplified(raw, sample, (other.rate, other.tested, 0.0), half, rng))
    alice, bob = (np.concatenate([getattr(key, name) for key in keys]) for name in ("alice", "bob"))
    wrong = sum(sample.rate * sample.tested for sample in samples)
    rate = wrong / max(1, sum(sample.tested for sample in samples))
    reason = "" if len(alice) else keys[0].reason
    return Key(alice, bob, len(raw.alice), rate, sum(key.leaked for key in keys), None, reason)


def _amplified(
    raw: Raw, sample: _Sample, other: tuple[float, int, float], rules: KeyRules, rng: np.random.Generator
) -> Key:
    """Reconcile, check and shorten the bits that were not compared.

    Args:
        raw: What was sifted.
        sample: Its bits that this key is made of.
        other: Error rate of the other basis, from how many bits, and how far it may be off beyond their statistics.
        rules: How the key is made.
        rng: Shuffles and hashes.
    """
    bob, leaked = reconcile(sample.alice, sample.bob, sample.rate, rng)
    check = math.ceil(math.log2(1 / rules.correctness))
    key_seed = int(rng.integers(0, 2**63))
    hashes = [toeplitz(bits, check, np.random.default_rng(key_seed)) for bits in (sample.alice, bob)]
    leaked += check
    if (hashes[0] != hashes[1]).any():
        return _none(raw, sample.rate, leaked, "the keys still differ after reconciliation")
    length = finite_length(len(sample.alice), other[1], other[0], leaked, rules, other[2])
    if length < 1:
        return _none(raw, sample.rate, leaked, "no secret is left: too many errors for so few bits")
    key_seed = int(rng.integers(0, 2**63))
    keys = [toeplitz(bits, length, np.random.default_rng(key_seed)) for bits in (sample.alice, bob)]
    return Key(keys[0], keys[1], len(raw.alice), sample.rate, leaked, raw.chsh, "")


def _refusal(raw: Raw, rate: float, rules: KeyRules) -> str:
    if not len(raw.alice):
        return "no pair was measured in the same basis by both"
    if rules.protocol == "e91" and (raw.chsh is None or raw.chsh <= _BOUND):
        return "the correlations show no entanglement"
    return "as many bits are wrong as right" if rate >= 0.5 else ""


def _none(raw: Raw, rate: float, leaked: int, reason: str) -> Key:
    empty = np.zeros(0, np.uint8)
    return Key(empty, empty, len(raw.alice), rate, leaked, raw.chsh, reason)
