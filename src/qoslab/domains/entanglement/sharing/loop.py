# mypy: disable-error-code="no-any-return"
"""The event loop of paths that share memories.

Nodes act on what they know, as in `kernels`. What a pair may serve is the intersection of what its link pairs may
serve, as far as its node has heard of them: two nodes that swap at the same time for different paths learn of it from
each other's word, and a pair that no path has a use for is given up. Pairs that are to be purified first wait in pools
(see `purifying`).
"""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    BUSY,
    CONSUMED,
    CUT,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    KNOWS,
    MEASURED,
    MESSAGES,
    OPEN,
    PENDING,
    POOLED,
    SWAPPED,
    TRIMMED,
    WAITS,
    WASTED,
    FloatArray,
    Physics,
)
from qoslab.domains.entanglement.phases import acting
from qoslab.domains.entanglement.purification import BAD, GOOD
from qoslab.domains.entanglement.sharing.memories import (
    ANSWERS,
    ASKS,
    EXPIRES,
    HEARD,
    MESSAGE,
    close,
    drop_claim,
    far_end,
    free_memory,
    give_up,
    heard,
    is_measured,
    joined,
    leave_pool,
    leave_queue,
    lives,
    node_of,
    release,
    start_attempts,
)
from qoslab.domains.entanglement.sharing.mesh import CLASHED, Mesh, Pairs, Rule, SharedRun, make_pairs
from qoslab.domains.entanglement.sharing.purifying import (
    compare,
    count_round,
    enter_pool,
    held_at,
    is_pure,
    mate_of,
)
from qoslab.domains.entanglement.sharing.worth import chosen, pair_fidelity
from qoslab.engine.heap import first_time, is_full, pop, push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["advance", "simulate_shared"]

_DONE, _NO_ROOM = 0, 1


@kernel
def _way(c: Mesh, s: Pairs, end: int) -> float:
    """Delay from the node of an end to that of the last end of its list on the other side, s."""
    at = end ^ 1
    way = c.delay_s[s.link[at >> 1]]
    while joined(s, at):
        at = s.beside[at] ^ 1
        way += c.delay_s[s.link[at >> 1]]
    return way


@kernel
def _send(r: SharedRun, end: int) -> None:
    """Word that an end was swapped or cut sets out to whoever holds the list's other end now, if anybody does."""
    c, s = r.c, r.s
    if s.state[far_end(s, end ^ 1)] == SWAPPED:
        return
    push(s.heap, s.closed[end] + _way(c, s, end), end * 8 + MESSAGE)
    s.claims[s.family[end >> 1]] += 1
    s.counts[MESSAGES] += 1


@kernel
def _adopt(s: Pairs, first: int, second: int) -> None:
    """The records beyond `second` become of the family of `first`."""
    new, old = s.family[first >> 1], s.family[second >> 1]
    if new == old:
        return
    s.claims[new] += s.claims[old]
    while second >= 0:
        s.family[second >> 1] = new
        second = s.beside[second ^ 1]


@kernel
def _begin(r: SharedRun, end: int, done: float) -> None:
    """A swap of an end begins, which holds its memory, and with it its record, until it is done."""
    close(r, end, SWAPPED, done)
    r.s.knows[end] |= BUSY
    push(r.s.heap, done, end * 8 + EXPIRES)


@kernel
def _swap(r: SharedRun, node: int, first: int, second: int, now: float) -> None:
    """Swap two waiting ends of a node."""
    c, s = r.c, r.s
    good = uniform(r.nodes[node]) < c.swap[node]
    if far_end(s, first ^ 1) == second:  # both qubits are of one pair, whose swaps have closed a ring
        good = False
        s.counts[WASTED] += 1
    else:
        live = int(lives(s, first ^ 1)) + int(lives(s, second ^ 1))
        if live < 2:
            s.counts[WASTED] += live + int(is_measured(s, first ^ 1)) + int(is_measured(s, second ^ 1))
        elif good:
            s.counts[JOINED] += 1
        else:
            s.counts[FAILED] += 1
    _adopt(s, first, second)
    for end in (first, second):
        s.good[end] = 1 if good else 0
    s.beside[first], s.beside[second] = second, first
    if c.swap_s[node] > 0.0:
        _begin(r, first, now + c.swap_s[node])
        _begin(r, second, now + c.swap_s[node])
    else:
        release(r, first, SWAPPED, now)
        release(r, second, SWAPPED, now)
    _send(r, first)
    _send(r, second)
    if c.swap_s[node] == 0.0:
        drop_claim(s, first >> 1)
        drop_claim(s, first >> 1)


@kernel
def _cut(r: SharedRun, end: int, now: float) -> None:
    """A repeater has waited long enough for a swap: it frees the memory and tells the other end's node."""
    s = r.s
    if lives(s, end ^ 1) or is_measured(s, end ^ 1):
        s.counts[TRIMMED] += 1
    release(r, end, CUT, now)
    _send(r, end)
    drop_claim(s, end >> 1)


@kernel
def _served(r: SharedRun, paths: int) -> int:
    """Of several paths that a pair serves alike, the one that has got least."""
    s, found = r.s, -1
    for path in range(s.got.shape[0]):
        if paths >> path & 1 and (found < 0 or s.got[path] < s.got[found]):
            found = path
    return found


@kernel
def _consume(r: SharedRun, end: int, partner: int, paths: int, now: float) -> int:
    """A user takes its end, to be shared with another; the pair is delivered when that one has, too."""
    c, s = r.c, r.s
    status = _DONE
    node = node_of(c, s, end)
    release(r, end, CONSUMED, now)
    s.aim[end] = partner
    far = far_end(s, end ^ 1)
    if s.state[far] == CONSUMED:
        if s.aim[far] != node or node_of(c, s, far) != partner:
            s.counts[CLASHED] += 1
        elif s.head[1] < s.delivered.shape[1]:
            s.counts[DELIVERED] += 1
            path = _served(r, paths)
            s.got[path] += 1
            oldest, fidelity = pair_fidelity(c, s, end, r.physics)
            s.delivered[0, s.head[1]] = now
            s.delivered[1, s.head[1]] = fidelity
            s.delivered[2, s.head[1]] = now - oldest
            s.delivered[3, s.head[1]] = float(path)
            for error in range(1, 4):
                s.delivered[3 + error, s.head[1]] = s.work[1, error]
            s.head[1] += 1
        else:
            status = _NO_ROOM
    elif s.state[far] == MEASURED:
        s.counts[WASTED] += 1
    drop_claim(s, end >> 1)
    return status


@kernel
def _reach(c: Mesh, s: Pairs, end: int, now: float) -> tuple[int, int, float]:
    """What the node of an end has heard of its pair's far side.

    Returns:
        The node that shares the pair as far as is known, -1 where it is known to have ended; the paths that the pair
        may serve; and when it is too old, s.
    """
    at, way = end ^ 1, c.delay_s[s.link[end >> 1]]
    paths, until = s.paths[end >> 1], s.until[end]
    while heard(s, at, way, now):
        if not joined(s, at):
            return -1, paths, until
        at = s.beside[at] ^ 1
        way += c.delay_s[s.link[at >> 1]]
        paths &= s.paths[at >> 1]
        until = min(until, s.dies[at >> 1])
    return node_of(c, s, at), paths, until


@kernel
def _able(c: Mesh, node: int, partner: int, paths: int) -> int:
    """The paths for which a node may swap a pair that it shares with another: those where its rank is no higher."""
    able = 0
    for path in range(c.rank.shape[0]):
        if paths >> path & 1 and c.rank[path, node] <= c.rank[path, partner]:
            able |= 1 << path
    return able & c.inner[node]


@kernel
def _longest_wait(c: Mesh, link: int, side: int, paths: int) -> float:
    """The longest wait for a swap that any of several paths allows an end of a link, s."""
    longest = 0.0
    for path in range(c.rank.shape[0]):
        if paths >> path & 1:
            longest = max(longest, c.wait_s[path, link, side])
    return longest


@kernel
def _offered(r: SharedRun, end: int, able: int, until: float, now: float) -> bool:
    """An end may be swapped for some paths: it is swapped with one that waits for them, or waits.

    Returns:
        Whether it was swapped.
    """
    c, s = r.c, r.s
    node = node_of(c, s, end)
    more = able & ~s.able[end]
    s.able[end] = able
    waited = s.knows[end] & WAITS
    if not waited and able:
        s.queue[node, s.queued[node]] = end
        s.queued[node] += 1
        s.knows[end] |= WAITS
    if more:
        other = chosen(r, node, end, now)
        if other >= 0:
            # The end at its link's second node first, as on a path that runs along its links.
            first = end if end & 1 or not other & 1 else other
            _swap(r, node, first, end + other - first, now)
            return True
    if not waited and able:
        patience = _longest_wait(c, s.link[end >> 1], end & 1, able)
        if now + patience < until:
            s.cut_s[end] = now + patience
            push(s.heap, s.cut_s[end], end * 8 + EXPIRES)
    return False


@kernel
def _purify(r: SharedRun, end: int, mate: int, paths: int, until: float, now: float) -> bool:
    """An end whose pair lacks rounds waits for them and for nothing else, where its node asks for them.

    Returns:
        Whether it is still stored.
    """
    c, s = r.c, r.s
    if s.knows[end] & WAITS:
        leave_queue(c, s, end)
        s.able[end], s.cut_s[end] = 0, math.inf
    if c.asks[node_of(c, s, end), mate] and not s.knows[end] & (POOLED | PENDING):
        if until < s.until[end]:
            s.until[end] = until
            push(s.heap, until, end * 8 + EXPIRES)
        enter_pool(r, end, mate, paths, now)
    return s.state[end] == OPEN


@kernel
def _look(r: SharedRun, end: int, now: float) -> int:
    """The node of an end considers all it has heard of: gives up, takes, queues or waits."""
    c, s = r.c, r.s
    node = node_of(c, s, end)
    partner, paths, until = _reach(c, s, end, now)
    if partner < 0 or until <= now:
        give_up(r, end, DECOHERED, now)
        return _DONE
    if paths == 0:
        give_up(r, end, CLASHED, now)
        return _DONE
    pure = is_pure(c, s, end, partner, paths)
    if s.knows[end] & POOLED and (pure or s.mate[end] != mate_of(c, s, end, partner)):
        leave_pool(c, s, end)
    wanted = paths & c.users[node] & c.users[partner]
    if pure and wanted:
        return _consume(r, end, partner, wanted, now)
    first = not s.knows[end] & KNOWS
    if not pure:
        if not _purify(r, end, mate_of(c, s, end, partner), paths, until, now):
            return _DONE
    elif _offered(r, end, _able(c, node, partner, paths), until, now):
        return _DONE
    if until < s.until[end] or first:
        s.until[end] = until
        push(s.heap, until, end * 8 + EXPIRES)
    s.knows[end] |= KNOWS
    return _DONE


@kernel
def _deliver_message(r: SharedRun, end: int, now: float) -> int:
    """Word of a swap or cut arrives; who has swapped meanwhile passes it on."""
    c, s = r.c, r.s
    status = _DONE
    far = far_end(s, end ^ 1)
    if s.state[far] == OPEN:
        if not heard(s, end, _way(c, s, end), now):
            _send(r, end)
        elif s.knows[far] & KNOWS:
            status = _look(r, far, now)
    drop_claim(s, end >> 1)
    return status


@kernel
def _hear_question(r: SharedRun, kept: int, now: float) -> int:
    """The question of a round of purification arrives."""
    status = _DONE
    asked = held_at(r.c, r.s, kept, r.s.mate[kept])
    if compare(r, kept, now):
        status = _look(r, asked, now)
    return status


@kernel
def _hear_answer(r: SharedRun, kept: int, now: float) -> int:
    """The answer arrives: the kept pair is better, or gone, or still there as it was."""
    c, s = r.c, r.s
    status = _DONE
    if s.state[kept] == OPEN:
        s.knows[kept] &= ~PENDING
        if s.spent[kept] == BAD:
            give_up(r, kept, DECOHERED, now)
        else:
            if s.spent[kept] == GOOD:
                count_round(c, s, kept, s.mate[kept])
            status = _look(r, kept, now)
    drop_claim(s, kept >> 1)
    return status


@kernel
def _too_old(r: SharedRun, end: int, now: float) -> None:
    """An end that is still stored may have reached its age, its node the end of its patience, or its swap its end."""
    s = r.s
    if s.link[end >> 1] >= 0 and s.knows[end] & BUSY and s.closed[end] == now:
        s.knows[end] &= ~BUSY
        free_memory(r, end, now)
        drop_claim(s, end >> 1)
        return
    if s.link[end >> 1] < 0 or s.state[end] != OPEN:
        return
    if s.until[end] == now:
        give_up(r, end, DECOHERED, now)
    elif s.cut_s[end] == now:
        _cut(r, end, now)


@kernel
def _when(r: SharedRun, end: int, kind: int, now: float) -> float:
    """When an event is acted upon: at once, or with common phases when the next internal one begins.

    A pair that ends by age meanwhile frees its memory then.
    """
    if r.physics.sync == 0 or kind == EXPIRES:
        return now
    later = acting(r.physics, now)
    return min(later, r.s.until[end]) if kind == HEARD else later


@kernel
def advance(r: SharedRun) -> int:
    """Run from time 0 to the horizon, in an empty store."""
    c, s = r.c, r.s
    for link in range(c.ends.shape[0]):
        for side in range(2):
            for slot in range(c.width[link]):
                s.free_s[side, link, slot] = 0.0
            s.idle[side, link] = c.width[link]
        start_attempts(r, link)
    while first_time(s.heap) <= r.span[1]:
        if s.head[0] < 4 or s.heap.counts[0] + 8 > s.heap.item.shape[0] or is_full(s.heap):
            return _NO_ROOM
        now = first_time(s.heap)
        item = pop(s.heap)
        end, kind = item >> 3, item & 7
        when = _when(r, end, kind, now)
        if when > now:
            push(s.heap, when, item)
            continue
        status = _DONE
        if kind == HEARD:
            status = _look(r, end, now)
        elif kind == MESSAGE:
            status = _deliver_message(r, end, now)
        elif kind == ASKS:
            status = _hear_question(r, end, now)
        elif kind == ANSWERS:
            status = _hear_answer(r, end, now)
        else:
            _too_old(r, end, now)
        if status != _DONE:
            return status
    return _DONE


@kernel
def _in_memory(s: Pairs, span: FloatArray) -> int:
    """Pairs that live at the horizon, counted afresh; their time in memory is added to `held_s`."""
    live = 0
    for end in range(s.state.shape[0]):
        record = end >> 1
        if s.link[record] < 0 or s.created[record] > span[1]:
            continue
        if s.state[end] == OPEN:
            s.held_s[0] += span[1] - max(s.created[record], span[0])
        if joined(s, end):
            continue
        far = far_end(s, end ^ 1)
        if far < end:
            continue
        here, there = s.state[end], s.state[far]
        if (here == OPEN and there in (OPEN, CONSUMED, MEASURED)) or (
            here in (CONSUMED, MEASURED) and there == OPEN
        ):
            live += 1
    return live


@kernel
def simulate_shared(
    c: Mesh,
    links: Stream,
    lots: Stream,
    nodes: Stream,
    span: FloatArray,
    physics: Physics,
    rule: Rule,
    sizes: tuple[int, int, int],
) -> tuple[int, int, Pairs]:
    """One run in a store of its own.

    Args:
        c: The paths.
        links: Streams of the links' attempts, shape (m, 4); used up.
        lots: Streams that draw the links' paths, shape (m, 4); used up.
        nodes: Streams of the nodes, shape (n, 4); used up.
        span: End of the warm-up and horizon, s, shape (2,).
        physics: Rules; another simulator's heralding is not for shared memories.
        rule: How pairs are allotted to paths.
        sizes: Records that there may be at once; memories at each end of the widest link, and at the node of most.

    Returns:
        0, or 1 where the arrays were too small; pairs in memory at the end; and the store.
    """
    s = make_pairs(c, sizes[0], sizes[1], sizes[2], 16 * sizes[0])
    status = advance(SharedRun(c, s, links, lots, nodes, span, physics, rule))
    return status, _in_memory(s, span), s
