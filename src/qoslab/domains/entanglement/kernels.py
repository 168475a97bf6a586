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
    Store,
    make_store,
)
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
def _start(c: Chain, s: Store, bank: Stream, hop: int, until: float) -> None:
    """Let a hop's free memories try: the left one asks, the right one must be free, then attempts follow."""
    ring = s.idle.shape[2]
    while s.idle_at[LEFT, hop, 1] > 0 and s.idle_at[RIGHT, hop, 1] > 0 and s.head[0] > 0:
        delay = c.place_s[hop + 1] - c.place_s[hop]
        left = s.idle[LEFT, hop, s.idle_at[LEFT, hop, 0]]
        right = s.idle[RIGHT, hop, s.idle_at[RIGHT, hop, 0]]
        for side in range(2):
            s.idle_at[side, hop, 0] = (s.idle_at[side, hop, 0] + 1) % ring
            s.idle_at[side, hop, 1] -= 1
        start = max(left + delay, right) + delay
        failed = 0.0
        if c.success[hop] < 1.0:
            failed = math.floor(math.log1p(-uniform(bank[hop])) / math.log1p(-c.success[hop]))
        created = start + failed * c.interval_s[hop]
        s.head[0] -= 1
        record = s.spare[s.head[0]]
        s.hop[record], s.created[record] = hop, created
        s.good[record], s.family[record], s.claims[record] = 0, record, 2
        if created <= until:
            s.counts[CREATED] += 1
        for side in range(2):
            s.beside[side, record], s.state[side, record], s.knows[side, record] = -1, OPEN, 0
            s.until[side, record] = created + c.life_s[hop]
            push(s.heap, created + c.notify_s[hop, side], record * 8 + _HEARD + side)


@kernel
def _release(
    c: Chain, s: Store, bank: Stream, record: int, side: int, state: int, now: float, span: FloatArray
) -> None:
    """Close an end: its memory is free from now on."""
    hop = s.hop[record]
    s.state[side, record] = state
    s.closed[side, record] = now
    s.held_s[0] += max(0.0, now - max(s.created[record], span[0]))
    if s.knows[side, record] & WAITS:
        _leave_queue(s, record, side)
    ring = s.idle.shape[2]
    length = s.idle_at[side, hop, 1]
    s.idle[side, hop, (s.idle_at[side, hop, 0] + length) % ring] = now
    s.idle_at[side, hop, 1] = length + 1
    _start(c, s, bank, hop, span[1])


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
def _give_up(c: Chain, s: Store, bank: Stream, record: int, side: int, now: float, span: FloatArray) -> None:
    """An end is dropped by age, or because word came that its pair is gone."""
    if _lives(s, record, 1 - side):
        s.counts[DECOHERED] += 1
    _release(c, s, bank, record, side, DROPPED, now, span)
    _drop_claim(s, record)


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
def _swap(c: Chain, s: Store, banks: tuple[Stream, Stream], node: int, now: float, span: FloatArray) -> None:
    """Swap the longest waiting pairs of a node's two sides."""
    left, right = s.queue[node, RIGHT, 0], s.queue[node, LEFT, 0]
    good = uniform(banks[1][node]) < c.swap[node]
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
    _release(c, s, banks[0], left, RIGHT, SWAPPED, now, span)
    _release(c, s, banks[0], right, LEFT, SWAPPED, now, span)
    _send(c, s, left, LEFT)
    _send(c, s, right, RIGHT)
    _drop_claim(s, left)
    _drop_claim(s, left)


@kernel
def _consume(
    c: Chain,
    s: Store,
    bank: Stream,
    record: int,
    side: int,
    now: float,
    span: FloatArray,
    physics: tuple[int, int, int],
) -> int:
    """A user takes its end; the pair is delivered when both have."""
    status = DONE
    _release(c, s, bank, record, side, CONSUMED, now, span)
    if s.state[1 - side, _far(s, record, 1 - side)] == CONSUMED:
        s.counts[DELIVERED] += 1
        if s.head[1] < s.delivered.shape[1]:
            oldest, fidelity = pair_fidelity(c, s, record, side, physics)
            s.delivered[0, s.head[1]] = now
            s.delivered[1, s.head[1]] = fidelity
            s.delivered[2, s.head[1]] = now - oldest
            s.head[1] += 1
        else:
            status = NO_ROOM
    _drop_claim(s, record)
    return status


@kernel
def _look(
    c: Chain,
    s: Store,
    banks: tuple[Stream, Stream],
    record: int,
    side: int,
    now: float,
    span: FloatArray,
    physics: tuple[int, int, int],
) -> int:
    """The node of an end considers all it has heard of: gives up, takes, queues or waits."""
    node, other, at = _node(s, record, side), 1 - side, record
    until = s.until[side, record]
    while s.state[other, at] == SWAPPED:
        if s.closed[other, at] + abs(c.place_s[_node(s, at, other)] - c.place_s[node]) > now:
            break
        if not _joined(s, at, other):
            _give_up(c, s, banks[0], record, side, now, span)
            return DONE
        at = s.beside[other, at]
        until = min(until, s.created[at] + c.life_s[s.hop[at]])
    if until <= now:
        _give_up(c, s, banks[0], record, side, now, span)
        return DONE
    partner, last = _node(s, at, other), c.rank.shape[0] - 1
    if node == 0 or node == last:
        if partner == 0 or partner == last:
            return _consume(c, s, banks[0], record, side, now, span, physics)
    elif c.rank[node] <= c.rank[partner] and not s.knows[side, record] & WAITS:
        s.queue[node, side, s.queued[node, side]] = record
        s.queued[node, side] += 1
        s.knows[side, record] |= WAITS
        if s.queued[node, other] > 0:
            _swap(c, s, banks, node, now, span)
            return DONE
    if until < s.until[side, record] or not s.knows[side, record] & KNOWS:
        s.until[side, record] = until
        push(s.heap, until, record * 8 + _EXPIRES + side)
    s.knows[side, record] |= KNOWS
    return DONE


@kernel
def _deliver_message(
    c: Chain,
    s: Store,
    banks: tuple[Stream, Stream],
    record: int,
    side: int,
    now: float,
    span: FloatArray,
    physics: tuple[int, int, int],
) -> int:
    """Word of a swap arrives; who has swapped meanwhile passes it on."""
    status = DONE
    far = _far(s, record, side)
    if s.state[side, far] == OPEN:
        origin, target = _node(s, record, 1 - side), _node(s, far, side)
        if s.closed[1 - side, record] + abs(c.place_s[target] - c.place_s[origin]) > now:
            _send(c, s, record, side)
        elif s.knows[side, far] & KNOWS:
            status = _look(c, s, banks, far, side, now, span, physics)
    _drop_claim(s, record)
    return status


@kernel
def advance(
    c: Chain,
    s: Store,
    banks: tuple[Stream, Stream],
    span: FloatArray,
    physics: tuple[int, int, int],
) -> int:
    """Run a path from time 0 to its horizon.

    Args:
        c: The path.
        s: An empty store.
        banks: Streams of the hops, shape (n, 4), and of the nodes, shape (n + 1, 4).
        span: End of the warm-up and horizon, s, shape (2,).
        physics: Noise, Bell-diagonal or not, MQNS or not; see `storage.pair_fidelity`.

    Returns:
        `DONE` or `NO_ROOM`.
    """
    for hop in range(c.success.shape[0]):
        for side in range(2):
            s.idle_at[side, hop, 1] = c.width[hop]
        _start(c, s, banks[0], hop, span[1])
    while first_time(s.heap) <= span[1]:
        if s.head[0] < 4 or s.heap.counts[0] + 8 > s.heap.item.shape[0] or is_full(s.heap):
            return NO_ROOM
        now = first_time(s.heap)
        item = pop(s.heap)
        record, kind, side = item >> 3, item & 6, item & 1
        status = DONE
        if kind == _HEARD:
            status = _look(c, s, banks, record, side, now, span, physics)
        elif kind == _MESSAGE:
            status = _deliver_message(c, s, banks, record, side, now, span, physics)
        elif s.hop[record] >= 0 and s.state[side, record] == OPEN and s.until[side, record] == now:
            _give_up(c, s, banks[0], record, side, now, span)
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
    c: Chain,
    banks: tuple[Stream, Stream],
    span: FloatArray,
    physics: tuple[int, int, int],
    room: int,
    most: int,
) -> tuple[int, int, Store]:
    """One run in a store of its own.

    Returns:
        `DONE` or `NO_ROOM`, pairs in memory at the end, and the store.
    """
    s = make_store(c.success.shape[0], most, room, 16 * room)
    status = advance(c, s, banks, span, physics)
    return status, in_memory(s, span), s
