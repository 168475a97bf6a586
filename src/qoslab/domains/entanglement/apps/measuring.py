"""Measurements of both halves of delivered pairs, drawn, and what they are on average."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Raw", "chsh", "correlation", "error_rates", "sift_bb84", "sift_e91", "teleportation_fidelity"]

FloatArray = NDArray[np.float64]
Bits = NDArray[np.uint8]

ALICE = (0.0, math.pi / 4, math.pi / 2)
BOB = (math.pi / 4, math.pi / 2, 3 * math.pi / 4)
"""E91's angles in the X-Z plane, from Z."""


class Raw(NamedTuple):
    """Sifted bits.

    Attributes:
        alice: Her bits, shape (n,).
        bob: His, shape (n,).
        second: Which of the two bases or settings each bit was measured in, shape (n,).
        chsh: The correlation S that E91 saw; None in BB84 or where some setting was never met.
        met: How often the rarest of its four settings was met.
    """

    alice: Bits
    bob: Bits
    second: NDArray[np.bool_]
    chsh: float | None = None
    met: int = 0


def error_rates(pairs: FloatArray) -> FloatArray:
    """Error rate of each pair measured in Z and in X: (P_X + P_Y, P_Z + P_Y), shape (n, 2)."""
    return np.stack([pairs[:, 2] + pairs[:, 3], pairs[:, 1] + pairs[:, 3]], axis=1)


def correlation(pairs: FloatArray, a: FloatArray, b: FloatArray) -> FloatArray:
    """E(a, b) = (1 - 2 e_Z) cos a cos b + (1 - 2 e_X) sin a sin b of spins at angles a and b, shape (n,)."""
    spread = 1 - 2 * error_rates(pairs)
    return np.asarray(spread[:, 0] * np.cos(a) * np.cos(b) + spread[:, 1] * np.sin(a) * np.sin(b))


def chsh(pair: FloatArray) -> float:
    """S of a pair at E91's angles, sqrt(2) (2 - 2 e_Z - 2 e_X); more than 2 shows entanglement."""
    return float(math.sqrt(2) * (2 - 2 * error_rates(pair[None])[0].sum()))


def teleportation_fidelity(fidelity: float) -> float:
    """Mean fidelity of a qubit teleported over a pair, (2 F + 1) / 3 (Horodecki 1999)."""
    return (2 * fidelity + 1) / 3


def sift_bb84(pairs: FloatArray, rng: np.random.Generator) -> Raw:
    """Measure every pair in Z or X, each side by its own lot, and keep where both chose the same.

    Args:
        pairs: Bell-diagonal states, shape (n, 4).
        rng: Source of randomness.
    """
    bases = rng.random((2, len(pairs))) < 0.5
    alice = (rng.random(len(pairs)) < 0.5).astype(np.uint8)
    rate = np.where(bases[0], error_rates(pairs)[:, 1], error_rates(pairs)[:, 0])
    bob = alice ^ (rng.random(len(pairs)) < rate).astype(np.uint8)
    same = bases[0] == bases[1]
    return Raw(alice[same], bob[same], bases[0][same])


def sift_e91(pairs: FloatArray, rng: np.random.Generator) -> Raw:
    """Measure every pair at one of three angles a side; equal angles give key bits, the others S (Ekert 1991)."""
    settings = rng.integers(0, 3, (2, len(pairs)))
    a, b = np.array(ALICE)[settings[0]], np.array(BOB)[settings[1]]
    alice = (rng.random(len(pairs)) < 0.5).astype(np.uint8)
    bob = alice ^ (rng.random(len(pairs)) < (1 - correlation(pairs, a, b)) / 2).astype(np.uint8)
    product = 1.0 - 2.0 * (alice ^ bob)
    seen: float | None = 0.0
    met = len(pairs)
    for i, j, sign in ((0, 0, 1), (0, 2, -1), (2, 0, 1), (2, 2, 1)):
        here = (settings[0] == i) & (settings[1] == j)
        met = min(met, int(here.sum()))
        seen = seen + sign * float(product[here].mean()) if seen is not None and here.any() else None
    same = settings[0] == settings[1] + 1
    return Raw(alice[same], bob[same], settings[0][same] == 2, seen, met)
