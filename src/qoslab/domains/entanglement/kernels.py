# mypy: disable-error-code="no-any-return"
"""The event loop of one path: links try, nodes swap by what they have heard, users take what reaches both.

Nodes act on what they know: a swap happens at once, and word of it travels at the speed of light. A node may so swap
a pair whose other side has already failed. What a node knows of a list of swapped records follows from the times of
the swaps and the distances; a message is an event at which a node looks again. Ages end pairs where nobody looked:
an event stands for each time `until`, and is passed over where it no longer holds.
"""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    CONSUMED,
    CREATED,
    DECOHERED,
    DELIVERED,
    DROPPED,
    FAILED,
    JOINED,
    KNOWS,
    LEFT,
    MESSAGES,
    OPEN,
    RIGHT,
    SWAPPED,
    WAITS,
    WASTED,
    Chain,
    FloatArray,
    Physics,
    Run,
    Store,
    make_store,
)
from qoslab.domains.entanglement.selection import chosen, heard
from qoslab.domains.entanglement.storage import pair_fidelity
from qoslab.engine.heap import first_time, is_full, pop, push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["DONE", "NO_ROOM", "advance", "in_memory", "simulate"]

DONE, NO_ROOM = 0, 1
"""Whether a run reached its horizon, or needs larger arrays."""

_HEARD, _EXPIRES, _MESSAGE = 0, 2, 4


@kernel(inline=True)
def _node(s: Store, record: int, side: int) -> int:
    """Node that holds an end."""
    return s.hop[record] + side


@kernel(inline=True)
def _joined(s: Store, record: int, side: int) -> bool:
    """Whether an end was swapped, with success."""
    if s.state[side, record] != SWAPPED:
        return False
    return s.good[record if side == RIGHT else s.beside[LEFT, record]] == 1


@kernel
def _far(s: Store, record: int, side: int) -> int:
    """The last record of a list, seen from `record` towards `side`."""
    while _joined(s, record, side):
        record = s.beside[side, record]
    return record


@kernel
def _lives(s: Store, record: int, side: int) -> bool:
    """Whether the end of a list towards `side` is still there: stored, or used by its user."""
    state = s.state[side, _far(s, record, side)]
    return state in (OPEN, CONSUMED)


@kernel
def _drop_claim(s: Store, record: int) -> None:
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
def _start(r: Run, hop: int) -> None:
    """Let a hop's free memories try: the left one asks, the right one must be free, then attempts follow."""
    c, s = r.c, r.s
    while s.idle[LEFT, hop] > 0 and s.idle[RIGHT, hop] > 0 and s.head[0] > 0:
        delay = c.place_s[hop + 1] - c.place_s[hop]
        s.head[0] -= 1
        record = s.spare[s.head[0]]
        slot = _free_memory(s.free_s[LEFT, hop], -math.inf)
        asked = s.free_s[LEFT, hop, slot] + delay
        for side in range(2):
            if side == RIGHT:
                slot = _free_memory(s.free_s[RIGHT, hop], asked)
                asked = max(asked, s.free_s[RIGHT, hop, slot])
            s.free_s[side, hop, slot] = math.inf
            s.idle[side, hop] -= 1
            s.slot[side, record] = slot
        failed = 0.0
        if c.success[hop] < 1.0:
            failed = math.floor(math.log1p(-uniform(r.links[hop])) / math.log1p(-c.success[hop]))
        created = asked + delay + failed * c.interval_s[hop]
        s.hop[record], s.created[record] = hop, created
        s.good[record], s.family[record], s.claims[record] = 0, record, 2
        if created <= r.span[1]:
            s.counts[CREATED] += 1
        for side in range(2):
            s.beside[side, record], s.state[side, record], s.knows[side, record] = -1, OPEN, 0
            s.until[side, record] = created + c.life_s[hop]
            push(s.heap, created + c.notify_s[hop, side], record * 8 + _HEARD + side)


@kernel
def _release(r: Run, record: int, side: int, state: int, now: float) -> None:
    """Close an end: its memory is free from now on."""
    s = r.s
    hop = s.hop[record]
    s.state[side, record] = state
    s.closed[side, record] = now
    s.held_s[0] += max(0.0, now - max(s.created[record], r.span[0]))
    if s.knows[side, record] & WAITS:
        _leave_queue(s, record, side)
    s.free_s[side, hop, s.slot[side, record]] = now
    s.idle[side, hop] += 1
    _start(r, hop)


@kernel
def _leave_queue(s: Store, record: int, side: int) -> None:
    """Take an end out of its node's queue, keeping the order of the others."""
    node = _node(s, record, side)
    held = s.queued[node, side]
    place = 0
    while s.queue[node, side, place] != record:
        place += 1
    for later in range(place + 1, held):
        s.queue[node, side, later - 1] = s.queue[node, side, later]
    s.queued[node, side] = held - 1
    s.knows[side, record] &= KNOWS


@kernel
def _give_up(r: Run, record: int, side: int, now: float) -> None:
    """An end is dropped by age, or because word came that its pair is gone."""
    if _lives(r.s, record, 1 - side):
        r.s.counts[DECOHERED] += 1
    _release(r, record, side, DROPPED, now)
    _drop_claim(r.s, record)


@kernel
def _send(c: Chain, s: Store, record: int, side: int) -> bool:
    """Word of the swap at the other end of `record` sets out towards `side`, to whoever holds that end now.

    Returns:
        Whether somebody will hear; not where a swap on the way has failed.
    """
    far = _far(s, record, side)
    if s.state[side, far] == SWAPPED:
        return False
    origin, target = _node(s, record, 1 - side), _node(s, far, side)
    when = s.closed[1 - side, record] + abs(c.place_s[target] - c.place_s[origin])
    push(s.heap, when, record * 8 + _MESSAGE + side)
    s.claims[s.family[record]] += 1
    s.counts[MESSAGES] += 1
    return True


@kernel
def _swap(r: Run, node: int, now: float) -> None:
    """Swap two waiting pairs of a node's two sides."""
    c, s = r.c, r.s
    left = chosen(c, s, r.nodes[node], node, RIGHT, now, r.physics)
    right = chosen(c, s, r.nodes[node], node, LEFT, now, r.physics)
    good = uniform(r.nodes[node]) < c.swap[node]
    lives = int(_lives(s, left, LEFT)) + int(_lives(s, right, RIGHT))
    if lives < 2:
        s.counts[WASTED] += lives
    elif good:
        s.counts[JOINED] += 1
    else:
        s.counts[FAILED] += 1
    s.good[left] = 1 if good else 0
    s.beside[RIGHT, left], s.beside[LEFT, right] = right, left
    old, new = s.family[right], s.family[left]
    s.claims[new] += s.claims[old]
    record = right
    while record >= 0:
        s.family[record] = new
        record = s.beside[RIGHT, record]
    _release(r, left, RIGHT, SWAPPED, now)
    _release(r, right, LEFT, SWAPPED, now)
    _send(c, s, left, LEFT)
    _send(c, s, right, RIGHT)
    _drop_claim(s, left)
    _drop_claim(s, left)


@kernel
def _consume(r: Run, record: int, side: int, now: float) -> int:
    """A user takes its end; the pair is delivered when both have."""
    s = r.s
    status = DONE
    _release(r, record, side, CONSUMED, now)
    if s.state[1 - side, _far(s, record, 1 - side)] == CONSUMED:
        s.counts[DELIVERED] += 1
        if s.head[1] < s.delivered.shape[1]:
            oldest, fidelity = pair_fidelity(r.c, s, record, side, r.physics)
            s.delivered[0, s.head[1]] = now
            s.delivered[1, s.head[1]] = fidelity
            s.delivered[2, s.head[1]] = now - oldest
            s.head[1] += 1
        else:
            status = NO_ROOM
    _drop_claim(s, record)
    return status


@kernel
def _horizon_of(r: Run, record: int, side: int, now: float) -> tuple[int, float]:
    """What the node of an end has heard of its pair's far side.

    With MQNS's heralding neighbours of equal rank swap as a group, and only nodes of higher rank act on what they
    hear of it: of a failure at once; of success with the whole group, and the one of lower rank alone, or both where
    their ranks are equal. A node of the group keeps what it knows to be dead until it has swapped it.

    Returns:
        The node that shares the pair as far as is known, -1 where a swap is known to have failed; and when the pair
        is too old, s.
    """
    c, s = r.c, r.s
    node, other, at = _node(s, record, side), 1 - side, record
    until = age = s.until[side, record]
    while heard(c, s, at, other, node, now):
        swapped = _node(s, at, other)
        told = r.physics.mqns == 0 or c.rank[swapped] < c.rank[node]
        if told and not _joined(s, at, other):
            return -1, until
        if not _joined(s, at, other):
            break
        at = s.beside[other, at]
        age = min(age, s.created[at] + c.life_s[s.hop[at]])
        rank = c.rank[_node(s, at, other)]
        if r.physics.mqns == 0 or (told and rank > c.rank[swapped] and rank >= c.rank[node]):
            until = age
    return _node(s, at, other), until


@kernel
def _look(r: Run, record: int, side: int, now: float) -> int:
    """The node of an end considers all it has heard of: gives up, takes, queues or waits."""
    c, s = r.c, r.s
    node, last = _node(s, record, side), c.rank.shape[0] - 1
    partner, until = _horizon_of(r, record, side, now)
    if partner < 0 or until <= now:
        _give_up(r, record, side, now)
        return DONE
    if node == 0 or node == last:
        if partner == 0 or partner == last:
            return _consume(r, record, side, now)
    elif c.rank[node] <= c.rank[partner] and not s.knows[side, record] & WAITS:
        s.queue[node, side, s.queued[node, side]] = record
        s.queued[node, side] += 1
        s.knows[side, record] |= WAITS
        if s.queued[node, 1 - side] > 0:
            _swap(r, node, now)
            return DONE
    if until < s.until[side, record] or not s.knows[side, record] & KNOWS:
        s.until[side, record] = until
        push(s.heap, until, record * 8 + _EXPIRES + side)
    s.knows[side, record] |= KNOWS
    return DONE


@kernel
def _deliver_message(r: Run, record: int, side: int, now: float) -> int:
    """Word of a swap arrives; who has swapped meanwhile passes it on."""
    c, s = r.c, r.s
    status = DONE
    far = _far(s, record, side)
    if s.state[side, far] == OPEN:
        if not heard(c, s, record, 1 - side, _node(s, far, side), now):
            _send(c, s, record, side)
        elif s.knows[side, far] & KNOWS:
            status = _look(r, far, side, now)
    _drop_claim(s, record)
    return status


@kernel
def advance(r: Run) -> int:
    """Run a path from time 0 to its horizon, in an empty store.

    Returns:
        `DONE` or `NO_ROOM`.
    """
    c, s = r.c, r.s
    for hop in range(c.success.shape[0]):
        for side in range(2):
            s.free_s[side, hop, : c.width[hop]] = 0.0
            s.idle[side, hop] = c.width[hop]
        _start(r, hop)
    while first_time(s.heap) <= r.span[1]:
        if s.head[0] < 4 or s.heap.counts[0] + 8 > s.heap.item.shape[0] or is_full(s.heap):
            return NO_ROOM
        now = first_time(s.heap)
        item = pop(s.heap)
        record, kind, side = item >> 3, item & 6, item & 1
        status = DONE
        if kind == _HEARD:
            status = _look(r, record, side, now)
        elif kind == _MESSAGE:
            status = _deliver_message(r, record, side, now)
        elif s.hop[record] >= 0 and s.state[side, record] == OPEN and s.until[side, record] == now:
            _give_up(r, record, side, now)
        if status != DONE:
            return status
    return DONE


@kernel
def in_memory(s: Store, span: FloatArray) -> int:
    """Pairs that live at the horizon, counted afresh; their time in memory is added to `held_s`."""
    live = 0
    for record in range(s.hop.shape[0]):
        if s.hop[record] < 0 or s.created[record] > span[1]:
            continue
        for side in range(2):
            if s.state[side, record] == OPEN:
                s.held_s[0] += span[1] - max(s.created[record], span[0])
        if not _joined(s, record, LEFT):
            far = _far(s, record, RIGHT)
            ends = s.state[LEFT, record], s.state[RIGHT, far]
            if ends[0] == CONSUMED and ends[1] == CONSUMED:
                continue
            if (ends[0] == OPEN or ends[0] == CONSUMED) and (ends[1] == OPEN or ends[1] == CONSUMED):
                live += 1
    return live


@kernel
def simulate(
    c: Chain, links: Stream, nodes: Stream, span: FloatArray, physics: Physics, room: int, most: int
) -> tuple[int, int, Store]:
    """One run in a store of its own.

    Args:
        c: The path.
        links: Streams of the hops, shape (n, 4); used up.
        nodes: Streams of the nodes, shape (n + 1, 4); used up.
        span: End of the warm-up and horizon, s, shape (2,).
        physics: Rules.
        room: How many records there may be at once.
        most: Memories at each end of the widest hop.

    Returns:
        `DONE` or `NO_ROOM`, pairs in memory at the end, and the store.
    """
    s = make_store(c.success.shape[0], most, room, 16 * room)
    status = advance(Run(c, s, links, nodes, span, physics))
    return status, in_memory(s, span), s
