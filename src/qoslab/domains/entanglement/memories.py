# mypy: disable-error-code="no-any-return"
"""Memories of a path: pairs are made, their ends held and let go; records of swapped pairs are joined into lists."""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    CONSUMED,
    CREATED,
    DECOHERED,
    DROPPED,
    LEFT,
    MEASURED,
    OPEN,
    POOLED,
    RIGHT,
    SWAPPED,
    WAITS,
    FloatArray,
    Run,
    Store,
)
from qoslab.domains.entanglement.phases import creation, opening, slot_start
from qoslab.domains.entanglement.states import bell_of_werner, werner_of_fidelity
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = [
    "ASKS",
    "EXPIRES",
    "HEARD",
    "MESSAGE",
    "close",
    "drop_claim",
    "far_record",
    "free_memory",
    "give_up",
    "joined",
    "leave_pool",
    "lives",
    "node_of",
    "release",
    "start_attempts",
]

HEARD, EXPIRES, MESSAGE, ASKS = 0, 2, 4, 6
"""Events: an end's node hears of its new pair; an end may be too old; word of a swap or cut; of a purification."""

_NEVER = 1e15
"""Failed attempts that end no run; more would not fit an integer."""


@kernel(inline=True)
def node_of(s: Store, record: int, side: int) -> int:
    """Node that holds an end."""
    return s.hop[record] + side


@kernel(inline=True)
def joined(s: Store, record: int, side: int) -> bool:
    """Whether an end was swapped, with success."""
    if s.state[side, record] != SWAPPED:
        return False
    return s.good[record if side == RIGHT else s.beside[LEFT, record]] == 1


@kernel(once=True)
def far_record(s: Store, record: int, side: int) -> int:
    """The last record of a list, seen from `record` towards `side`."""
    while joined(s, record, side):
        record = s.beside[side, record]
    return record


@kernel(once=True)
def lives(s: Store, record: int, side: int) -> bool:
    """Whether the end of a list towards `side` is still there: stored, or used by its user."""
    state = s.state[side, far_record(s, record, side)]
    return state in (OPEN, CONSUMED)


@kernel(once=True)
def drop_claim(s: Store, record: int) -> None:
    """One open end or message of a record's family less; with the last, its records are free again."""
    family = s.family[record]
    s.claims[family] -= 1
    if s.claims[family] > 0:
        return
    while s.beside[LEFT, record] >= 0:
        record = s.beside[LEFT, record]
    while record >= 0:
        following = s.beside[RIGHT, record]
        s.hop[record] = -1
        s.spare[s.head[0]] = record
        s.head[0] += 1
        record = following


@kernel(once=True)
def _free_memory(free_s: FloatArray, by: float) -> int:
    """The first memory that is free at a time, or else the one that was free first."""
    first = 0
    for slot in range(free_s.shape[0]):
        if free_s[slot] <= by:
            return slot
        if free_s[slot] < free_s[first]:
            first = slot
    return first


@kernel(once=True)
def start_attempts(r: Run, hop: int) -> None:
    """Let a hop's free memories try: the left one asks, the right one must be free, then attempts follow."""
    c, s = r.c, r.s
    while s.idle[LEFT, hop] > 0 and s.idle[RIGHT, hop] > 0 and s.head[0] > 0:
        delay = c.place_s[hop + 1] - c.place_s[hop]
        s.head[0] -= 1
        record = s.spare[s.head[0]]
        slot = _free_memory(s.free_s[LEFT, hop], -math.inf)
        asked = s.free_s[LEFT, hop, slot]
        if r.physics.sync == 1:
            asked = opening(r.physics, asked)
        asked += delay
        for side in range(2):
            if side == RIGHT:
                slot = _free_memory(s.free_s[RIGHT, hop], asked)
                asked = max(asked, s.free_s[RIGHT, hop, slot])
            s.free_s[side, hop, slot] = math.inf
            s.idle[side, hop] -= 1
            s.slot[side, record] = slot
        failed = 0.0
        if c.success[hop] < 1.0:
            failed = math.log1p(-uniform(r.links[hop])) / math.log1p(-c.success[hop])
            failed = float(math.floor(min(failed, _NEVER)))
        begin = asked + delay
        turns = min(c.at_once[hop], c.width[hop])
        turn = 0
        if turns > 0:
            for other in range(1, turns):
                if s.taken_s[hop, other] < s.taken_s[hop, turn]:
                    turn = other
            begin = max(begin, s.taken_s[hop, turn])
        created, closing = begin + failed * c.interval_s[hop], begin + (failed + 1.0) * c.interval_s[hop]
        if r.physics.sync == 1:
            notice = max(c.notify_s[hop, LEFT], c.notify_s[hop, RIGHT])
            created = creation(r.physics, begin, failed, c.interval_s[hop], delay, notice)
            closing = created + c.interval_s[hop]
        if turns > 0:
            s.taken_s[hop, turn] = closing
        until = created + c.life_s[hop]
        if r.physics.clear == 1:
            until = min(until, slot_start(r.physics, created) + r.physics.length_s)
        s.hop[record], s.created[record] = hop, created
        s.good[record], s.family[record], s.claims[record] = 0, record, 2
        s.folded[record] = 0
        bell_of_werner(werner_of_fidelity(c.fidelity[hop]), s.base[record])
        if created <= r.span[1]:
            s.counts[CREATED] += 1
        for side in range(2):
            s.beside[side, record], s.state[side, record], s.knows[side, record] = -1, OPEN, 0
            s.until[side, record] = until
            s.since[side, record], s.round[side, record], s.cut_s[side, record] = created, 0, math.inf
            s.piece[side, record] = 0
            push(s.heap, created + c.notify_s[hop, side], record * 8 + HEARD + side)


@kernel(once=True)
def release(r: Run, record: int, side: int, state: int, now: float) -> None:
    """Close an end: its memory is free from now on."""
    close(r, record, side, state, now)
    free_memory(r, record, side, now)


@kernel(once=True)
def close(r: Run, record: int, side: int, state: int, when: float) -> None:
    """Close an end at a time from now on; its memory is not free yet."""
    s = r.s
    s.state[side, record] = state
    s.closed[side, record] = when
    s.held_s[0] += max(0.0, min(when, r.span[1]) - max(s.created[record], r.span[0]))
    if s.knows[side, record] & WAITS:
        _leave_queue(s, record, side)
    if s.knows[side, record] & POOLED:
        leave_pool(s, record)


@kernel(once=True)
def free_memory(r: Run, record: int, side: int, now: float) -> None:
    """The memory of a closed end is free from now on."""
    s = r.s
    hop = s.hop[record]
    s.free_s[side, hop, s.slot[side, record]] = now
    s.idle[side, hop] += 1
    start_attempts(r, hop)


@kernel(once=True)
def _leave_queue(s: Store, record: int, side: int) -> None:
    """Take an end out of its node's queue, keeping the order of the others."""
    node = node_of(s, record, side)
    held = s.queued[node, side]
    place = 0
    while s.queue[node, side, place] != record:
        place += 1
    for later in range(place + 1, held):
        s.queue[node, side, later - 1] = s.queue[node, side, later]
    s.queued[node, side] = held - 1
    s.knows[side, record] &= ~WAITS


@kernel(once=True)
def leave_pool(s: Store, record: int) -> None:
    """Take a record's left end out of its hop's pool, keeping the order of the others."""
    hop = s.hop[record]
    held = s.pooled[hop]
    place = 0
    while s.pool[hop, place] != record:
        place += 1
    for later in range(place + 1, held):
        s.pool[hop, later - 1] = s.pool[hop, later]
    s.pooled[hop] = held - 1
    s.knows[LEFT, record] &= ~POOLED


@kernel(once=True)
def give_up(r: Run, record: int, side: int, now: float) -> None:
    """An end is dropped by age, or because word came that its pair is gone.

    A pair whose other end was measured to purify another lives until the question of that is answered.
    """
    state = r.s.state[1 - side, far_record(r.s, record, 1 - side)]
    if state in (OPEN, CONSUMED, MEASURED):
        r.s.counts[DECOHERED] += 1
    release(r, record, side, DROPPED, now)
    drop_claim(r.s, record)
