# mypy: disable-error-code="no-any-return"
"""Which of several waiting pairs a node swaps, and what is left of one when it is purified or delivered."""

from __future__ import annotations

from qoslab.domains.entanglement.chain import Physics
from qoslab.domains.entanglement.selection import BEST, FIRST, OLDEST, RANDOM, WAITING
from qoslab.domains.entanglement.sharing.memories import heard, joined, node_of
from qoslab.domains.entanglement.sharing.mesh import Mesh, Pairs, SharedRun
from qoslab.domains.entanglement.states import (
    Pair,
    bell_of_werner,
    compose,
    copy_pair,
    fidelity_of_werner,
    memory_errors,
    twirl,
    werner_factor,
    werner_of_fidelity,
)
from qoslab.domains.entanglement.storage import add_swap, read_errors
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import uniform

__all__ = ["chosen", "fold", "joined_state", "pair_fidelity"]


@kernel
def _made(c: Mesh, s: Pairs, record: int) -> float:
    """Werner parameter of a record's pair without its memories."""
    if s.changed[record] == 1:
        return twirl(s.base[record])
    return werner_of_fidelity(c.fidelity[s.link[record]])


@kernel
def _decayed(c: Mesh, s: Pairs, end: int, closed: float, noise: int) -> float:
    """What one end's memory has left of a Werner parameter, as a factor."""
    elapsed = closed - s.since[end]
    memory_errors(noise, elapsed, c.coherence_s[node_of(c, s, end)], s.work[0])
    return werner_factor(s.work[0])


@kernel
def _known(c: Mesh, s: Pairs, end: int, now: float, noise: int) -> tuple[float, float]:
    """Werner parameter that the node of an end expects its pair to have now, and when its oldest part was created, s.

    By what it has heard of; noise of swaps is left out, as it is alike for all.
    """
    w, oldest, way, at = 1.0, s.created[end >> 1], 0.0, end
    while True:
        link = s.link[at >> 1]
        way += c.delay_s[link]
        oldest = min(oldest, s.created[at >> 1])
        told = joined(s, at ^ 1) and heard(s, at ^ 1, way, now)
        w *= _made(c, s, at >> 1)
        w *= _decayed(c, s, at, now if at == end else s.closed[at], noise)
        w *= _decayed(c, s, at ^ 1, s.closed[at ^ 1] if told else now, noise)
        if not told:
            return w, oldest
        at = s.beside[at ^ 1]


@kernel
def _cost(c: Mesh, s: Pairs, end: int, now: float, physics: Physics) -> float:
    """What a node wants least of; equal costs are taken in the order of waiting."""
    if physics.selection == FIRST:
        return float(s.slot[end])
    w, oldest = _known(c, s, end, now, physics.noise)
    if physics.selection == BEST:
        return -w
    return oldest if physics.selection == OLDEST else -oldest


@kernel(inline=True)
def _fits(s: Pairs, end: int, other: int) -> bool:
    """Whether two ends at a node lie on different links of one path that may be swapped for."""
    return s.able[end] & s.able[other] != 0 and s.link[end >> 1] != s.link[other >> 1]


@kernel
def chosen(r: SharedRun, node: int, end: int, now: float) -> int:
    """The waiting end that a node swaps with this one, -1 where none serves a common path.

    Args:
        r: The run.
        node: The node.
        end: One of its waiting ends.
        now: Time, s.
    """
    c, s = r.c, r.s
    count, found = 0, -1
    best = 0.0
    ranked = r.physics.selection not in (WAITING, RANDOM)
    for place in range(s.queued[node]):
        other = s.queue[node, place]
        if not _fits(s, end, other):
            continue
        count += 1
        cost = _cost(c, s, other, now, r.physics) if ranked else 0.0
        if found < 0 or cost < best:
            found, best = other, cost
    if count < 2 or r.physics.selection != RANDOM:
        return found
    left = int(uniform(r.nodes[node]) * count)
    for place in range(s.queued[node]):
        other = s.queue[node, place]
        if _fits(s, end, other):
            if left == 0:
                return other
            left -= 1
    return found


@kernel
def _compose_memory(c: Mesh, s: Pairs, end: int, noise: int) -> None:
    """The state in `work[1]` after one end's time in its memory."""
    elapsed = s.closed[end] - s.since[end]
    memory_errors(noise, elapsed, c.coherence_s[node_of(c, s, end)], s.work[0])
    compose(s.work[1], s.work[0], s.work[2])
    copy_pair(s.work[2], s.work[1])


@kernel
def _bell(c: Mesh, s: Pairs, end: int, noise: int) -> float:
    """Fidelity of the Bell-diagonal state of the records from `end` on, in `work[1]`; Pauli errors commute."""
    bell_of_werner(1.0, s.work[1])
    at = end
    while at >= 0:
        compose(s.work[1], s.base[at >> 1], s.work[2])
        copy_pair(s.work[2], s.work[1])
        _compose_memory(c, s, at, noise)
        _compose_memory(c, s, at ^ 1, noise)
        node, folded = node_of(c, s, at ^ 1), s.folded[at ^ 1]
        at = s.beside[at ^ 1]
        if at >= 0 and folded == 0:
            bell_of_werner(c.gate[node], s.work[0])
            compose(s.work[1], s.work[0], s.work[2])
            read_errors(c.readout[node], s.work[0])
            compose(s.work[2], s.work[0], s.work[1])
    return s.work[1, 0]


@kernel
def _werner(c: Mesh, s: Pairs, end: int, noise: int) -> float:
    """Werner parameter of the records from `end` on."""
    w, at = 1.0, end
    while at >= 0:
        w *= _made(c, s, at >> 1)
        w *= _decayed(c, s, at, s.closed[at], noise) * _decayed(c, s, at ^ 1, s.closed[at ^ 1], noise)
        node, folded = node_of(c, s, at ^ 1), s.folded[at ^ 1]
        at = s.beside[at ^ 1]
        if at >= 0 and folded == 0:
            read_errors(c.readout[node], s.work[0])
            w *= c.gate[node] * werner_factor(s.work[0])
    return w


@kernel
def pair_fidelity(c: Mesh, s: Pairs, end: int, physics: Physics) -> tuple[float, float]:
    """When the oldest part of a delivered pair was created, s, and the pair's fidelity.

    Args:
        c: The paths.
        s: The store; `work[1]` is the pair's state afterwards, all others are used up.
        end: One of the pair's two ends.
        physics: Rules.
    """
    oldest, at = s.created[end >> 1], end
    while at >= 0:
        oldest = min(oldest, s.created[at >> 1])
        at = s.beside[at ^ 1]
    if physics.bell == 1:
        return oldest, _bell(c, s, end, physics.noise)
    w = _werner(c, s, end, physics.noise)
    bell_of_werner(w, s.work[1])
    return oldest, fidelity_of_werner(w)


@kernel
def _stored(c: Mesh, s: Pairs, end: int, used_s: float, physics: Physics, out: Pair) -> None:
    """Errors of one end's memory until its end is used; on Werner pairs those of the twirled channel."""
    memory_errors(physics.noise, used_s - s.since[end], c.coherence_s[node_of(c, s, end)], out)
    if physics.bell == 0:
        bell_of_werner(werner_factor(out), out)


@kernel
def joined_state(
    c: Mesh, s: Pairs, end: int, near_s: float, far_s: float, physics: Physics, out: Pair
) -> None:
    """State of a list of joined records whose outer ends are used at two times.

    Args:
        c: The paths.
        s: The store; `work[0]`, `work[3]` and `work[5]` are used up.
        end: Its first end.
        near_s: When that one is used, s.
        far_s: When the last one is used, s.
        physics: Rules.
        out: The state.
    """
    errors, spare, part = s.work[0], s.work[3], s.work[5]
    bell_of_werner(1.0, out)
    at = end
    while True:
        more = joined(s, at ^ 1)
        _stored(c, s, at, near_s if at == end else s.closed[at], physics, errors)
        compose(s.base[at >> 1], errors, spare)
        _stored(c, s, at ^ 1, s.closed[at ^ 1] if more else far_s, physics, errors)
        compose(spare, errors, part)
        compose(out, part, spare)
        copy_pair(spare, out)
        if not more:
            return
        if s.folded[at ^ 1] == 0:
            node = node_of(c, s, at ^ 1)
            add_swap(c.gate[node], c.readout[node], physics.bell, out, part, spare)
        at = s.beside[at ^ 1]


@kernel
def fold(s: Pairs, end: int, near_s: float, far_s: float, state: Pair) -> None:
    """Write the state of a joined list, whose outer ends count from two times on, into its first record.

    Args:
        s: The store.
        end: Its first end.
        near_s: From when that end's memory counts, s.
        far_s: From when the last one's counts, s.
        state: The state.
    """
    copy_pair(state, s.base[end >> 1])
    s.changed[end >> 1] = 1
    s.since[end] = near_s
    while joined(s, end ^ 1):
        far = end ^ 1
        end = s.beside[far]
        s.folded[far] = s.folded[end] = 1
        s.since[far], s.since[end] = s.closed[far], s.closed[end]
        bell_of_werner(1.0, s.base[end >> 1])
        s.changed[end >> 1] = 1
    s.since[end ^ 1] = far_s
