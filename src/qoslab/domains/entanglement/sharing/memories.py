# mypy: disable-error-code="no-any-return"
"""Memories that paths share: pairs are made and allotted, their ends held and let go; lists of swapped ends."""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    CONSUMED,
    CREATED,
    CUT,
    DROPPED,
    MEASURED,
    OPEN,
    POOLED,
    SWAPPED,
    WAITS,
    FloatArray,
    IntArray,
)
from qoslab.domains.entanglement.phases import creation, opening, slot_start
from qoslab.domains.entanglement.sharing.mesh import DYNAMIC, STATISTICAL, Mesh, Pairs, SharedRun
from qoslab.domains.entanglement.states import bell_of_werner, werner_of_fidelity
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = [
    "ANSWERS",
    "ASKS",
    "EXPIRES",
    "HEARD",
    "MESSAGE",
    "close",
    "drop_claim",
    "far_end",
    "free_memory",
    "give_up",
    "heard",
    "is_measured",
    "joined",
    "leave_pool",
    "leave_queue",
    "lives",
    "node_of",
    "release",
    "start_attempts",
]

HEARD, EXPIRES, MESSAGE, ASKS, ANSWERS = range(5)
"""Events: an end's node hears of its new pair; an end may be too old; word that an end was swapped or cut; the question
about a pair that is to be purified; the answer."""

_NEVER = 1e15
"""Failed attempts that end no run; more would not fit an integer."""

_ROUNDING = 1.0 + 1e-14
"""Word that is passed on arrives with the word that it waited for: sums in another order differ by a few ulps."""


@kernel(inline=True)
def node_of(c: Mesh, s: Pairs, end: int) -> int:
    """Node that holds an end."""
    return c.ends[s.link[end >> 1], end & 1]


@kernel(inline=True)
def joined(s: Pairs, end: int) -> bool:
    """Whether an end was swapped, with success."""
    return s.state[end] == SWAPPED and s.good[end] == 1


@kernel(once=True)
def far_end(s: Pairs, end: int) -> int:
    """The last end of a list beyond `end`; `end` itself where the list ends there."""
    while joined(s, end):
        end = s.beside[end] ^ 1
    return end


@kernel(once=True)
def lives(s: Pairs, end: int) -> bool:
    """Whether the last end beyond `end` is still there: stored, or used by its user."""
    state = s.state[far_end(s, end)]
    return state in (OPEN, CONSUMED)


@kernel(once=True)
def is_measured(s: Pairs, end: int) -> bool:
    """Whether the last end beyond `end` was measured to purify another pair, so that this one is no more."""
    return s.state[far_end(s, end)] == MEASURED


@kernel(inline=True)
def heard(s: Pairs, end: int, way_s: float, now: float) -> bool:
    """Whether word that an end was swapped or cut has reached a node that many seconds away."""
    return s.state[end] in (SWAPPED, CUT) and s.closed[end] + way_s <= now * _ROUNDING


@kernel
def drop_claim(s: Pairs, record: int) -> None:
    """One open end or message of a record's family less; with the last, its records are free again."""
    family = s.family[record]
    s.claims[family] -= 1
    if s.claims[family] > 0:
        return
    first = 2 * record
    at = first
    while s.beside[at] >= 0:
        at = s.beside[at] ^ 1
        if at == first:  # swaps for paths that lie across each other may close a ring
            break
    while at >= 0 and s.link[at >> 1] >= 0:
        s.link[at >> 1] = -1
        s.spare[s.head[0]] = at >> 1
        s.head[0] += 1
        at = s.beside[at ^ 1]


@kernel
def _free_memory(free_s: FloatArray, by: float) -> int:
    """The first memory that is free at a time, or else the one that was free first."""
    first = 0
    for slot in range(free_s.shape[0]):
        if free_s[slot] <= by:
            return slot
        if free_s[slot] < free_s[first]:
            first = slot
    return first


@kernel
def _allotted(r: SharedRun, link: int, created: float) -> int:
    """The paths that a new pair of a link may serve.

    Turns are common to all links; one that is not on the path whose turn it is serves the next that it is on.
    """
    c, over = r.c, r.c.over[link]
    if r.rule.kind == STATISTICAL or over & (over - 1) == 0:
        return over
    paths = c.rank.shape[0]
    if r.rule.kind == DYNAMIC:
        total = 0.0
        for path in range(paths):
            if over >> path & 1:
                total += c.weight[path]
        drawn, found = uniform(r.lots[link]) * total, 0
        for path in range(paths):
            if over >> path & 1 and drawn >= 0.0:
                found = path
                drawn -= c.weight[path]
        return 1 << found
    frame_s = paths * r.rule.turn_s
    within = created - math.floor(created / frame_s) * frame_s
    turn = min(int(within / r.rule.turn_s), paths - 1)
    while not over >> turn & 1:
        turn = turn + 1 if turn + 1 < paths else 0
    return 1 << turn


@kernel
def _life(c: Mesh, link: int, paths: int) -> float:
    """Age at which a pair is given up, the least of its paths', s."""
    least = math.inf
    for path in range(c.rank.shape[0]):
        if paths >> path & 1:
            least = min(least, c.life_s[path, link])
    return least


@kernel
def _created(r: SharedRun, link: int, begin: float) -> float:
    """When the first attempt succeeds of those that could begin at a time, s; the fibre's turn is taken until then."""
    c, s = r.c, r.s
    failed = 0.0
    if c.success[link] < 1.0:
        failed = math.log1p(-uniform(r.links[link])) / math.log1p(-c.success[link])
        failed = float(math.floor(min(failed, _NEVER)))
    turns = min(c.at_once[link], c.width[link])
    turn = 0
    if turns > 0:
        for other in range(1, turns):
            if s.taken_s[link, other] < s.taken_s[link, turn]:
                turn = other
        begin = max(begin, s.taken_s[link, turn])
    created, closing = begin + failed * c.interval_s[link], begin + (failed + 1.0) * c.interval_s[link]
    if r.physics.sync == 1:
        notice = max(c.notify_s[link, 0], c.notify_s[link, 1])
        created = creation(r.physics, begin, failed, c.interval_s[link], c.delay_s[link], notice)
        closing = created + c.interval_s[link]
    if turns > 0:
        s.taken_s[link, turn] = closing
    return created


@kernel
def start_attempts(r: SharedRun, link: int) -> None:
    """Let a link's free memories try: the first node asks, the second must be free, then attempts follow."""
    c, s = r.c, r.s
    while s.idle[0, link] > 0 and s.idle[1, link] > 0 and s.head[0] > 0:
        s.head[0] -= 1
        record = s.spare[s.head[0]]
        slot = _free_memory(s.free_s[0, link], -math.inf)
        asked = s.free_s[0, link, slot]
        if r.physics.sync == 1:
            asked = opening(r.physics, asked)
        asked += c.delay_s[link]
        for side in range(2):
            if side == 1:
                slot = _free_memory(s.free_s[1, link], asked)
                asked = max(asked, s.free_s[1, link, slot])
            s.free_s[side, link, slot] = math.inf
            s.idle[side, link] -= 1
            s.slot[2 * record + side] = slot
        created = _created(r, link, asked + c.delay_s[link])
        s.link[record], s.created[record] = link, created
        s.paths[record] = _allotted(r, link, created)
        s.dies[record] = created + _life(c, link, s.paths[record])
        if r.physics.clear == 1:
            s.dies[record] = min(s.dies[record], slot_start(r.physics, created) + r.physics.length_s)
        s.family[record], s.claims[record] = record, 2
        s.changed[record] = 0
        bell_of_werner(werner_of_fidelity(c.fidelity[link]), s.base[record])
        if created <= r.span[1]:
            s.counts[CREATED] += 1
        for side in range(2):
            end = 2 * record + side
            s.beside[end], s.good[end], s.state[end], s.knows[end] = -1, 0, OPEN, 0
            s.able[end], s.aim[end] = 0, -1
            s.since[end], s.round[end], s.piece[end], s.folded[end] = created, 0, 0, 0
            s.until[end], s.cut_s[end] = s.dies[record], math.inf
            push(s.heap, created + c.notify_s[link, side], end * 8 + HEARD)


@kernel
def _strike(held: IntArray, count: int, end: int) -> int:
    """Take an end out of the first places of a list, keeping the order of the others; how many are left."""
    place = 0
    while held[place] != end:
        place += 1
    for later in range(place + 1, count):
        held[later - 1] = held[later]
    return count - 1


@kernel
def leave_queue(c: Mesh, s: Pairs, end: int) -> None:
    """Take an end out of its node's queue."""
    node = node_of(c, s, end)
    s.queued[node] = _strike(s.queue[node], s.queued[node], end)
    s.knows[end] &= ~WAITS


@kernel
def leave_pool(c: Mesh, s: Pairs, end: int) -> None:
    """Take an end out of its node's pool."""
    node = node_of(c, s, end)
    s.pooled[node] = _strike(s.pool[node], s.pooled[node], end)
    s.knows[end] &= ~POOLED


@kernel(once=True)
def release(r: SharedRun, end: int, state: int, now: float) -> None:
    """Close an end: its memory is free from now on."""
    close(r, end, state, now)
    free_memory(r, end, now)


@kernel(once=True)
def close(r: SharedRun, end: int, state: int, when: float) -> None:
    """Close an end at a time from now on; its memory is not free yet."""
    c, s = r.c, r.s
    s.state[end] = state
    s.closed[end] = when
    s.held_s[0] += max(0.0, min(when, r.span[1]) - max(s.created[end >> 1], r.span[0]))
    if s.knows[end] & WAITS:
        leave_queue(c, s, end)
    if s.knows[end] & POOLED:
        leave_pool(c, s, end)


@kernel(once=True)
def free_memory(r: SharedRun, end: int, now: float) -> None:
    """The memory of a closed end is free from now on."""
    s = r.s
    link, side = s.link[end >> 1], end & 1
    s.free_s[side, link, s.slot[end]] = now
    s.idle[side, link] += 1
    start_attempts(r, link)


@kernel(once=True)
def give_up(r: SharedRun, end: int, why: int, now: float) -> None:
    """An end is dropped; a pair whose other end was still there is counted at place `why`.

    So is one whose other end was measured to purify another: it lives until the question of that is answered.
    """
    if lives(r.s, end ^ 1) or is_measured(r.s, end ^ 1):
        r.s.counts[why] += 1
    release(r, end, DROPPED, now)
    drop_claim(r.s, end >> 1)
