# mypy: disable-error-code="no-any-return"
"""Purification of a hop's pairs: the left node measures and asks, the right one measures, compares and answers.

The kept pair rests at the left node until the answer is back; the right one goes on at once. A pair that would be too
old when the question arrives is not used: both ends know each other's age.
"""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    DROPPED,
    LEFT,
    MEASURED,
    MESSAGES,
    PENDING,
    POOLED,
    PUMPING,
    PURIFIED,
    RIGHT,
    SPOILED,
    Chain,
    Physics,
    Run,
    Store,
)
from qoslab.domains.entanglement.memories import ASKS, drop_claim, leave_pool, release
from qoslab.domains.entanglement.phases import acting
from qoslab.domains.entanglement.states import BBPSSW, Pair, bell_of_werner, copy_pair, purify, twirl
from qoslab.domains.entanglement.storage import aged
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = ["compare", "enter_pool", "is_pure"]


@kernel(inline=True)
def is_pure(c: Chain, s: Store, record: int, side: int) -> bool:
    """Whether a pair has had its rounds, or is good enough, as the node of an end knows."""
    hop = s.hop[record]
    return s.round[side, record] >= c.rounds[hop] or s.base[record, 0] >= c.enough[hop]


@kernel(once=True)
def _partner(c: Chain, s: Store, record: int, now: float, physics: Physics) -> int:
    """The pooled record that is purified together with this one, -1 for none."""
    hop = s.hop[record]
    arrival = now + c.place_s[hop + 1] - c.place_s[hop]
    if physics.sync == 1:
        arrival = acting(physics, arrival)
    if s.until[LEFT, record] <= arrival:
        return -1
    found, mine = -1, s.round[LEFT, record]
    for place in range(s.pooled[hop]):
        other = s.pool[hop, place]
        if other == record or s.until[LEFT, other] <= arrival:
            continue
        rounds = s.round[LEFT, other]
        if c.purify[1] == PUMPING:
            if (mine == 0 or rounds == 0) and (found < 0 or rounds > s.round[LEFT, found]):
                found = other
        elif rounds == mine and found < 0:
            found = other
    return found


@kernel(once=True)
def enter_pool(r: Run, record: int, now: float) -> None:
    """A pair's left end waits for purification, and begins it where there is another pair.

    Of two pairs the one with more rounds is kept, with equal rounds the one that lasts longer.
    """
    c, s = r.c, r.s
    hop = s.hop[record]
    s.pool[hop, s.pooled[hop]] = record
    s.pooled[hop] += 1
    s.knows[LEFT, record] |= POOLED
    other = _partner(c, s, record, now, r.physics)
    if other < 0:
        return
    kept, spent = record, other
    more = s.round[LEFT, other] - s.round[LEFT, record]
    if more > 0 or (more == 0 and s.until[LEFT, other] > s.until[LEFT, record]):
        kept, spent = other, record
    leave_pool(s, kept)
    s.knows[LEFT, kept] |= PENDING
    s.spent[kept] = spent
    s.claims[s.family[kept]] += 1
    s.counts[MESSAGES] += 1
    push(s.heap, now + c.place_s[hop + 1] - c.place_s[hop], kept * 8 + ASKS + RIGHT)
    release(r, spent, LEFT, MEASURED, now)
    drop_claim(s, spent)


@kernel(once=True)
def _attempt(r: Run, kept: int, spent: int, now: float, out: Pair) -> bool:
    """Whether the round succeeds; the kept pair's state after it."""
    c, s = r.c, r.s
    hop, left_s = s.hop[kept], s.closed[LEFT, spent]
    first, second = s.work[1], s.work[2]
    aged(c, s, kept, left_s, now, r.physics, first, s.work[3])
    aged(c, s, spent, left_s, now, r.physics, second, s.work[3])
    if c.purify[0] == BBPSSW:
        bell_of_werner(twirl(first), first)
        bell_of_werner(twirl(second), second)
    gate = math.sqrt(c.gate[hop] * c.gate[hop + 1])
    left, right = c.readout[hop], c.readout[hop + 1]
    wrong = left * (1.0 - right) + right * (1.0 - left)
    readout = (1.0 + math.sqrt(max(0.0, 1.0 - 2.0 * wrong))) / 2.0
    success = purify(first, second, int(c.purify[0]), gate, readout, out)
    if c.purify[0] == BBPSSW or r.physics.bell == 0:
        bell_of_werner(twirl(out), out)
    return uniform(r.nodes[hop + 1]) < success


@kernel(once=True)
def compare(r: Run, kept: int, now: float) -> bool:
    """The left node's question arrives: the right node measures, and its answer sets out.

    Returns:
        Whether the kept pair is better now.
    """
    c, s = r.c, r.s
    hop, spent = s.hop[kept], s.spent[kept]
    good = _attempt(r, kept, spent, now, s.work[4])
    if good:
        copy_pair(s.work[4], s.base[kept])
        s.since[LEFT, kept], s.since[RIGHT, kept] = s.closed[LEFT, spent], now
        s.round[RIGHT, kept] += 1
    s.counts[PURIFIED if good else SPOILED] += 1
    s.counts[MESSAGES] += 1
    s.spent[kept] = -1 if good else -2
    push(s.heap, now + c.place_s[hop + 1] - c.place_s[hop], kept * 8 + ASKS + LEFT)
    release(r, spent, RIGHT, MEASURED, now)
    drop_claim(s, spent)
    if not good:
        release(r, kept, RIGHT, DROPPED, now)
        drop_claim(s, kept)
    return good
