"""Pairs that nodes fuse: joint measurements of several qubits in the GHZ basis, and the pair that two users then have.

A fusion of n qubits, one of each of n pairs, projects them on GHZ states: what is left of the pairs is one GHZ state;
with n = 2 that is a swap. Qubits that nobody fused are measured in X, which takes them out, until two users' are left.

With Pauli errors (x, z) on the pairs, the users' two qubits are Phi+ but for a phase error, the exclusive or of z over
all pairs that were fused, and a bit error, that of x over the pairs on the way along which the bit parities are added
up (stabilisers: X on all qubits, Z Z on any two). A loop gives parities that could detect errors; they are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from math import inf, log, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Component", "Way", "components", "fused_state", "misread", "way_between"]

FloatArray = NDArray[np.float64]
_XOR = np.arange(4)[:, None] ^ np.arange(4)[None, :]


class Component(NamedTuple):
    """Pairs that fusions made one.

    Attributes:
        pairs: Their numbers, ascending.
        fusions: The places of the fusions.
    """

    pairs: tuple[int, ...]
    fusions: tuple[int, ...]


class Way(NamedTuple):
    """The pairs from one user to the other along which bit parities are added up.

    Attributes:
        pairs: Their numbers, from the source's on.
        fusions: The places of the fusions between them.
    """

    pairs: tuple[int, ...]
    fusions: tuple[int, ...]


def components(fusions: Sequence[Sequence[int]]) -> list[Component]:
    """The groups of pairs that fusions join, each fusion given by the numbers of its pairs."""
    group: dict[int, int] = {}
    for place, idents in enumerate(fusions):
        old = {group[ident] for ident in idents if ident in group}
        for ident in group:
            if group[ident] in old:
                group[ident] = place
        group.update(dict.fromkeys(idents, place))
    found = []
    for label in sorted(set(group.values())):
        pairs = tuple(sorted(ident for ident, own in group.items() if own == label))
        own = tuple(place for place, idents in enumerate(fusions) if idents and group[idents[0]] == label)
        found.append(Component(pairs, own))
    return found


def way_between(
    sources: Sequence[int],
    targets: Sequence[int],
    fusions: Mapping[int, Sequence[int]],
    states: Mapping[int, FloatArray],
) -> Way | None:
    """The way of least bit error from a pair that the source holds to one that the target holds.

    Bit errors of x_1, x_2, ... add up to (1 - prod (1 - 2 x)) / 2, so -ln (1 - 2 x) is a pair's cost.

    Args:
        sources: Pairs whose other end the source holds.
        targets: The same of the target.
        fusions: The pairs of each fusion, by its place.
        states: Probabilities of I, Z, X, Y of each pair.
    """
    of_pair: dict[int, list[int]] = {}
    for place, idents in fusions.items():
        for ident in idents:
            of_pair.setdefault(ident, []).append(place)
    queue: list[tuple[float, tuple[int, ...], tuple[int, ...]]] = [
        (_cost(states[ident]), (ident,), ()) for ident in sources
    ]
    queue.sort()
    done: set[int] = set()
    while queue:
        cost, pairs, passed = heappop(queue)
        if pairs[-1] in targets:
            return Way(pairs, passed)
        if pairs[-1] in done:
            continue
        done.add(pairs[-1])
        for place in of_pair.get(pairs[-1], ()):
            for ident in fusions[place]:
                if ident not in done and place not in passed:
                    heappush(queue, (cost + _cost(states[ident]), (*pairs, ident), (*passed, place)))
    return None


def _cost(state: FloatArray) -> float:
    kept = 1.0 - 2.0 * float(state[2] + state[3])
    return -log(kept) if kept > 0.0 else inf


def fused_state(way: Way, states: Mapping[int, FloatArray], gates: Mapping[int, float]) -> FloatArray:
    """Errors of the users' pair, probabilities of I, Z, X, Y.

    Args:
        way: Pairs and fusions whose bits and phases count; of all others the phases alone.
        states: Errors of each pair, shape (4,), by its number.
        gates: For each fusion, by its place, the probability that it works; one that does not tells nothing.
    """
    state, phase, worked = np.array([1.0, 0.0, 0.0, 0.0]), 1.0, 1.0
    for ident, errors in states.items():
        if ident in way.pairs:
            state = state[_XOR] @ errors
        else:
            phase *= 1.0 - 2.0 * float(errors[1] + errors[3])
    for place, gate in gates.items():
        if place in way.fusions:
            worked *= gate
        else:
            phase *= gate
    state = state[_XOR] @ np.array([(1.0 + phase) / 2.0, (1.0 - phase) / 2.0, 0.0, 0.0])
    return np.asarray(worked * state + (1.0 - worked) / 4.0)


def misread(
    state: FloatArray,
    way: Way,
    fusions: Mapping[int, Sequence[int]],
    readouts: Mapping[int, float],
    leaves: Sequence[float],
) -> FloatArray:
    """What wrong read-outs leave of the users' pair, probabilities of I, Z, X, Y.

    In a fusion CNOTs lead from the qubit of its first pair to all others, which are then read in Z, and the first in X.
    The first read-out tells the phase, each other whether its bit is the first's: on the way those count whose pairs
    the way goes over. Read-outs of qubits that nobody fused tell phases.

    Args:
        state: Errors of the pair with perfect read-outs, shape (4,).
        way: Pairs and fusions whose bits count.
        fusions: The pairs of each fusion, by its place.
        readouts: Probability that each fusion's node reads a qubit right, by the fusion's place.
        leaves: The same for each qubit that nobody fused, nor kept.
    """
    phase = prod(2.0 * right - 1.0 for right in (*readouts.values(), *leaves))
    bit = 1.0
    for place, *ends in zip(way.fusions, way.pairs, way.pairs[1:], strict=False):
        bit *= (2.0 * readouts[place] - 1.0) ** sum(ident != fusions[place][0] for ident in ends)
    if phase == bit == 1.0:
        return state
    z, x = (1.0 - phase) / 2.0, (1.0 - bit) / 2.0
    return np.asarray(state[_XOR] @ np.array([(1.0 - z) * (1.0 - x), z * (1.0 - x), x * (1.0 - z), z * x]))
