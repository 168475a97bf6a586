"""What happens on a path, event by event: the run of a planned path, watched while it is simulated.

The kernel itself is run, uncompiled, on a store that notes when an end of a pair is closed: the same trajectory as in a
study, at the price of time, so it is for short spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import (
    CONSUMED,
    LEFT,
    MEASURED,
    OPEN,
    RIGHT,
    SWAPPED,
    Chain,
    FloatArray,
    Physics,
    Run,
    Store,
    make_store,
)
from qoslab.domains.entanglement.kernels import DONE, advance
from qoslab.domains.entanglement.memories import far_record, node_of
from qoslab.domains.entanglement.model import physics_of
from qoslab.domains.entanglement.phases import in_phases
from qoslab.domains.entanglement.protocol import Deciding
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import chain_of, make_world, widths
from qoslab.engine.streams import streams

__all__ = ["Herald", "PathTimeline", "Stay", "Swapped", "paths_watched", "watched"]


class Stay(NamedTuple):
    """One qubit of a link's pair in its memory.

    Attributes:
        hop: Hop of the path that made the pair.
        node: Place of the qubit's node on the path.
        memory: Which of the hop's memories at the node.
        since_s: When the pair was created, s.
        until_s: When the qubit was measured, given up or used, or the horizon, s.
        fate: `swapped`, `failed` (a swap that failed), `used`, `spent` (to purify another), `dropped`
            or `held`.
    """

    hop: int
    node: int
    memory: int
    since_s: float
    until_s: float
    fate: str


class Swapped(NamedTuple):
    """A swap: its node's place on the path, when, and whether it succeeded."""

    node: int
    time_s: float
    good: bool


class Herald(NamedTuple):
    """Word of a swap under way: from where to where, when it sets out and arrives, s, and what it says."""

    origin: int
    target: int
    start_s: float
    end_s: float
    good: bool


@dataclass(frozen=True)
class PathTimeline:
    """Everything that happened on a path.

    Attributes:
        names: Nodes of the path.
        place_s: Delay from the first node to each, s.
        horizon_s: End of the run, s.
        stays: Qubits in memories, by end of their stay.
        swaps: In the order of time.
        heralds: Word of swaps.
        deliveries: When and how good, shape (pairs, 2).
    """

    names: tuple[str, ...]
    place_s: tuple[float, ...]
    horizon_s: float
    stays: tuple[Stay, ...]
    swaps: tuple[Swapped, ...]
    heralds: tuple[Herald, ...]
    deliveries: FloatArray


class _Closings(np.ndarray[Any, np.dtype[np.float64]]):
    """`Store.closed`, which tells a watcher of every entry."""

    watcher: _Watcher | None = None

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if self.watcher is not None:
            self.watcher.closed(int(key[1]), int(key[0]), float(value))


class _Watcher:
    """Notes what the kernel writes into a store."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.store: Store | None = None
        self.stays: list[Stay] = []
        self.swaps: list[Swapped] = []
        self.heralds: list[Herald] = []

    def closed(self, record: int, side: int, now: float) -> None:
        s = self.store
        if s is None:
            return
        state = int(s.state[side, record])
        fate = {SWAPPED: "swapped", CONSUMED: "used", MEASURED: "spent"}.get(state, "dropped")
        if state == SWAPPED:
            good = bool(s.good[record if side == RIGHT else s.beside[LEFT, record]])
            fate = "swapped" if good else "failed"
            if side == RIGHT:
                self.swaps.append(Swapped(int(s.hop[record]) + 1, now, good))
            self._word(s, record, 1 - side, now, good=good)
        self.stays.append(self._stay(s, record, side, now, fate))

    def _stay(self, s: Store, record: int, side: int, until: float, fate: str) -> Stay:
        hop, memory = int(s.hop[record]), int(s.slot[side, record])
        return Stay(hop, hop + side, memory, float(s.created[record]), until, fate)

    def _word(self, s: Store, record: int, side: int, now: float, *, good: bool) -> None:
        far = far_record(s, record, side)
        if s.state[side, far] != OPEN:
            return
        origin, target = int(node_of(s, record, 1 - side)), int(node_of(s, far, side))
        way = abs(float(self.chain.place_s[target] - self.chain.place_s[origin]))
        self.heralds.append(Herald(origin, target, now, now + way, good))

    def held(self, horizon: float) -> None:
        """Note what is still in memory at the end."""
        s = self.store
        if s is None:
            return
        for record in range(len(s.hop)):
            for side in (LEFT, RIGHT):
                if s.hop[record] >= 0 and s.state[side, record] == OPEN and s.created[record] < horizon:
                    self.stays.append(self._stay(s, record, side, horizon, "held"))


def watched(
    chain: Chain, banks: tuple[Any, Any], horizon_s: float, physics: Physics, names: Sequence[str]
) -> PathTimeline:
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
        watcher = _Watcher(chain)
        store = make_store(len(chain.success), int(chain.width.max()), room, 16 * room)
        closed = store.closed.view(_Closings)
        closed.watcher = watcher
        watcher.store = store._replace(closed=closed)
        run = Run(chain, watcher.store, banks[0].copy(), banks[1].copy(), span, physics)
        if advance(run) == DONE:
            break
        room *= 2
    watcher.held(horizon_s)
    done = int(watcher.store.head[1])
    return PathTimeline(
        tuple(names),
        tuple(chain.place_s.tolist()),
        horizon_s,
        tuple(watcher.stays),
        tuple(watcher.swaps),
        tuple(watcher.heralds),
        np.array(watcher.store.delivered[:2, :done].T),
    )


def paths_watched(
    scenario: EntanglementScenario, method: Any, seed: Seed, horizon_s: float, context: Context | None = None
) -> list[PathTimeline]:
    """The timelines of all paths of a method's plan, with the random numbers of a study's run with this seed.

    Raises:
        BadInput: The method decides during the run, paths share memories, or the plan cannot be.
    """
    context = context or Context()
    if isinstance(method, Deciding):
        message = "a timeline shows planned paths, and this method decides during the run"
        raise BadInput(Problem(message=message, field="method"))
    if scenario.memory.multiplexing != "buffer_space":
        message = "a timeline shows one path at a time, and these share memories"
        raise BadInput(Problem(message=message, field="scenario.memory.multiplexing"))
    world = make_world(scenario, seed, context)
    plan = method.plan(world.view, seed.generator("method"), context)
    found = []
    for place, (path, (links, share)) in enumerate(zip(plan.paths, widths(world, plan), strict=True)):
        context.check_time()
        banks = (
            streams(seed.stream("links", place), world.network.m)[links],
            streams(seed.stream("nodes", place), world.network.n)[list(path.nodes)],
        )
        names = [world.network.nodes[node] for node in path.nodes]
        chain = chain_of(world, path, links, share)
        physics = in_phases(physics_of(scenario), scenario.phases, world.view)
        found.append(watched(chain, banks, horizon_s, physics, names))
    return found


def read_and_watch(
    path: Path, method: str, horizon_s: float, given: Sequence[str], most: int
) -> list[PathTimeline]:
    """The timelines of a study file's scenario under one of its methods; see `timeline_page`."""
    from qoslab.domains.entanglement.sensitivity import read_case

    scenario, chosen = read_case(path, method, given)
    found = paths_watched(scenario, chosen, Seed(0, "timeline", "", 0), horizon_s)
    events = sum(len(each.stays) for each in found)
    if events > most:
        message = f"{events} stays in memory are more than the {most} that a page shows well"
        raise BadInput(Problem(message=message, field="until_s", hint="a shorter span shows more"))
    return found
