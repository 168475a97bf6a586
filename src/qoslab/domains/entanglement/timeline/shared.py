"""Paths that share memories, watched while they are simulated together."""

from __future__ import annotations

import numpy as np

from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import OPEN, SWAPPED, Physics
from qoslab.domains.entanglement.kernels import DONE
from qoslab.domains.entanglement.scenario import Memory
from qoslab.domains.entanglement.sharing.loop import advance
from qoslab.domains.entanglement.sharing.memories import far_end, joined, node_of
from qoslab.domains.entanglement.sharing.mesh import Mesh, Pairs, SharedRun, make_pairs
from qoslab.domains.entanglement.sharing.paths import Group, banks_of, mesh_of, rule_of
from qoslab.domains.entanglement.timeline.events import Delivered, Herald, Stay, Swapped, Timeline
from qoslab.domains.entanglement.timeline.watching import Closings, fate_of
from qoslab.domains.entanglement.world import World

__all__ = ["watched_group"]


class _Watcher:
    """Notes what the kernel writes into a store.

    Args:
        mesh: The paths.
        store: An empty store.
        rows: Row of each of the mesh's nodes.
    """

    def __init__(self, mesh: Mesh, store: Pairs, rows: list[int]) -> None:
        self.mesh, self.rows = mesh, rows
        self.stays: list[Stay] = []
        self.swaps: list[Swapped] = []
        self.heralds: list[Herald] = []
        closed = store.closed.view(Closings)
        closed.told = self._closed
        self.store = store._replace(closed=closed)

    def _row(self, end: int) -> int:
        return self.rows[int(node_of(self.mesh, self.store, end))]

    def _closed(self, end: int, now: float) -> None:
        s = self.store
        state, good = int(s.state[end]), bool(s.good[end])
        if state == SWAPPED:
            if end < s.beside[end]:
                self.swaps.append(Swapped(self._row(end), now, good))
            self._word(end, now, good=good)
        self.stays.append(self._stay(end, now, fate_of(state, good=good)))

    def _stay(self, end: int, until: float, fate: str) -> Stay:
        s = self.store
        created, memory = float(s.created[end >> 1]), int(s.slot[end])
        return Stay(self._row(end), self._row(end ^ 1), memory, created, until, fate)

    def _word(self, end: int, now: float, *, good: bool) -> None:
        c, s = self.mesh, self.store
        far, at = far_end(s, end ^ 1), end ^ 1
        if s.state[far] != OPEN:
            return
        way = float(c.delay_s[s.link[at >> 1]])
        while joined(s, at):
            at = s.beside[at] ^ 1
            way += float(c.delay_s[s.link[at >> 1]])
        self.heralds.append(Herald(self._row(end), self._row(far), now, now + way, good))

    def hold(self, horizon: float) -> None:
        """Note what is still in memory at the end."""
        s = self.store
        for end in range(len(s.state)):
            if s.link[end >> 1] >= 0 and s.state[end] == OPEN and s.created[end >> 1] < horizon:
                self.stays.append(self._stay(end, horizon, "held"))


def watched_group(
    world: World, group: Group, memory: Memory, seed: Seed, horizon_s: float, physics: Physics
) -> Timeline:
    """Run paths that share memories from time 0 and note what happens.

    Args:
        world: The network.
        group: The paths.
        memory: How their pairs are allotted.
        seed: The trial's seed.
        horizon_s: How long, s.
        physics: Rules.
    """
    mesh = mesh_of(world, group, weighted=memory.multiplexing == "dynamic_weighted")
    order = list(dict.fromkeys(node for path in group.paths for node in path.nodes))
    rows = [order.index(node) for node in group.nodes]
    at_node = np.bincount(mesh.ends.ravel(), weights=np.repeat(mesh.width, 2))
    room, span = 8 * int(mesh.width.sum()) + 32, np.array([0.0, horizon_s])
    while True:
        store = make_pairs(mesh, room, int(mesh.width.max()), int(at_node.max()), 16 * room)
        watcher = _Watcher(mesh, store, rows)
        banks = [bank.copy() for bank in banks_of(world, group, seed)]
        run = SharedRun(mesh, watcher.store, banks[0], banks[1], banks[2], span, physics, rule_of(memory))
        if advance(run) == DONE:
            break
        room *= 2
    watcher.hold(horizon_s)
    users = [(order.index(path.nodes[0]), order.index(path.nodes[-1])) for path in group.paths]
    got = store.delivered[[0, 1, 3], : int(store.head[1])].T.tolist()
    names = tuple(world.network.nodes[node] for node in order)
    return Timeline(
        ", ".join(" - ".join(world.network.nodes[node] for node in path.nodes) for path in group.paths),
        names,
        horizon_s,
        tuple(watcher.stays),
        tuple(watcher.swaps),
        tuple(watcher.heralds),
        tuple(Delivered(*users[int(path)], time, fidelity) for time, fidelity, path in got),
    )
