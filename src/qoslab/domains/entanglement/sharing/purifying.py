# mypy: disable-error-code="no-any-return"
"""Purification of pairs whose links several paths share, as in `purification`: one node asks, the other compares.

A pair gets what each of the paths that it may serve asks for, so it has the most rounds of them. Of two nodes that
first asks which comes first on the first path that has both. Two pairs between the same nodes are purified where some
path could be served by either; the kept one goes on serving its own.

A node that has not heard of all swaps may swap one end of a pair whose other end its holder already measures, or asks
for: then no round is done, and a spent pair that was swapped on is wasted with what it was swapped with.
"""

from __future__ import annotations

import math

from qoslab.domains.entanglement.chain import (
    CONSUMED,
    DROPPED,
    MEASURED,
    MESSAGES,
    OPEN,
    PENDING,
    POOLED,
    PUMPING,
    PURIFIED,
    SPOILED,
    SWAPPED,
    WASTED,
)
from qoslab.domains.entanglement.phases import acting
from qoslab.domains.entanglement.purification import BAD, GOOD, NOTHING
from qoslab.domains.entanglement.sharing.memories import (
    ANSWERS,
    ASKS,
    drop_claim,
    leave_pool,
    node_of,
    release,
)
from qoslab.domains.entanglement.sharing.mesh import Mesh, Pairs, SharedRun
from qoslab.domains.entanglement.sharing.worth import fold, joined_state
from qoslab.domains.entanglement.states import Pair, joint_readout, purify_as_kept
from qoslab.engine.heap import push
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = ["compare", "count_round", "enter_pool", "held_at", "is_pure", "mate_of"]


@kernel
def _rounds(c: Mesh, s: Pairs, end: int, partner: int) -> int:
    """Rounds of the pair between an end's node and another that the end's node knows of."""
    if partner == node_of(c, s, end ^ 1):
        return s.round[end]
    piece = s.piece[end]
    return piece & 63 if piece >> 6 == partner else 0


@kernel
def count_round(c: Mesh, s: Pairs, end: int, partner: int) -> None:
    """The node of an end knows of one more round of its pair with another node."""
    if partner == node_of(c, s, end ^ 1):
        s.round[end] += 1
    else:
        s.piece[end] = 64 * partner + _rounds(c, s, end, partner) + 1


@kernel
def _enough(c: Mesh, s: Pairs, end: int) -> bool:
    """Whether a link's pair has had what each of its paths asks for, as the node of an end knows."""
    link, paths = s.link[end >> 1], s.paths[end >> 1]
    for path in range(c.rank.shape[0]):
        lacks = paths >> path & 1 and s.round[end] < c.rounds[path, link]
        if lacks and s.base[end >> 1, 0] < c.enough[path]:
            return False
    return True


@kernel
def is_pure(c: Mesh, s: Pairs, end: int, partner: int, paths: int) -> bool:
    """Whether a pair has had all rounds of its link and of the segments that it joins, as the node of an end knows.

    Args:
        c: The paths.
        s: The store.
        end: The end.
        partner: The node that shares the pair as far as is known.
        paths: Paths that it may serve as far as is known.
    """
    if c.purify[2] == 0:
        return True
    if not _enough(c, s, end):
        return False
    if partner == node_of(c, s, end ^ 1):
        return True
    if s.knows[end] & PENDING:
        return False
    node, most = node_of(c, s, end), 0
    for path in range(c.rank.shape[0]):
        if paths >> path & 1:
            most = max(most, c.segment[path, node, partner])
    return most == 0 or _rounds(c, s, end, partner) >= most


@kernel
def mate_of(c: Mesh, s: Pairs, end: int, partner: int) -> int:
    """The node with which an end that is not pure is purified: its link's until that pair has had enough."""
    return partner if _enough(c, s, end) else node_of(c, s, end ^ 1)


@kernel
def held_at(c: Mesh, s: Pairs, end: int, node: int) -> int:
    """The end at a node of the list beyond `end`; `end`'s node has heard of all swaps on the way there."""
    at = end ^ 1
    while node_of(c, s, at) != node:
        at = s.beside[at] ^ 1
    return at


@kernel
def _way(c: Mesh, s: Pairs, end: int) -> float:
    """Delay from an end's node to the one with which its pair is purified, s."""
    at = end ^ 1
    way = c.delay_s[s.link[at >> 1]]
    while node_of(c, s, at) != s.mate[end]:
        at = s.beside[at] ^ 1
        way += c.delay_s[s.link[at >> 1]]
    return way


@kernel
def _partner(r: SharedRun, end: int, arrival: float) -> int:
    """The pooled end that is purified together with this one, -1 for none."""
    c, s = r.c, r.s
    node, mate = node_of(c, s, end), s.mate[end]
    if s.until[end] <= arrival:
        return -1
    found, mine, most = -1, _rounds(c, s, end, mate), 0
    for place in range(s.pooled[node]):
        other = s.pool[node, place]
        if other == end or s.mate[other] != mate or s.until[other] <= arrival:
            continue
        if s.serves[other] & s.serves[end] == 0:
            continue
        rounds = _rounds(c, s, other, mate)
        if c.purify[1] == PUMPING:
            if (mine == 0 or rounds == 0) and (found < 0 or rounds > most):
                found, most = other, rounds
        elif rounds == mine and found < 0:
            found = other
    return found


@kernel
def enter_pool(r: SharedRun, end: int, mate: int, paths: int, now: float) -> None:
    """An end waits for purification with another node, and its node begins it where there is another pair for it.

    Of two pairs the one with more rounds is kept, with equal rounds the one that lasts longer. The records of the spent
    one are kept until the question has arrived.
    """
    c, s = r.c, r.s
    node = node_of(c, s, end)
    s.pool[node, s.pooled[node]] = end
    s.pooled[node] += 1
    s.mate[end], s.serves[end] = mate, paths
    s.knows[end] |= POOLED
    way = _way(c, s, end)
    arrival = now + way
    if r.physics.sync == 1:
        arrival = acting(r.physics, arrival)
    other = _partner(r, end, arrival)
    if other < 0:
        return
    kept, spent = end, other
    more = _rounds(c, s, other, mate) - _rounds(c, s, end, mate)
    if more > 0 or (more == 0 and s.until[other] > s.until[end]):
        kept, spent = other, end
    leave_pool(c, s, kept)
    s.knows[kept] |= PENDING
    s.spent[kept] = spent
    s.claims[s.family[kept >> 1]] += 1
    s.counts[MESSAGES] += 1
    push(s.heap, now + way, kept * 8 + ASKS)
    release(r, spent, MEASURED, now)


@kernel
def _attempt(r: SharedRun, kept: int, spent: int, now: float, out: Pair) -> bool:
    """Whether the round succeeds; the kept pair's state after it."""
    c, s = r.c, r.s
    node, mate, asked_s = node_of(c, s, kept), s.mate[kept], s.closed[spent]
    first, second = s.work[1], s.work[2]
    joined_state(c, s, kept, asked_s, now, r.physics, first)
    joined_state(c, s, spent, asked_s, now, r.physics, second)
    gate = math.sqrt(c.gate[node] * c.gate[mate])
    readout = joint_readout(c.readout[node], c.readout[mate])
    success = purify_as_kept(first, second, int(c.purify[0]), gate, readout, r.physics.bell, out)
    return uniform(r.nodes[mate]) < success


@kernel
def _answer(r: SharedRun, kept: int, what: int, now: float) -> None:
    """What came of a round sets out to the node that asked."""
    s = r.s
    s.spent[kept] = what
    s.counts[MESSAGES] += 1
    push(s.heap, now + _way(r.c, s, kept), kept * 8 + ANSWERS)


@kernel
def _lost(r: SharedRun, kept: int, kept_end: int, spent_end: int, now: float) -> None:
    """The asked node holds one of two pairs no more, or neither, when the question arrives: there is no round.

    A kept pair that it has swapped on or used lives. What else it let go was counted then; a spent pair that it still
    holds is of no use any more.
    """
    s = r.s
    spent, state = s.spent[kept], s.state[kept_end]
    _answer(r, kept, NOTHING if state in (OPEN, SWAPPED, CONSUMED) else BAD, now)
    if s.state[spent_end] == OPEN:
        s.counts[WASTED] += 1
        release(r, spent_end, DROPPED, now)
        drop_claim(s, spent >> 1)


@kernel
def compare(r: SharedRun, kept: int, now: float) -> bool:
    """The question about an end arrives: the asked node measures, and its answer sets out.

    Returns:
        Whether the kept pair is better now.
    """
    c, s, spent = r.c, r.s, r.s.spent[kept]
    kept_end, spent_end = held_at(c, s, kept, s.mate[kept]), held_at(c, s, spent, s.mate[kept])
    good = False
    if s.state[kept_end] == OPEN and s.state[spent_end] == OPEN:
        good = _attempt(r, kept, spent, now, s.work[4])
        if good:
            fold(s, kept, s.closed[spent], now, s.work[4])
            count_round(c, s, kept_end, node_of(c, s, kept))
        s.counts[PURIFIED if good else SPOILED] += 1
        _answer(r, kept, GOOD if good else BAD, now)
        release(r, spent_end, MEASURED, now)
        drop_claim(s, spent >> 1)
        if not good:
            release(r, kept_end, DROPPED, now)
            drop_claim(s, kept >> 1)
    else:
        _lost(r, kept, kept_end, spent_end, now)
    drop_claim(s, spent >> 1)
    return good
