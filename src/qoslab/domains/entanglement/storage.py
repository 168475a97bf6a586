# mypy: disable-error-code="no-any-return"
"""What is left of a pair when it is delivered: each qubit's time in memory, each swap's noise."""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import LEFT, RIGHT, Chain, Physics, Store
from qoslab.domains.entanglement.states import (
    AMPLITUDE_DAMPING,
    BIT_FLIP,
    DEPHASING,
    DEPOLARISING,
    PERFECT,
    Pair,
    bell_of_werner,
    compose,
    fidelity_of_werner,
    memory_errors,
    werner_factor,
    werner_of_fidelity,
)
from qoslab.engine.kernel import kernel

__all__ = ["pair_fidelity"]


@kernel
def _mqns_errors(kind: int, elapsed_s: float, time_s: float, out: Pair) -> None:
    """Errors as MQNS 278041c has them on Bell-diagonal pairs: the whole of 1 - exp(-t / T) goes to the error."""
    lost = -math.expm1(-elapsed_s / time_s)
    out[:] = 0.0
    if kind == DEPHASING:
        out[1] = lost
    elif kind == BIT_FLIP:
        out[2] = lost
    elif kind == DEPOLARISING:
        out[1] = out[2] = out[3] = lost / 3.0
    elif kind == AMPLITUDE_DAMPING:
        out[1] = lost / 2.0
    out[0] = 1.0 - out[1] - out[2] - out[3]


@kernel
def _werner(c: Chain, s: Store, record: int, physics: Physics) -> float:
    """Werner parameter, the records from `record` to the right."""
    w = 1.0
    while record >= 0:
        hop = s.hop[record]
        w *= werner_of_fidelity(c.fidelity[hop])
        for side in range(2):
            elapsed = s.closed[side, record] - s.created[record]
            time = c.coherence_s[hop + side]
            if physics.mqns == 0:
                memory_errors(physics.noise, elapsed, time, s.work[0])
                w *= werner_factor(s.work[0])
            elif physics.noise != PERFECT:
                w *= math.exp(-elapsed / time)
        record = s.beside[RIGHT, record]
        if record >= 0:
            w *= c.gate[hop + 1]
    return w


@kernel
def _bell(c: Chain, s: Store, record: int, physics: Physics) -> float:
    """Fidelity of the Bell-diagonal state; Pauli errors commute, so their order does not matter."""
    errors, total, spare = s.work[0], s.work[1], s.work[2]
    bell_of_werner(1.0, total)
    while record >= 0:
        hop = s.hop[record]
        bell_of_werner(werner_of_fidelity(c.fidelity[hop]), errors)
        compose(total, errors, spare)
        total[:] = spare
        for side in range(2):
            elapsed = s.closed[side, record] - s.created[record]
            if physics.mqns == 0:
                memory_errors(physics.noise, elapsed, c.coherence_s[hop + side], errors)
            else:
                _mqns_errors(physics.noise, elapsed, c.coherence_s[hop + side], errors)
            compose(total, errors, spare)
            total[:] = spare
        record = s.beside[RIGHT, record]
        if record >= 0:
            bell_of_werner(c.gate[hop + 1], errors)
            compose(total, errors, spare)
            total[:] = spare
    return total[0]


@kernel
def pair_fidelity(c: Chain, s: Store, record: int, side: int, physics: Physics) -> tuple[float, float]:
    """When the oldest part of a delivered pair was created, s, and the pair's fidelity.

    Args:
        c: The path.
        s: The store.
        record: The record at one end.
        side: Which end.
        physics: Rules.
    """
    if side == RIGHT:
        while s.beside[LEFT, record] >= 0:
            record = s.beside[LEFT, record]
    oldest, at = s.created[record], record
    while at >= 0:
        oldest = min(oldest, s.created[at])
        at = s.beside[RIGHT, at]
    if physics.bell == 1:
        return oldest, _bell(c, s, record, physics)
    return oldest, fidelity_of_werner(_werner(c, s, record, physics))
