"""What a pair is worth, and what joining and purifying do to Werner pairs."""

from __future__ import annotations

import math
from typing import Any

from qoslab.domains.entanglement.swaporder.path import Goal

__all__ = ["binary_entropy", "hashing_bound", "key_fraction", "purify", "worth"]


def binary_entropy(x: float) -> float:
    """h(x) = -x log2 x - (1 - x) log2 (1 - x) in bits, for x in [0, 1]."""
    return 0.0 if x <= 0 or x >= 1 else -x * math.log2(x) - (1 - x) * math.log2(1 - x)


def key_fraction(werner: float) -> float:
    """Asymptotic BB84 key bits per sifted Werner pair: max(0, 1 - 2 h(Q)), Q = (1 - w) / 2."""
    return max(0.0, 1 - 2 * binary_entropy((1 - werner) / 2))


def hashing_bound(werner: float) -> float:
    """One-way distillable entanglement 1 - H(F, (1 - F) / 3 three times) of a Werner pair, in ebits."""
    fidelity = (3 * werner + 1) / 4
    return max(0.0, 1 - binary_entropy(fidelity) - (1 - fidelity) * math.log2(3))


def worth(werner: float, goal: Goal) -> float:
    """What one end-to-end pair counts for under a goal."""
    if (3 * werner + 1) / 4 < goal.minimum_fidelity - 1e-12:
        return 0.0
    if goal.objective == "secret_key":
        return key_fraction(werner)
    return hashing_bound(werner) if goal.objective == "distillable" else 1.0


def purify(first: Any, second: Any) -> tuple[Any, Any]:
    """BBPSSW on two Werner pairs (Bennett et al. 1996), twirled afterwards; elementwise.

    Args:
        first: Werner parameter of the pair that is kept.
        second: Werner parameter of the pair that is measured.

    Returns:
        Probability of success, and the Werner parameter after it.
    """
    a, b = (3 * first + 1) / 4, (3 * second + 1) / 4
    success = a * b + (a * (1 - b) + b * (1 - a)) / 3 + 5 * (1 - a) * (1 - b) / 9
    fidelity = (a * b + (1 - a) * (1 - b) / 9) / success
    return success, (4 * fidelity - 1) / 3
