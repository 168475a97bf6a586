# mypy: disable-error-code="no-any-return"
"""Purification of hops' pairs and of joined ones: the left node measures and asks, the right one compares and answers.

The kept pair rests at the left node until the answer is back; the right one goes on at once. A pair that would be too
old when the question arrives, as far as the left node knows, is not used. Where the right node has lost one of the two
meanwhile, no round is done: a kept pair that still lives is purified with another.
"""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    DROPPED,
    LEFT,
    MEASURED,
    MESSAGES,
    OPEN,
    PENDING,
    POOLED,
    PUMPING,
    PURIFIED,
    RIGHT,
    SPOILED,
    WASTED,
    Chain,
    Physics,
    Run,
    Store,
)
from qoslab.domains.entanglement.memories import ASKS, drop_claim, far_record, leave_pool, release
from qoslab.domains.entanglement.phases import acting
from qoslab.domains.entanglement.states import Pair, joint_readout, purify_as_kept
from qoslab.domains.entanglement.storage import fold, joined_state
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = ["BAD", "GOOD", "NOTHING", "compare", "count_round", "enter_pool", "is_pure"]

GOOD, BAD, NOTHING = -1, -2, -3
"""Answers to the left node's question: the round succeeded; it failed, or the kept pair is gone; none was done."""


@kernel(inline=True)
def _rounds(s: Store, record: int, side: int, partner: int) -> int:
    """Rounds of the pair between an end's node and another that the end's node knows of."""
    if partner == s.hop[record] + 1 - side:
        return s.round[side, record]
    piece = s.piece[side, record]
    return piece & 63 if piece >> 6 == partner else 0


@kernel(once=True)
def count_round(s: Store, record: int, side: int, partner: int) -> None:
    """The node of an end knows of one more round of its pair with another node."""
    if partner == s.hop[record] + 1 - side:
        s.round[side, record] += 1
    else:
        s.piece[side, record] = 64 * partner + _rounds(s, record, side, partner) + 1


@kernel(inline=True)
def _enough(c: Chain, s: Store, record: int, side: int) -> bool:
    """Whether a hop's pair has had its rounds, or is good enough, as the node of an end knows."""
    hop = s.hop[record]
    return s.round[side, record] >= c.rounds[hop] or s.base[record, 0] >= c.enough[hop]


@kernel(inline=True)
def is_pure(c: Chain, s: Store, record: int, side: int, partner: int) -> bool:
    """Whether a pair has had all rounds of its hop and of the segment that it joins, as the node of an end knows."""
    hop = s.hop[record]
    if not _enough(c, s, record, side):
        return False
    if partner == hop + 1 - side:
        return True
    if side == LEFT:
        rounds = c.segment[hop, partner]
        return s.knows[side, record] & PENDING == 0 and (
            rounds == 0 or _rounds(s, record, side, partner) >= rounds
        )
    rounds = c.segment[partner, hop + 1]
    return rounds == 0 or _rounds(s, record, side, partner) >= rounds


@kernel(once=True)
def _partner(c: Chain, s: Store, record: int, now: float, physics: Physics) -> int:
    """The pooled record that is purified together with this one, -1 for none."""
    hop, mate = s.hop[record], s.mate[record]
    arrival = now + c.place_s[mate] - c.place_s[hop]
    if physics.sync == 1:
        arrival = acting(physics, arrival)
    if s.until[LEFT, record] <= arrival:
        return -1
    found, mine, most = -1, _rounds(s, record, LEFT, mate), 0
    for place in range(s.pooled[hop]):
        other = s.pool[hop, place]
        if other == record or s.mate[other] != mate or s.until[LEFT, other] <= arrival:
            continue
        rounds = _rounds(s, other, LEFT, mate)
        if c.purify[1] == PUMPING:
            if (mine == 0 or rounds == 0) and (found < 0 or rounds > most):
                found, most = other, rounds
        elif rounds == mine and found < 0:
            found = other
    return found


@kernel(once=True)
def enter_pool(r: Run, record: int, mate: int, now: float) -> None:
    """A pair's left end waits for purification, and begins it where there is another pair with the same node.

    Of two pairs the one with more rounds is kept, with equal rounds the one that lasts longer. The records of the spent
    one are kept until the question has arrived.
    """
    c, s = r.c, r.s
    hop = s.hop[record]
    s.pool[hop, s.pooled[hop]] = record
    s.pooled[hop] += 1
    if not _enough(c, s, record, LEFT):
        mate = hop + 1
    s.mate[record] = mate
    s.knows[LEFT, record] |= POOLED
    other = _partner(c, s, record, now, r.physics)
    if other < 0:
        return
    kept, spent = record, other
    more = _rounds(s, other, LEFT, mate) - _rounds(s, record, LEFT, mate)
    if more > 0 or (more == 0 and s.until[LEFT, other] > s.until[LEFT, record]):
        kept, spent = other, record
    leave_pool(s, kept)
    s.knows[LEFT, kept] |= PENDING
    s.spent[kept] = spent
    s.claims[s.family[kept]] += 1
    s.counts[MESSAGES] += 1
    push(s.heap, now + c.place_s[mate] - c.place_s[hop], kept * 8 + ASKS + RIGHT)
    release(r, spent, LEFT, MEASURED, now)


@kernel(once=True)
def _attempt(r: Run, kept: int, spent: int, now: float, out: Pair) -> bool:
    """Whether the round succeeds; the kept pair's state after it."""
    c, s = r.c, r.s
    hop, mate, left_s = s.hop[kept], s.mate[kept], s.closed[LEFT, spent]
    first, second = s.work[1], s.work[2]
    joined_state(c, s, kept, left_s, now, r.physics, first)
    joined_state(c, s, spent, left_s, now, r.physics, second)
    gate = math.sqrt(c.gate[hop] * c.gate[mate])
    readout = joint_readout(c.readout[hop], c.readout[mate])
    success = purify_as_kept(first, second, int(c.purify[0]), gate, readout, r.physics.bell, out)
    return uniform(r.nodes[mate]) < success


@kernel(once=True)
def _answer(r: Run, kept: int, what: int, now: float) -> None:
    """What came of a round sets out to the left node."""
    c, s = r.c, r.s
    s.spent[kept] = what
    s.counts[MESSAGES] += 1
    push(s.heap, now + c.place_s[s.mate[kept]] - c.place_s[s.hop[kept]], kept * 8 + ASKS + LEFT)


@kernel(once=True)
def _lost(r: Run, kept: int, kept_end: int, spent_end: int, now: float) -> None:
    """The right node has lost one of two pairs, or both, before the question arrived: there is no round.

    What it lost was counted then; a spent pair that it still holds is of no use any more.
    """
    s = r.s
    spent = s.spent[kept]
    _answer(r, kept, NOTHING if s.state[RIGHT, kept_end] == OPEN else BAD, now)
    if s.state[RIGHT, spent_end] == OPEN:
        s.counts[WASTED] += 1
        release(r, spent_end, RIGHT, DROPPED, now)
        drop_claim(s, spent)


@kernel(once=True)
def compare(r: Run, kept: int, now: float) -> bool:
    """The left node's question arrives: the right node measures, and its answer sets out.

    Returns:
        Whether the kept pair is better now.
    """
    s, spent = r.s, r.s.spent[kept]
    kept_end, spent_end = far_record(s, kept, RIGHT), far_record(s, spent, RIGHT)
    good = False
    if s.state[RIGHT, kept_end] == OPEN and s.state[RIGHT, spent_end] == OPEN:
        good = _attempt(r, kept, spent, now, s.work[4])
        if good:
            fold(s, kept, s.closed[LEFT, spent], now, s.work[4])
            count_round(s, kept_end, RIGHT, s.hop[kept])
        s.counts[PURIFIED if good else SPOILED] += 1
        _answer(r, kept, GOOD if good else BAD, now)
        release(r, spent_end, RIGHT, MEASURED, now)
        drop_claim(s, spent)
        if not good:
            release(r, kept_end, RIGHT, DROPPED, now)
            drop_claim(s, kept)
    else:
        _lost(r, kept, kept_end, spent_end, now)
    drop_claim(s, spent)
    return good
