# mypy: disable-error-code="no-any-return"
"""What is left of a pair when it is delivered: each qubit's time in memory, each swap's noise."""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import LEFT, RIGHT, Chain, Physics, Store
from qoslab.domains.entanglement.memories import joined
from qoslab.domains.entanglement.states import (
    AMPLITUDE_DAMPING,
    BIT_FLIP,
    DEPHASING,
    DEPOLARISING,
    PERFECT,
    Pair,
    bell_of_werner,
    compose,
    copy_pair,
    fidelity_of_werner,
    memory_errors,
    twirl,
    werner_factor,
)
from qoslab.engine.kernel import kernel

__all__ = ["add_swap", "aged", "fold", "joined_state", "pair_fidelity", "read_errors"]


@kernel
def _mqns_errors(kind: int, elapsed_s: float, time_s: float, out: Pair) -> None:
    """Errors as MQNS 278041c has them on Bell-diagonal pairs: the whole of 1 - exp(-t / T) goes to the error."""
    lost = -math.expm1(-elapsed_s / time_s)
    out[1] = out[2] = out[3] = 0.0
    if kind == DEPHASING:
        out[1] = lost
    elif kind == BIT_FLIP:
        out[2] = lost
    elif kind == DEPOLARISING:
        out[1] = out[2] = out[3] = lost / 3.0
    elif kind == AMPLITUDE_DAMPING:
        out[1] = lost / 2.0
    out[0] = 1.0 - out[1] - out[2] - out[3]


@kernel(once=True)
def _stored(physics: Physics, elapsed_s: float, time_s: float, out: Pair) -> None:
    """Errors of one stored qubit under a run's rules; on Werner pairs those of the twirled channel."""
    if physics.mqns == 0:
        memory_errors(physics.noise, elapsed_s, time_s, out)
    elif physics.bell == 1:
        _mqns_errors(physics.noise, elapsed_s, time_s, out)
    elif physics.noise == PERFECT:
        bell_of_werner(1.0, out)
    else:
        bell_of_werner(math.exp(-elapsed_s / time_s), out)
    if physics.bell == 0:
        bell_of_werner(werner_factor(out), out)


@kernel
def read_errors(readout: float, out: Pair) -> None:
    """Errors that a swap's two read-outs leave, each wrong with probability 1 - readout: one tells X, the other Z."""
    wrong = 1.0 - readout
    out[0], out[1], out[2], out[3] = readout * readout, readout * wrong, readout * wrong, wrong * wrong


@kernel(once=True)
def add_swap(gate: float, readout: float, bell: int, state: Pair, part: Pair, spare: Pair) -> None:
    """Put a swap's noise on a state.

    Args:
        gate: Probability that its Bell measurement is good.
        readout: Probability that its node reads a qubit right.
        bell: 1 for Bell-diagonal states, 0 for Werner states.
        state: The state, changed.
        part: Room for another.
        spare: Room for another.
    """
    bell_of_werner(gate, part)
    compose(state, part, spare)
    read_errors(readout, part)
    if bell == 0:
        bell_of_werner(werner_factor(part), part)
    compose(spare, part, state)


@kernel(once=True)
def aged(
    c: Chain, s: Store, record: int, left_s: float, right_s: float, physics: Physics, out: Pair, spare: Pair
) -> None:
    """State of a record whose ends are used at two times.

    Args:
        c: The path.
        s: The store; `work[0]` is used up.
        record: The record.
        left_s: When the left end is used, s.
        right_s: When the right end is used, s.
        physics: Rules.
        out: The state.
        spare: Room for another.
    """
    hop = s.hop[record]
    _stored(physics, left_s - s.since[LEFT, record], c.coherence_s[hop], s.work[0])
    compose(s.base[record], s.work[0], spare)
    _stored(physics, right_s - s.since[RIGHT, record], c.coherence_s[hop + 1], s.work[0])
    compose(spare, s.work[0], out)


@kernel(once=True)
def joined_state(
    c: Chain, s: Store, record: int, left_s: float, right_s: float, physics: Physics, out: Pair
) -> None:
    """State of a list of joined records whose outer ends are used at two times.

    Args:
        c: The path.
        s: The store; `work[0]`, `work[3]` and `work[5]` are used up.
        record: Its leftmost record.
        left_s: When the left end is used, s.
        right_s: When the right end is used, s.
        physics: Rules.
        out: The state.
    """
    part, spare = s.work[5], s.work[3]
    bell_of_werner(1.0, out)
    first = record
    while True:
        node, more = s.hop[record] + 1, joined(s, record, RIGHT)
        begin = left_s if record == first else s.closed[LEFT, record]
        aged(c, s, record, begin, s.closed[RIGHT, record] if more else right_s, physics, part, spare)
        compose(out, part, spare)
        copy_pair(spare, out)
        if not more:
            return
        if s.folded[record] == 0:
            add_swap(c.gate[node], c.readout[node], physics.bell, out, part, spare)
        record = s.beside[RIGHT, record]


@kernel(once=True)
def fold(s: Store, record: int, left_s: float, right_s: float, state: Pair) -> None:
    """Write the state of a joined list, whose outer ends count from two times on, into its first record.

    Args:
        s: The store.
        record: Its leftmost record.
        left_s: From when the left memory counts, s.
        right_s: From when the right memory counts, s.
        state: The state.
    """
    copy_pair(state, s.base[record])
    s.since[LEFT, record] = left_s
    while joined(s, record, RIGHT):
        s.folded[record] = 1
        s.since[RIGHT, record] = s.closed[RIGHT, record]
        record = s.beside[RIGHT, record]
        s.since[LEFT, record] = s.closed[LEFT, record]
        bell_of_werner(1.0, s.base[record])
    s.since[RIGHT, record] = right_s


@kernel(once=True)
def _werner(c: Chain, s: Store, record: int, physics: Physics) -> float:
    """Werner parameter, the records from `record` to the right."""
    w = 1.0
    while record >= 0:
        hop = s.hop[record]
        w *= twirl(s.base[record])
        for side in range(2):
            elapsed = s.closed[side, record] - s.since[side, record]
            time = c.coherence_s[hop + side]
            if physics.mqns == 0:
                memory_errors(physics.noise, elapsed, time, s.work[0])
                w *= werner_factor(s.work[0])
            elif physics.noise != PERFECT:
                w *= math.exp(-elapsed / time)
        folded = s.folded[record]
        record = s.beside[RIGHT, record]
        if record >= 0 and folded == 0:
            read_errors(c.readout[hop + 1], s.work[0])
            w *= c.gate[hop + 1] * werner_factor(s.work[0])
    return w


@kernel(once=True)
def _bell(c: Chain, s: Store, record: int, physics: Physics) -> float:
    """Fidelity of the Bell-diagonal state in `work[2]`; Pauli errors commute, so their order does not matter."""
    errors, total, spare, part = s.work[1], s.work[2], s.work[3], s.work[4]
    bell_of_werner(1.0, total)
    while record >= 0:
        hop = s.hop[record]
        aged(c, s, record, s.closed[LEFT, record], s.closed[RIGHT, record], physics, part, spare)
        compose(total, part, spare)
        folded = s.folded[record]
        record = s.beside[RIGHT, record]
        if record >= 0 and folded == 0:
            bell_of_werner(c.gate[hop + 1], errors)
            compose(spare, errors, part)
            read_errors(c.readout[hop + 1], errors)
            compose(part, errors, total)
        else:
            copy_pair(spare, total)
    return total[0]


@kernel(once=True)
def pair_fidelity(c: Chain, s: Store, record: int, side: int, physics: Physics) -> tuple[float, float]:
    """When the oldest part of a delivered pair was created, s, and the pair's fidelity.

    Args:
        c: The path.
        s: The store; `work[2]` is the pair's state afterwards, all others are used up.
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
    w = _werner(c, s, record, physics)
    bell_of_werner(w, s.work[2])
    return oldest, fidelity_of_werner(w)
