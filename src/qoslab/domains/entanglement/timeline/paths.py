"""A planned path with memories of its own, watched while it is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qoslab.domains.entanglement.chain import (
    LEFT,
    OPEN,
    RIGHT,
    SWAPPED,
    Chain,
    Physics,
    Run,
    Store,
    make_store,
)
from qoslab.domains.entanglement.kernels import DONE, advance
from qoslab.domains.entanglement.memories import far_record, node_of
from qoslab.domains.entanglement.timeline.events import Delivered, Herald, Stay, Swapped, Timeline
from qoslab.domains.entanglement.timeline.watching import Closings, fate_of

__all__ = ["watched_path"]


class _Watcher:
    """Notes what the kernel writes into a store."""

    def __init__(self, chain: Chain, store: Store) -> None:
        self.chain = chain
        self.stays: list[Stay] = []
        self.swaps: list[Swapped] = []
        self.heralds: list[Herald] = []
        closed = store.closed.view(Closings)
        closed.told = self._closed
        self.store = store._replace(closed=closed)

    def _closed(self, key: tuple[int, int], now: float) -> None:
        s, side, record = self.store, int(key[0]), int(key[1])
        state, good = int(s.state[side, record]), False
        if state == SWAPPED:
            good = bool(s.good[record if side == RIGHT else s.beside[LEFT, record]])
            if side == RIGHT:
                self.swaps.append(Swapped(int(s.hop[record]) + 1, now, good))
            self._word(record, 1 - side, now, good=good)
        self.stays.append(self._stay(record, side, now, fate_of(state, good=good)))

    def _stay(self, record: int, side: int, until: float, fate: str) -> Stay:
        s = self.store
        hop, memory = int(s.hop[record]), int(s.slot[side, record])
        return Stay(hop + side, hop + 1 - side, memory, float(s.created[record]), until, fate)

    def _word(self, record: int, side: int, now: float, *, good: bool) -> None:
        s = self.store
        far = far_record(s, record, side)
        if s.state[side, far] != OPEN:
            return
        origin, target = int(node_of(s, record, 1 - side)), int(node_of(s, far, side))
        way = abs(float(self.chain.place_s[target] - self.chain.place_s[origin]))
        self.heralds.append(Herald(origin, target, now, now + way, good))

    def hold(self, horizon: float) -> None:
        """Note what is still in memory at the end."""
        s = self.store
        for record in range(len(s.hop)):
            for side in (LEFT, RIGHT):
                if s.hop[record] >= 0 and s.state[side, record] == OPEN and s.created[record] < horizon:
                    self.stays.append(self._stay(record, side, horizon, "held"))


def watched_path(
    chain: Chain, banks: tuple[Any, Any], horizon_s: float, physics: Physics, names: Sequence[str]
) -> Timeline:
    """Run one path from time 0 and note what happens.

    Args:
        chain: The path.
        banks: Streams of its hops and of its nodes; not changed.
        horizon_s: How long, s.
        physics: Rules.
        names: Names of the path's nodes.
    """
    room, span = 8 * int(chain.width.sum()) + 32, np.array([0.0, horizon_s])
    while True:
        store = make_store(len(chain.success), int(chain.width.max()), room, 16 * room)
        watcher = _Watcher(chain, store)
        run = Run(chain, watcher.store, banks[0].copy(), banks[1].copy(), span, physics)
        if advance(run) == DONE:
            break
        room *= 2
    watcher.hold(horizon_s)
    got = store.delivered[:2, : int(store.head[1])].T.tolist()
    return Timeline(
        " - ".join(names),
        tuple(names),
        horizon_s,
        tuple(watcher.stays),
        tuple(watcher.swaps),
        tuple(watcher.heralds),
        tuple(Delivered(0, len(names) - 1, time, fidelity) for time, fidelity in got),
        place_s=tuple(chain.place_s.tolist()),
    )
