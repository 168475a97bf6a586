"""Secret keys from delivered pairs: sift, estimate, reconcile, amplify; and their length in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

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
    """

    protocol: Literal["bb84", "e91"] = "bb84"
    tested: float = 0.1
    finite: bool = True
    secrecy: float = 1e-9
    correctness: float = 1e-12

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


def finite_length(kept: int, tested: int, error_rate: float, leaked: int, rules: KeyRules) -> int:
    """Secret bits that may be taken of `kept` reconciled ones.

    l = n (1 - h(Q + mu)) - leak - log2(2 / (epsilon_sec^2 epsilon_cor)),
    mu = sqrt((n + k)(k + 1) / (n k^2) ln(2 / epsilon_sec)), after Tomamichel, Lim, Gisin and Renner (2012); without
    `finite`, l = n (1 - h(Q)) - leak.
    """
    if kept < 1 or tested < 1:
        return 0
    doubt, toll = 0.0, 0.0
    if rules.finite:
        doubt = math.sqrt((kept + tested) * (tested + 1) / (kept * tested**2) * math.log(2 / rules.secrecy))
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


def make_key(pairs: FloatArray, rules: KeyRules, rng: np.random.Generator) -> Key:
    """The key that two users make of their pairs.

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
    chosen = rng.permutation(len(raw.alice))
    count = math.ceil(rules.tested * len(chosen))
    tested, kept = chosen[:count], np.sort(chosen[count:])
    rate = float((raw.alice[tested] != raw.bob[tested]).mean()) if count else 1.0
    reason = _refusal(raw, rate, rules)
    if reason:
        return _none(raw, rate, 0, reason)
    bob, leaked = reconcile(raw.alice[kept], raw.bob[kept], rate, rng)
    check = math.ceil(math.log2(1 / rules.correctness))
    key_seed = int(rng.integers(0, 2**63))
    hashes = [toeplitz(bits, check, np.random.default_rng(key_seed)) for bits in (raw.alice[kept], bob)]
    leaked += check
    if (hashes[0] != hashes[1]).any():
        return _none(raw, rate, leaked, "the keys still differ after reconciliation")
    length = finite_length(len(kept), count, rate, leaked, rules)
    if length < 1:
        return _none(raw, rate, leaked, "no secret is left: too many errors for so few bits")
    key_seed = int(rng.integers(0, 2**63))
    keys = [toeplitz(bits, length, np.random.default_rng(key_seed)) for bits in (raw.alice[kept], bob)]
    return Key(keys[0], keys[1], len(raw.alice), rate, leaked, raw.chsh, "")


def _refusal(raw: Raw, rate: float, rules: KeyRules) -> str:
    if not len(raw.alice):
        return "no pair was measured in the same basis by both"
    if rules.protocol == "e91" and (raw.chsh is None or raw.chsh <= _BOUND):
        return "the correlations show no entanglement"
    return "as many bits are wrong as right" if rate >= 0.5 else ""


def _none(raw: Raw, rate: float, leaked: int, reason: str) -> Key:
    empty = np.zeros(0, np.uint8)
    return Key(empty, empty, len(raw.alice), rate, leaked, raw.chsh, reason)
