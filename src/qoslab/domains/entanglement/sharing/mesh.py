"""Paths over common links in arrays: what they are made of, and what is stored in them at any time.

Each end of a link's pair has a number, 2 * record + side; `end ^ 1` is the other one. Side 0 lies at the link's first
node, which asks for each pair. Swapped ends are joined into lists that a path may run through in either direction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qoslab.domains.entanglement.chain import COUNTS, FloatArray, IntArray, Physics
from qoslab.engine.heap import Heap, heap
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = [
    "CLASHED",
    "DYNAMIC",
    "IN_TURN",
    "MOST_PATHS",
    "SHARED_COUNTS",
    "STATISTICAL",
    "Mesh",
    "Pairs",
    "Rule",
    "SharedRun",
    "make_pairs",
]

STATISTICAL, DYNAMIC, IN_TURN = range(3)
"""Which paths a new pair may serve: all over its link; one drawn by lot; the one whose turn it is."""

CLASHED = COUNTS
"""Place of one more count: pairs that ended because no path has all of their links."""

SHARED_COUNTS = COUNTS + 1
"""How many counts there are."""

MOST_PATHS = 62
"""Paths that may share memories, as bits of one integer."""


class Mesh(NamedTuple):
    """P paths over m links between n nodes. Sets of paths are integers, bit p for path p.

    Attributes:
        ends: Nodes of each link, shape (m, 2).
        delay_s: Delay of each link, s, shape (m,).
        success: Success probability of an attempt, shape (m,).
        interval_s: Time between attempts, s, shape (m,).
        notify_s: From a pair's creation until its ends know, s, shape (m, 2).
        fidelity: Fidelity of a new pair, shape (m,).
        width: Memories at each end of each link, shape (m,).
        at_once: Pairs of memories that may try at the same time, 0 for all, shape (m,).
        over: Paths over each link, shape (m,).
        swap: Success probability of each node's swaps, shape (n,).
        gate: Probability that a node's Bell measurement is good, shape (n,).
        readout: Probability that a node reads a qubit right, shape (n,).
        coherence_s: Time constant of each node's memories, s, shape (n,).
        swap_s: How long each node's swaps take, s, shape (n,).
        users: Paths that each node is a user of, shape (n,).
        inner: Paths that each node is a repeater of, shape (n,).
        rank: Order of swapping, lower first, shape (P, n).
        life_s: Age at which a path gives up a pair of each link, s, shape (P, m).
        wait_s: Longest wait of each link's end for a swap, s, shape (P, m, 2).
        weight: How likely a path is drawn, shape (P,).
        rounds: Rounds of purification of each link's pairs, shape (P, m).
        enough: Fidelity after creation or a round from which a link's pair is purified no more, shape (P,).
        purify: Scheme of purification (see `states`), schedule, and whether any path has rounds, shape (3,).
        segment: Rounds of purification of joined pairs, by their two nodes, shape (P, n, n).
        asks: Whether of two nodes the first asks for rounds, shape (n, n).
    """

    ends: IntArray
    delay_s: FloatArray
    success: FloatArray
    interval_s: FloatArray
    notify_s: FloatArray
    fidelity: FloatArray
    width: IntArray
    at_once: IntArray
    over: IntArray
    swap: FloatArray
    gate: FloatArray
    readout: FloatArray
    coherence_s: FloatArray
    swap_s: FloatArray
    users: IntArray
    inner: IntArray
    rank: IntArray
    life_s: FloatArray
    wait_s: FloatArray
    weight: FloatArray
    rounds: IntArray
    enough: FloatArray
    purify: IntArray
    segment: IntArray
    asks: IntArray


class Pairs(NamedTuple):
    """Everything that changes.

    Attributes:
        link: Link of each record, -1 for a free one, shape (room,).
        created: When it was or will be created, s, shape (room,).
        dies: When it is too old, s, shape (room,).
        paths: Paths that it may serve, shape (room,).
        family: Which records were ever swapped together, shape (room,).
        claims: Open ends and messages under way of each family, shape (room,).
        beside: End that each end was swapped with, -1 for none, shape (2 * room,).
        good: Whether that swap succeeded, shape (2 * room,).
        state: What became of each end, see `chain`, shape (2 * room,).
        knows: What the node of each end knows, in bits, shape (2 * room,).
        able: Paths that each end may be swapped for, shape (2 * room,).
        aim: Node that a used end was used with, as far as its user knew, shape (2 * room,).
        until: When each end is given up, as far as its node knows, s, shape (2 * room,).
        closed: When each end was closed, s, shape (2 * room,).
        cut_s: When each end's node has waited long enough, s, shape (2 * room,).
        slot: Memory that holds each end, shape (2 * room,).
        base: State of each pair without its memories since `since`: I, Z, X, Y, shape (room, 4).
        changed: Whether rounds have changed it since its creation, shape (room,).
        since: From when each end's memory counts, s, shape (2 * room,).
        round: Rounds of purification of its link's pair that each end's node knows of, shape (2 * room,).
        piece: Those of a joined pair, and with which node: 64 * node + rounds, shape (2 * room,).
        mate: Node with which each end that is to be purified is purified, shape (2 * room,).
        serves: Paths that each such end may serve, as far as is known, shape (2 * room,).
        spent: End measured to purify each one; then what came of it, see `purification`, shape (2 * room,).
        folded: Whether the noise of each end's swap is in some record's `base`, shape (2 * room,).
        pool: Ends that wait for purification, by node, shape (n, most).
        pooled: How many, shape (n,).
        spare: Free records, shape (room,).
        head: Free records, deliveries, shape (2,).
        queue: Ends that wait for a swap, by node, shape (n, most).
        queued: How many, shape (n,).
        free_s: When each free memory became free, infinite for one in use: side, link, memory, s, shape (2, m, widest).
        idle: How many are free, shape (2, m).
        taken_s: Until when each turn of a link's fibre is taken, s, shape (m, widest).
        got: Pairs delivered to each path, shape (P,).
        counts: Counts by place, shape (11,).
        held_s: Time that memories held pairs in the measured time, s, shape (1,).
        delivered: When, fidelity, age of the oldest part, s, path, and probabilities of Z, X and Y of each delivered
            pair, shape (7, deliveries).
        work: Room for six pair vectors, shape (6, 4).
        heap: Events to come.
    """

    link: IntArray
    created: FloatArray
    dies: FloatArray
    paths: IntArray
    family: IntArray
    claims: IntArray
    beside: IntArray
    good: IntArray
    state: IntArray
    knows: IntArray
    able: IntArray
    aim: IntArray
    until: FloatArray
    closed: FloatArray
    cut_s: FloatArray
    slot: IntArray
    base: FloatArray
    changed: IntArray
    since: FloatArray
    round: IntArray
    piece: IntArray
    mate: IntArray
    serves: IntArray
    spent: IntArray
    folded: IntArray
    pool: IntArray
    pooled: IntArray
    spare: IntArray
    head: IntArray
    queue: IntArray
    queued: IntArray
    free_s: FloatArray
    idle: IntArray
    taken_s: FloatArray
    got: IntArray
    counts: IntArray
    held_s: FloatArray
    delivered: FloatArray
    work: FloatArray
    heap: Heap


class Rule(NamedTuple):
    """How pairs are allotted to paths.

    Attributes:
        kind: `STATISTICAL`, `DYNAMIC` or `IN_TURN`.
        turn_s: How long each turn is, s.
    """

    kind: int
    turn_s: float


class SharedRun(NamedTuple):
    """All that the event loop works on.

    Attributes:
        c: The paths.
        s: What is stored.
        links: Streams of the links' attempts, shape (m, 4).
        lots: Streams that draw the links' paths, shape (m, 4).
        nodes: Streams of the nodes, shape (n, 4).
        span: End of the warm-up and horizon, s, shape (2,).
        physics: Rules of memories and of selection.
        rule: How pairs are allotted.
    """

    c: Mesh
    s: Pairs
    links: Stream
    lots: Stream
    nodes: Stream
    span: FloatArray
    physics: Physics
    rule: Rule


@kernel
def make_pairs(c: Mesh, room: int, widest: int, most: int, deliveries: int) -> Pairs:
    """An empty store.

    Args:
        c: The paths.
        room: How many records there may be at once.
        widest: Memories at each end of the widest link.
        most: Memories at the node that has most.
        deliveries: How many deliveries can be written down.
    """
    m, n, paths = c.ends.shape[0], c.swap.shape[0], c.rank.shape[0]
    return Pairs(
        np.full(room, -1, np.int64),
        np.zeros(room),
        np.zeros(room),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.full(2 * room, -1, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.full(2 * room, -1, np.int64),
        np.zeros(2 * room),
        np.zeros(2 * room),
        np.zeros(2 * room),
        np.zeros(2 * room, np.int64),
        np.zeros((room, 4)),
        np.zeros(room, np.int64),
        np.zeros(2 * room),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros(2 * room, np.int64),
        np.zeros((n, most), np.int64),
        np.zeros(n, np.int64),
        np.arange(room),
        np.array([room, 0]),
        np.zeros((n, most), np.int64),
        np.zeros(n, np.int64),
        np.full((2, m, widest), np.inf),
        np.zeros((2, m), np.int64),
        np.zeros((m, widest)),
        np.zeros(paths, np.int64),
        np.zeros(SHARED_COUNTS, np.int64),
        np.zeros(1),
        np.zeros((7, deliveries)),
        np.zeros((6, 4)),
        heap(8 * room),
    )
