# mypy: disable-error-code="no-any-return"
"""Which of several waiting pairs a node swaps."""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import CUT, SWAPPED, Chain, Physics, Store
from qoslab.domains.entanglement.states import (
    PERFECT,
    memory_errors,
    twirl,
    werner_factor,
)
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["BEST", "FIRST", "FRESHEST", "OLDEST", "RANDOM", "WAITING", "chosen", "expected_werner", "heard"]

WAITING, FIRST, OLDEST, FRESHEST, BEST, RANDOM = range(6)
"""Take the pair that waited longest; that of the first memory; whose oldest part is oldest, or newest; that of the
highest expected fidelity; any."""


_ROUNDING = 1.0 + 1e-14
"""Word that is passed on arrives with the word that it waited for: sums in another order differ by a few ulps."""


@kernel(inline=True)
def heard(c: Chain, s: Store, record: int, side: int, node: int, now: float) -> bool:
    """Whether word that one end was swapped or cut has reached a node."""
    if s.state[side, record] not in (SWAPPED, CUT):
        return False
    way = abs(c.place_s[s.hop[record] + side] - c.place_s[node])
    return s.closed[side, record] + way <= now * _ROUNDING


@kernel(once=True)
def expected_werner(c: Chain, s: Store, record: int, side: int, now: float, physics: Physics) -> float:
    """Werner parameter that the node of an end expects its pair to have now, by what it has heard of.

    Args:
        c: The path.
        s: The store.
        record: The record whose end the node holds.
        side: Which end.
        now: Time, s.
        physics: Noise of memories.
    """
    node, other = s.hop[record] + side, 1 - side
    w, at = 1.0, record
    while True:
        w *= twirl(s.base[at])
        told = s.state[other, at] == SWAPPED and heard(c, s, at, other, node, now)
        for end in range(2):
            closed = now
            if (end == side and at != record) or (end == other and told):
                closed = s.closed[end, at]
            elapsed, time = closed - s.since[end, at], c.coherence_s[s.hop[at] + end]
            if physics.mqns == 0:
                memory_errors(physics.noise, elapsed, time, s.work[0])
                w *= werner_factor(s.work[0])
            elif physics.noise != PERFECT:
                w *= math.exp(-elapsed / time)
        if not told:
            return w
        at = s.beside[other, at]


@kernel(once=True)
def _born(c: Chain, s: Store, record: int, side: int, now: float) -> float:
    """When the oldest part of a pair was created, s, by what the node of an end has heard of."""
    node, other = s.hop[record] + side, 1 - side
    oldest = s.created[record]
    while s.state[other, record] == SWAPPED and heard(c, s, record, other, node, now):
        record = s.beside[other, record]
        oldest = min(oldest, s.created[record])
    return oldest


@kernel(once=True)
def _cost(c: Chain, s: Store, record: int, side: int, now: float, physics: Physics) -> float:
    """What a node wants least of; equal costs are taken in the order of waiting."""
    if physics.selection == FIRST:
        return float(s.slot[side, record])
    if physics.selection == BEST:
        return -expected_werner(c, s, record, side, now, physics)
    born = _born(c, s, record, side, now)
    return born if physics.selection == OLDEST else -born


@kernel(once=True)
def chosen(c: Chain, s: Store, bank: Stream, node: int, side: int, now: float, physics: Physics) -> int:
    """The waiting record of one side that a node swaps next.

    Args:
        c: The path.
        s: The store.
        bank: The node's stream; used by `RANDOM` alone, where there is a choice.
        node: The node.
        side: Side of the pairs that the node holds.
        now: Time, s.
        physics: Has the rule of selection.
    """
    held = s.queued[node, side]
    place = 0
    if held > 1 and physics.selection == RANDOM:
        place = int(uniform(bank) * held)
    elif held > 1 and physics.selection != WAITING:
        best = _cost(c, s, s.queue[node, side, 0], side, now, physics)
        for other in range(1, held):
            cost = _cost(c, s, s.queue[node, side, other], side, now, physics)
            if cost < best:
                place, best = other, cost
    return s.queue[node, side, place]
