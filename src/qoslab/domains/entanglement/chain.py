"""One path of repeaters in arrays: what it is made of, and what is stored in it at any time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.heap import Heap, heap
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = [
    "BUSY",
    "CONSUMED",
    "COUNTS",
    "CREATED",
    "CUT",
    "DECOHERED",
    "DELIVERED",
    "DROPPED",
    "FAILED",
    "JOINED",
    "KNOWS",
    "LEFT",
    "MEASURED",
    "MESSAGES",
    "NESTED",
    "OPEN",
    "PENDING",
    "POOLED",
    "PUMPING",
    "PURIFIED",
    "RIGHT",
    "SPOILED",
    "SWAPPED",
    "TRIMMED",
    "WAITS",
    "WASTED",
    "Chain",
    "Physics",
    "Run",
    "Store",
    "make_store",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEFT, RIGHT = 0, 1
"""The ends of a link's pair; a pair's left end lies nearer to the path's source."""

OPEN, SWAPPED, CONSUMED, DROPPED, MEASURED, CUT = range(6)
"""What became of one end of a link's pair: still stored, measured in a swap, used by its user, given up, measured to
purify another, given up by a repeater that had waited long enough."""

KNOWS, WAITS, POOLED, PENDING, BUSY = 1, 2, 4, 8, 16
"""Bits of what the node of an end knows: the pair exists; the end stands in the queue for a swap; it stands in the pool
for purification; the outcome of its purification is on its way; its swap is not over yet."""

CREATED, JOINED, FAILED, WASTED, DECOHERED, DELIVERED, MESSAGES, PURIFIED, SPOILED, TRIMMED = range(10)
"""Places of the counts: link pairs created; swaps of two live pairs that succeeded, and that failed; live pairs that
were swapped with one that had ended; pairs that ended by age; pairs delivered; messages; purifications that succeeded,
and that failed; pairs that ended because a repeater had waited long enough."""

COUNTS = 10
"""How many counts there are."""

NESTED, PUMPING = range(2)
"""Schedules of purification: two pairs of equal rounds; one pair again and again with fresh ones."""


class Chain(NamedTuple):
    """A path of n hops, from node 0 to node n.

    Attributes:
        place_s: Delay from node 0 to each node, s, shape (n + 1,).
        rank: Order of swapping, lower first, shape (n + 1,).
        swap: Success probability of each node's swaps, shape (n + 1,).
        gate: Probability that a node's Bell measurement is good, shape (n + 1,).
        coherence_s: Time constant of each node's memories, s, shape (n + 1,).
        success: Success probability of an attempt on each hop, shape (n,).
        interval_s: Time between attempts, s, shape (n,).
        notify_s: From a pair's creation until its ends know, s, shape (n, 2).
        life_s: Age at which a pair of each hop is given up, s, shape (n,).
        width: Memories at each end of each hop, shape (n,).
        fidelity: Fidelity of a new pair of each hop, shape (n,).
        readout: Probability that a node reads a qubit right, shape (n + 1,).
        rounds: Rounds of purification of each hop's pairs, shape (n,).
        enough: Fidelity after creation or a round from which a hop's pair is purified no more, shape (n,).
        purify: Scheme of purification (see `states`) and schedule, shape (2,).
        wait_s: Longest wait for a swap at a node, by the side of its pair, s, shape (n + 1, 2).
        at_once: Pairs of memories of a hop that may try at the same time, 0 for all, shape (n,).
        segment: Rounds of purification of joined pairs, by left and right node, shape (n + 1, n + 1).
        swap_s: How long each node's swaps take, s, shape (n + 1,).
    """

    place_s: FloatArray
    rank: IntArray
    swap: FloatArray
    gate: FloatArray
    coherence_s: FloatArray
    success: FloatArray
    interval_s: FloatArray
    notify_s: FloatArray
    life_s: FloatArray
    width: IntArray
    fidelity: FloatArray
    readout: FloatArray
    rounds: IntArray
    enough: FloatArray
    purify: IntArray
    wait_s: FloatArray
    at_once: IntArray
    segment: IntArray
    swap_s: FloatArray


class Store(NamedTuple):
    """Everything that changes. A record is a link's pair; swapped records are joined into lists.

    Attributes:
        hop: Hop of each record, -1 for a free one, shape (room,).
        created: When it was or will be created, s, shape (room,).
        beside: Record that each end was swapped with, -1 for none, shape (2, room).
        good: Whether the swap of the right end succeeded, shape (room,).
        state: What became of each end, shape (2, room).
        knows: What the node of each end knows, in bits, shape (2, room).
        until: When each end is given up, as far as its node knows, s, shape (2, room).
        closed: When each end was closed, s, shape (2, room).
        family: Which records were ever swapped together, shape (room,).
        claims: Open ends and messages under way of each family, shape (room,).
        spare: Free records, the last `head[0]` of them in use from the end, shape (room,).
        head: Free records, deliveries, shape (2,).
        queue: Records that wait for a swap: node, side of the node's pair, place, shape (n + 1, 2, most).
        queued: How many, shape (n + 1, 2).
        free_s: When each free memory became free, infinite for one in use: end, hop, memory, s, shape (2, n, most).
        idle: How many are free, shape (2, n).
        slot: Memory that holds each end, shape (2, room).
        base: State of each pair without its memories since `since`: I, Z, X, Y, shape (room, 4).
        since: From when each end's memory counts, s, shape (2, room).
        round: Rounds of purification that each end's node knows of, shape (2, room).
        spent: Record measured to purify each one; then what came of it, -1 good, -2 bad, -3 nothing, shape (room,).
        mate: Node that shares the pair of each left end that is to be purified, shape (room,).
        piece: Rounds of a joined pair that each end's node knows of, and with which node: 64 * node + rounds,
            shape (2, room).
        folded: Whether the noise of the swap at each record's right end is in some record's `base`, shape (room,).
        pool: Records that wait for purification at their left end: hop, place, shape (n, most).
        pooled: How many, shape (n,).
        cut_s: When each end's node has waited long enough, s, shape (2, room).
        taken_s: Until when each turn of a hop's fibre is taken, s, shape (n, most).
        counts: Counts by place, shape (10,).
        held_s: Time that memories held pairs in the measured time, s, shape (1,).
        delivered: When, fidelity, age of the oldest part, s, and probabilities of Z, X and Y of each delivered pair,
            shape (6, deliveries).
        work: Room for six pair vectors, shape (6, 4).
        heap: Events to come.
    """

    hop: IntArray
    created: FloatArray
    beside: IntArray
    good: IntArray
    state: IntArray
    knows: IntArray
    until: FloatArray
    closed: FloatArray
    family: IntArray
    claims: IntArray
    spare: IntArray
    head: IntArray
    queue: IntArray
    queued: IntArray
    free_s: FloatArray
    idle: IntArray
    slot: IntArray
    base: FloatArray
    since: FloatArray
    round: IntArray
    spent: IntArray
    mate: IntArray
    piece: IntArray
    folded: IntArray
    pool: IntArray
    pooled: IntArray
    cut_s: FloatArray
    taken_s: FloatArray
    counts: IntArray
    held_s: FloatArray
    delivered: FloatArray
    work: FloatArray
    heap: Heap


class Physics(NamedTuple):
    """Rules of a run, as numbers.

    Attributes:
        noise: What memories do to qubits; see `states`.
        bell: 1 for Bell-diagonal states, 0 for Werner states.
        mqns: 1 for decay and heralding as MQNS has them.
        selection: Which waiting pair is swapped; see `selection`.
        sync: 1 for common phases (see `phases`), whose lengths stand below.
        external_s: From a slot's start until links stop trying, s.
        act_s: From a slot's start until nodes may act, s.
        length_s: Length of a slot, s.
        clear: 1 where memories are emptied at the end of each slot.
    """

    noise: int
    bell: int
    mqns: int
    selection: int
    sync: int = 0
    external_s: float = 0.0
    act_s: float = 0.0
    length_s: float = 0.0
    clear: int = 0


class Run(NamedTuple):
    """All that the event loop works on.

    Attributes:
        c: The path.
        s: What is stored in it.
        links: Streams of the hops, shape (n, 4).
        nodes: Streams of the nodes, shape (n + 1, 4).
        span: End of the warm-up and horizon, s, shape (2,).
        physics: Rules.
    """

    c: Chain
    s: Store
    links: Stream
    nodes: Stream
    span: FloatArray
    physics: Physics


@kernel
def make_store(hops: int, most: int, room: int, deliveries: int) -> Store:
    """An empty store.

    Args:
        hops: Hops of the path.
        most: Memories at each end of the widest hop.
        room: How many records there may be at once.
        deliveries: How many deliveries can be written down.
    """
    return Store(
        np.full(room, -1, np.int64),
        np.zeros(room),
        np.full((2, room), -1, np.int64),
        np.zeros(room, np.int64),
        np.zeros((2, room), np.int64),
        np.zeros((2, room), np.int64),
        np.zeros((2, room)),
        np.zeros((2, room)),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.arange(room),
        np.array([room, 0]),
        np.zeros((hops + 1, 2, most), np.int64),
        np.zeros((hops + 1, 2), np.int64),
        np.full((2, hops, most), np.inf),
        np.zeros((2, hops), np.int64),
        np.zeros((2, room), np.int64),
        np.zeros((room, 4)),
        np.zeros((2, room)),
        np.zeros((2, room), np.int64),
        np.zeros(room, np.int64),
        np.zeros(room, np.int64),
        np.zeros((2, room), np.int64),
        np.zeros(room, np.int64),
        np.zeros((hops, most), np.int64),
        np.zeros(hops, np.int64),
        np.zeros((2, room)),
        np.zeros((hops, most)),
        np.zeros(COUNTS, np.int64),
        np.zeros(1),
        np.zeros((6, deliveries)),
        np.zeros((6, 4)),
        heap(8 * room),
    )
