# mypy: disable-error-code="no-any-return"
"""Arithmetic of shared pairs: Bell-diagonal vectors and Werner parameters, swapped, stored and purified.

A Bell-diagonal pair is a vector of four probabilities in the order I, Z, X, Y: which Pauli operator on one qubit
stands between the pair and Phi+. The place of each is its bits (x, z), so two errors in a row are the exclusive or
of their places. A Werner pair is one number w, with fidelity F = (3 w + 1) / 4 and -1/3 <= w <= 1.

All functions are kernels; those with `out` write there, and `out` may not be one of their inputs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = [
    "AMPLITUDE_DAMPING",
    "BBPSSW",
    "BIT_FLIP",
    "DEJMPS",
    "DEPHASING",
    "DEPOLARISING",
    "PERFECT",
    "Pair",
    "bbpssw_werner",
    "bell_of_werner",
    "compose",
    "copy_pair",
    "fidelity_of_werner",
    "joint_readout",
    "memory_errors",
    "purify",
    "purify_as_kept",
    "swap_werner",
    "twirl",
    "twirled",
    "werner_factor",
    "werner_of_fidelity",
]

Pair = NDArray[np.float64]
"""Probabilities of I, Z, X, Y, shape (4,), sum 1."""

PERFECT, DEPHASING, DEPOLARISING, BIT_FLIP, AMPLITUDE_DAMPING = range(5)
"""What a memory does to a stored qubit."""

BBPSSW, DEJMPS = range(2)
"""Schemes of purification."""


@kernel(inline=True)
def fidelity_of_werner(w: float) -> float:
    """Fidelity with Phi+ of a Werner pair."""
    return (3.0 * w + 1.0) / 4.0


@kernel(inline=True)
def werner_of_fidelity(fidelity: float) -> float:
    """Werner parameter of a fidelity."""
    return (4.0 * fidelity - 1.0) / 3.0


@kernel(inline=True)
def swap_werner(first: float, second: float, gate: float) -> float:
    """Werner parameter after a swap whose Bell measurement is followed by white noise with probability 1 - gate."""
    return first * second * gate


@kernel(inline=True)
def twirl(pair: Pair) -> float:
    """Werner parameter of a Bell-diagonal pair after random bilateral rotations; fidelity stays."""
    return (4.0 * pair[0] - 1.0) / 3.0


@kernel
def bell_of_werner(w: float, out: Pair) -> None:
    """The vector of a Werner pair."""
    out[0] = (1.0 + 3.0 * w) / 4.0
    out[1] = out[2] = out[3] = (1.0 - w) / 4.0


@kernel
def copy_pair(pair: Pair, out: Pair) -> None:
    """The same state; assigning whole rows costs the compiler seconds."""
    for place in range(4):
        out[place] = pair[place]


@kernel
def compose(first: Pair, second: Pair, out: Pair) -> None:
    """Errors one after another: the state after a swap of two pairs, or after a Pauli channel on one qubit."""
    for place in range(4):
        total = 0.0
        for error in range(4):
            total += first[error] * second[error ^ place]
        out[place] = total


@kernel
def memory_errors(kind: int, elapsed_s: float, time_s: float, out: Pair) -> None:
    """The Pauli channel of one stored qubit.

    With s = exp(-elapsed / time): dephasing is Z with probability (1 - s) / 2, bit flip X with the same,
    depolarising every error with (1 - s) / 4. Amplitude damping with 1 - gamma = s is twirled over the Paulis:
    I and Z with (2 - gamma +- 2 sqrt(1 - gamma)) / 4, X and Y with gamma / 4. All of them compose in time.

    Args:
        kind: `PERFECT`, `DEPHASING`, `DEPOLARISING`, `BIT_FLIP` or `AMPLITUDE_DAMPING`.
        elapsed_s: Time in memory, s, not negative.
        time_s: Time constant, s, positive, may be infinite.
        out: Probabilities of I, Z, X, Y.
    """
    out[1] = out[2] = out[3] = 0.0
    lost = -math.expm1(-elapsed_s / time_s)
    if kind == DEPHASING:
        out[1] = lost / 2.0
    elif kind == BIT_FLIP:
        out[2] = lost / 2.0
    elif kind == DEPOLARISING:
        out[1] = out[2] = out[3] = lost / 4.0
    elif kind == AMPLITUDE_DAMPING:
        out[1] = (2.0 - lost - 2.0 * math.sqrt(1.0 - lost)) / 4.0
        out[2] = out[3] = lost / 4.0
    out[0] = 1.0 - out[1] - out[2] - out[3]


@kernel(inline=True)
def werner_factor(errors: Pair) -> float:
    """What a Pauli channel on one qubit, then twirled, multiplies a Werner parameter by."""
    return (4.0 * errors[0] - 1.0) / 3.0


@kernel(inline=True)
def _rotated(place: int, scheme: int) -> int:
    """Where DEJMPS finds the probability of a place: its rotations exchange Z and Y."""
    return place ^ 2 if scheme == DEJMPS and place & 1 else place


@kernel
def purify(kept: Pair, spent: Pair, scheme: int, gate: float, readout: float, out: Pair) -> float:
    """One round of two-to-one purification by bilateral CNOTs on any two Bell-diagonal pairs.

    DEJMPS (Deutsch et al. 1996) begins with rotations; the same without them is, on Werner pairs, BBPSSW (Bennett
    et al. 1996) before its final twirl. A CNOT is replaced by white noise on its two qubits with probability 1 - gate,
    each of the two read-outs is wrong with probability 1 - readout; a Bell-diagonal pair of pairs is then wholly
    mixed unless both CNOTs were good, and a wrong coincidence is taken with probability 2 readout (1 - readout).

    Args:
        kept: The pair that stays.
        spent: The pair that is measured.
        scheme: `BBPSSW` or `DEJMPS`.
        gate: Probability that a CNOT is good.
        readout: Probability that a read-out is right.
        out: The kept pair after success.

    Returns:
        Probability of success.
    """
    good = gate * gate
    wrong = 2.0 * readout * (1.0 - readout)
    success = 0.0
    for place in range(4):
        total = 0.0
        for z in range(2):
            first = kept[_rotated(place & 2 | z, scheme)]
            same = _rotated(place & 2 | (z ^ (place & 1)), scheme)
            other = _rotated((place & 2) ^ 2 | (z ^ (place & 1)), scheme)
            total += first * ((1.0 - wrong) * spent[same] + wrong * spent[other])
        out[place] = good * total + (1.0 - good) / 8.0
        success += out[place]
    for place in range(4):
        out[place] /= success
    return success


@kernel
def purify_as_kept(
    kept: Pair, spent: Pair, scheme: int, gate: float, readout: float, bell: int, out: Pair
) -> float:
    """`purify` with the twirls of its scheme: BBPSSW twirls before and after, states kept as Werner's after.

    Args:
        kept: The pair that stays; twirled where the scheme asks for it.
        spent: The pair that is measured; likewise.
        scheme: `BBPSSW` or `DEJMPS`.
        gate: Probability that a CNOT is good.
        readout: Probability that a read-out is right.
        bell: 0 where only Werner states are kept.
        out: The kept pair after success.

    Returns:
        Probability of success.
    """
    if scheme == BBPSSW:
        bell_of_werner(twirl(kept), kept)
        bell_of_werner(twirl(spent), spent)
    success = purify(kept, spent, scheme, gate, readout, out)
    if scheme == BBPSSW or bell == 0:
        bell_of_werner(twirl(out), out)
    return success


def twirled(pair: Pair) -> Pair:
    """The Werner pair of the same fidelity."""
    return np.array([pair[0], *[(1.0 - pair[0]) / 3.0] * 3])


@kernel
def joint_readout(left: float, right: float) -> float:
    """The read-out probability with which two nodes alike are as often wrong about a coincidence as these two."""
    wrong = left * (1.0 - right) + right * (1.0 - left)
    return (1.0 + math.sqrt(max(0.0, 1.0 - 2.0 * wrong))) / 2.0


@kernel
def bbpssw_werner(kept: float, spent: float, gate: float, readout: float) -> tuple[float, float]:
    """One round of BBPSSW on two Werner pairs of any fidelities, twirled at the end.

    Returns:
        Probability of success, and the Werner parameter after it.
    """
    good = gate * gate
    right = 1.0 - 2.0 * readout * (1.0 - readout)
    f, g = fidelity_of_werner(kept), fidelity_of_werner(spent)
    e, d = (1.0 - f) / 3.0, (1.0 - g) / 3.0
    same, other = f * g + e * d, f * d + e * d
    agree = f * g + f * d + e * g + 5.0 * e * d
    differ = 1.0 - agree
    success = good * (right * agree + (1.0 - right) * differ) + (1.0 - good) / 2.0
    fidelity = good * (right * same + (1.0 - right) * other) + (1.0 - good) / 8.0
    return success, werner_of_fidelity(fidelity / success)
