# mypy: disable-error-code="no-any-return"
"""The event loop of one path: links try, nodes swap by what they have heard, users take what reaches both.

Nodes act on what they know: a swap happens at once, and word of it travels at the speed of light. A node may so swap
a pair whose other side has already failed. What a node knows of a list of swapped records follows from the times of
the swaps and the distances; a message is an event at which a node looks again. Ages end pairs where nobody looked:
an event stands for each time `until`, and is passed over where it no longer holds.
"""

from __future__ import annotations

from qoslab.domains.entanglement.chain import (
    BUSY,
    CONSUMED,
    CUT,
    DELIVERED,
    FAILED,
    JOINED,
    KNOWS,
    LEFT,
    MEASURED,
    MESSAGES,
    OPEN,
    PENDING,
    POOLED,
    RIGHT,
    SWAPPED,
    TRIMMED,
    WAITS,
    WASTED,
    Chain,
    FloatArray,
    Physics,
    Run,
    Store,
    make_store,
)
from qoslab.domains.entanglement.memories import (
    ASKS,
    EXPIRES,
    HEARD,
    MESSAGE,
    close,
    drop_claim,
    far_record,
    free_memory,
    give_up,
    joined,
    lives,
    node_of,
    release,
    start_attempts,
)
from qoslab.domains.entanglement.phases import acting
from qoslab.domains.entanglement.purification import BAD, GOOD, compare, count_round, enter_pool, is_pure
from qoslab.domains.entanglement.selection import chosen, heard
from qoslab.domains.entanglement.storage import pair_fidelity
from qoslab.engine.heap import first_time, is_full, pop, push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["DONE", "NO_ROOM", "advance", "in_memory", "simulate"]

DONE, NO_ROOM = 0, 1
"""Whether a run reached its horizon, or needs larger arrays."""


@kernel(once=True)
def _send(c: Chain, s: Store, record: int, side: int) -> bool:
    """Word of the swap or cut at the other end of `record` sets out towards `side`, to whoever holds that end now.

    Returns:
        Whether somebody will hear; not where a swap on the way has failed.
    """
    far = far_record(s, record, side)
    if s.state[side, far] == SWAPPED:
        return False
    origin, target = node_of(s, record, 1 - side), node_of(s, far, side)
    when = s.closed[1 - side, record] + abs(c.place_s[target] - c.place_s[origin])
    push(s.heap, when, record * 8 + MESSAGE + side)
    s.claims[s.family[record]] += 1
    s.counts[MESSAGES] += 1
    return True


@kernel(once=True)
def _cut(r: Run, record: int, side: int, now: float) -> None:
    """A repeater has waited long enough for a swap: it frees the memory and tells the other end's node."""
    s = r.s
    if lives(s, record, 1 - side):
        s.counts[TRIMMED] += 1
    release(r, record, side, CUT, now)
    _send(r.c, s, record, 1 - side)
    drop_claim(s, record)


@kernel(once=True)
def _begin(r: Run, record: int, side: int, done: float) -> None:
    """A swap of an end begins, which holds its memory, and with it its record, until it is done."""
    close(r, record, side, SWAPPED, done)
    r.s.knows[side, record] |= BUSY
    push(r.s.heap, done, record * 8 + EXPIRES + side)


@kernel(once=True)
def _swap(r: Run, node: int, now: float) -> None:
    """Swap two waiting pairs of a node's two sides."""
    c, s = r.c, r.s
    left = chosen(c, s, r.nodes[node], node, RIGHT, now, r.physics)
    right = chosen(c, s, r.nodes[node], node, LEFT, now, r.physics)
    good = uniform(r.nodes[node]) < c.swap[node]
    live = int(lives(s, left, LEFT)) + int(lives(s, right, RIGHT))
    if live < 2:
        s.counts[WASTED] += live
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
    if c.swap_s[node] > 0.0:
        done = now + c.swap_s[node]
        if r.physics.mqns == 1:  # its repeater's memories forget nothing more from a swap's start on
            s.since[RIGHT, left] += c.swap_s[node]
            s.since[LEFT, right] += c.swap_s[node]
        _begin(r, left, RIGHT, done)
        _begin(r, right, LEFT, done)
    else:
        release(r, left, RIGHT, SWAPPED, now)
        release(r, right, LEFT, SWAPPED, now)
    _send(c, s, left, LEFT)
    _send(c, s, right, RIGHT)
    if c.swap_s[node] == 0.0:
        drop_claim(s, left)
        drop_claim(s, left)


@kernel(once=True)
def _consume(r: Run, record: int, side: int, now: float) -> int:
    """A user takes its end; the pair is delivered when both have."""
    s = r.s
    status = DONE
    release(r, record, side, CONSUMED, now)
    if s.state[1 - side, far_record(s, record, 1 - side)] == CONSUMED:
        s.counts[DELIVERED] += 1
        if s.head[1] < s.delivered.shape[1]:
            oldest, fidelity = pair_fidelity(r.c, s, record, side, r.physics)
            s.delivered[0, s.head[1]] = now
            s.delivered[1, s.head[1]] = fidelity
            s.delivered[2, s.head[1]] = now - oldest
            for error in range(1, 4):
                s.delivered[2 + error, s.head[1]] = s.work[2, error]
            s.head[1] += 1
        else:
            status = NO_ROOM
    drop_claim(s, record)
    return status


@kernel(once=True)
def _horizon_of(r: Run, record: int, side: int, now: float) -> tuple[int, float]:
    """What the node of an end has heard of its pair's far side.

    With MQNS's heralding neighbours of equal rank swap as a group, and only nodes of higher rank act on what they
    hear of it: of a failure at once; of success with the whole group, and the one of lower rank alone, or both where
    their ranks are equal. A node of the group keeps what it knows to be dead until it has swapped it.

    Returns:
        The node that shares the pair as far as is known, -1 where it is known to have ended; and when the pair
        is too old, s.
    """
    c, s = r.c, r.s
    node, other, at = node_of(s, record, side), 1 - side, record
    until = age = s.until[side, record]
    while heard(c, s, at, other, node, now):
        if s.state[other, at] == CUT:
            return -1, until
        swapped = node_of(s, at, other)
        told = r.physics.mqns == 0 or c.rank[swapped] < c.rank[node]
        if told and not joined(s, at, other):
            return -1, until
        if not joined(s, at, other):
            break
        at = s.beside[other, at]
        age = min(age, s.created[at] + c.life_s[s.hop[at]])
        rank = c.rank[node_of(s, at, other)]
        if r.physics.mqns == 0 or (told and rank > c.rank[swapped] and rank >= c.rank[node]):
            until = age
    return node_of(s, at, other), until


@kernel(once=True)
def _look(r: Run, record: int, side: int, now: float) -> int:
    """The node of an end considers all it has heard of: gives up, takes, queues or waits."""
    c, s = r.c, r.s
    node, last = node_of(s, record, side), c.rank.shape[0] - 1
    partner, until = _horizon_of(r, record, side, now)
    if partner < 0 or until <= now:
        give_up(r, record, side, now)
        return DONE
    if not is_pure(c, s, record, side, partner):
        if side == LEFT and not s.knows[side, record] & (POOLED | PENDING):
            if until < s.until[side, record]:
                s.until[side, record] = until
                push(s.heap, until, record * 8 + EXPIRES + side)
            enter_pool(r, record, partner, now)
            if s.state[side, record] != OPEN:
                return DONE
    elif node == 0 or node == last:
        if partner == 0 or partner == last:
            return _consume(r, record, side, now)
    elif c.rank[node] <= c.rank[partner] and not s.knows[side, record] & WAITS:
        s.queue[node, side, s.queued[node, side]] = record
        s.queued[node, side] += 1
        s.knows[side, record] |= WAITS
        if s.queued[node, 1 - side] > 0:
            _swap(r, node, now)
            return DONE
        if now + c.wait_s[node, side] < until:
            s.cut_s[side, record] = now + c.wait_s[node, side]
            push(s.heap, s.cut_s[side, record], record * 8 + EXPIRES + side)
    if until < s.until[side, record] or not s.knows[side, record] & KNOWS:
        s.until[side, record] = until
        push(s.heap, until, record * 8 + EXPIRES + side)
    s.knows[side, record] |= KNOWS
    return DONE


@kernel(once=True)
def _deliver_message(r: Run, record: int, side: int, now: float) -> int:
    """Word of a swap arrives; who has swapped meanwhile passes it on."""
    c, s = r.c, r.s
    status = DONE
    far = far_record(s, record, side)
    if s.state[side, far] == OPEN:
        if not heard(c, s, record, 1 - side, node_of(s, far, side), now):
            _send(c, s, record, side)
        elif s.knows[side, far] & KNOWS:
            status = _look(r, far, side, now)
    drop_claim(s, record)
    return status


@kernel(once=True)
def _hear_of_round(r: Run, kept: int, side: int, now: float) -> int:
    """The question or the answer of a round of purification arrives."""
    s = r.s
    status = DONE
    if side == RIGHT:
        far = far_record(s, kept, RIGHT)
        if compare(r, kept, now):
            status = _look(r, far, RIGHT, now)
        return status
    if s.state[LEFT, kept] == OPEN:
        s.knows[LEFT, kept] &= ~PENDING
        if s.spent[kept] == BAD:
            give_up(r, kept, LEFT, now)
        else:
            if s.spent[kept] == GOOD:
                count_round(s, kept, LEFT, s.mate[kept])
            status = _look(r, kept, LEFT, now)
    drop_claim(s, kept)
    return status


@kernel(once=True)
def _too_old(r: Run, record: int, side: int, now: float) -> None:
    """An end that is still stored may have reached its age, its node the end of its patience, or its swap its end."""
    s = r.s
    if s.hop[record] >= 0 and s.knows[side, record] & BUSY and s.closed[side, record] == now:
        s.knows[side, record] &= ~BUSY
        free_memory(r, record, side, now)
        drop_claim(s, record)
        return
    if s.hop[record] < 0 or s.state[side, record] != OPEN:
        return
    if s.until[side, record] == now:
        give_up(r, record, side, now)
    elif s.cut_s[side, record] == now:
        _cut(r, record, side, now)


@kernel(once=True)
def _when(r: Run, record: int, kind: int, side: int, now: float) -> float:
    """When an event is acted upon: at once, or with common phases when the next internal one begins.

    A pair that ends by age meanwhile frees its memory then.
    """
    if r.physics.sync == 0 or kind == EXPIRES:
        return now
    later = acting(r.physics, now)
    return min(later, r.s.until[side, record]) if kind == HEARD else later


@kernel
def advance(r: Run) -> int:
    """Run a path from time 0 to its horizon, in an empty store.

    Returns:
        `DONE` or `NO_ROOM`.
    """
    c, s = r.c, r.s
    for hop in range(c.success.shape[0]):
        for side in range(2):
            for slot in range(c.width[hop]):
                s.free_s[side, hop, slot] = 0.0
            s.idle[side, hop] = c.width[hop]
        start_attempts(r, hop)
    while first_time(s.heap) <= r.span[1]:
        if s.head[0] < 4 or s.heap.counts[0] + 8 > s.heap.item.shape[0] or is_full(s.heap):
            return NO_ROOM
        now = first_time(s.heap)
        item = pop(s.heap)
        record, kind, side = item >> 3, item & 6, item & 1
        when = _when(r, record, kind, side, now)
        if when > now:
            push(s.heap, when, item)
            continue
        status = DONE
        if kind == HEARD:
            status = _look(r, record, side, now)
        elif kind == MESSAGE:
            status = _deliver_message(r, record, side, now)
        elif kind == ASKS:
            status = _hear_of_round(r, record, side, now)
        else:
            _too_old(r, record, side, now)
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
        if not joined(s, record, LEFT):
            far = far_record(s, record, RIGHT)
            used = 0
            gone = False
            for state in (s.state[LEFT, record], s.state[RIGHT, far]):
                used += int(state == CONSUMED)
                gone = gone or (state != OPEN and state != CONSUMED and state != MEASURED)
            if not gone and used < 2:
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
