"""A run in slots, watched while it goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from qoslab.domains.entanglement.fusion import Component
from qoslab.domains.entanglement.protocol import Fusion, LivePair, Purify, Swap, View
from qoslab.domains.entanglement.slots import SlotRun, Slots
from qoslab.domains.entanglement.timeline.events import Delivered, Slot, Stay, Swapped, Timeline
from qoslab.graphs.network import Network

__all__ = ["WatchedSlots", "timeline_of"]


class _Left(NamedTuple):
    """A qubit that left its memory, when, s, and why."""

    end: Any
    until_s: float
    fate: str


class WatchedSlots(Slots):
    """Slots that note what becomes of each qubit, and why: by what was going on when its memory was freed."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.left: list[_Left] = []
        self.swaps: list[Swapped] = []
        self.slots: list[Slot] = []
        self._times: list[float] = []
        self._fate = "held"
        self._at: set[int] | None = None
        self._fused: set[int] = set()

    def generate(self, now: float) -> None:
        """A slot begins."""
        super().generate(now)
        self._times = [now, now + self.external_s]

    def live(self, now: float, until: float) -> tuple[LivePair, ...]:
        """The state is known."""
        self._times.append(now)
        return super().live(now, until)

    def expire(self, now: float) -> None:
        """Pairs are given up."""
        self._fate = "dropped"
        super().expire(now)
        self._fate = "held"

    def clear(self, now: float) -> None:
        """All pairs are."""
        self._fate = "dropped"
        super().clear(now)
        self._fate = "held"

    def obey(self, orders: Sequence[Swap | Fusion | Purify], now: float) -> None:
        """Orders are carried out; what is lost in them was spent, swapped, or given up as its partner was."""
        self._times.append(now)
        self._fate = "dropped"
        super().obey(orders, now)
        self._fate = "held"

    def deliver(self, now: float) -> None:
        """Users take their pairs, and the slot is over."""
        start, tried, known, ordered = self._times
        self.slots.append(Slot(start, tried, known, ordered, now))
        self._fate = "used"
        super().deliver(now)
        self._fate = "held"

    def _better(self, order: Purify, now: float) -> bool:
        spent = len(self.left), len(self.left) + 2
        good = super()._better(order, now)
        # The spent pair is freed first.
        self.left[slice(*spent)] = [each._replace(fate="spent") for each in self.left[slice(*spent)]]
        return good

    def _swapped(self, node: int, idents: Sequence[int], dead: set[int], now: float) -> int:
        self._at, self._fate = {node}, "failed"
        before = len(self.swaps)
        found = super()._swapped(node, idents, dead, now)
        if len(self.swaps) == before:
            self.swaps.append(Swapped(node, now + self._delay_s(node), good=False))
        self._at, self._fate = None, "dropped"
        return found

    def _joined(self, node: int, first: int, second: int, now: float, *, good: bool) -> int:
        self._fate = "swapped" if good else "failed"
        self.swaps.append(Swapped(node, now + self._delay_s(node), good))
        return super()._joined(node, first, second, now, good=good)

    def _delay_s(self, node: int) -> float:
        return self.view.hardware[node].swap_delay_s

    def _fuse(self, orders: Sequence[Fusion], now: float) -> None:
        self._fused = set()
        self._at, self._fate = {order.node for order in orders}, "failed"
        super()._fuse(orders, now)
        self._at, self._fate = None, "dropped"
        for order in orders:
            # One that worked on no pair that was left has done as little as one that failed.
            good = id(order) in self._fused
            when = now + self._delay_s(order.node)
            self.swaps.append(Swapped(order.node, when, good, len(order.pairs)))

    def _keep_one(
        self, component: Component, orders: Sequence[Fusion], left: Sequence[tuple[int, ...]], now: float
    ) -> None:
        self._fused |= {id(orders[place]) for place in component.fusions}
        self._fate = "swapped"
        super()._keep_one(component, orders, left, now)
        self._fate = "failed"

    def _hold(self, kept: Sequence[Any], old: dict[int, Any], state: Any, now: float) -> None:
        super()._hold(kept, old, state, now)
        for end in kept:
            place = max(place for place, each in enumerate(self.left) if each.end == end)
            del self.left[place]

    def _free(self, end: Any, now: float) -> None:
        super()._free(end, now)
        # What ends with its partner at a node that neither swaps nor fuses now is given up.
        elsewhere = self._at is not None and end.node not in self._at
        self.left.append(_Left(end, now, "dropped" if elsewhere else self._fate))


def timeline_of(view: View, watched: WatchedSlots, run: SlotRun, horizon_s: float) -> Timeline:
    """The timeline of a run in slots that is over: a row for each node that is a user or held a qubit.

    Memories of a link at a node have no numbers in slots; a qubit stands in the first that is free.
    """
    network = view.network
    users = [(network.index(each.source), network.index(each.target)) for each in view.requests]
    seen = {end.node for end, _, _ in watched.left} | {user for two in users for user in two}
    rows = {node: row for row, node in enumerate(_ordered(network, users[0][0], seen))}
    stays, taken = [], dict[tuple[int, int], list[float]]()
    for end, until, fate in sorted(watched.left, key=lambda each: (each.end.born_s, each.until_s)):
        other = int((network.head if end.side == 0 else network.tail)[end.link])
        memories = taken.setdefault((end.node, end.link), [])
        memory = next((place for place, free in enumerate(memories) if free <= end.born_s), len(memories))
        memories[memory : memory + 1] = [until]
        stays.append(Stay(rows[end.node], rows[other], memory, end.born_s, until, fate))
    between = [(rows[source], rows[target]) for source, target in users]
    got = [Delivered(*between[each.request], each.time_s, each.fidelity) for each in run.deliveries]
    return Timeline(
        "The network in slots",
        tuple(network.nodes[node] for node in rows),
        horizon_s,
        tuple(sorted(stays, key=lambda stay: stay.until_s)),
        tuple(swap._replace(node=rows[swap.node]) for swap in watched.swaps),
        (),
        tuple(got),
        tuple(watched.slots),
    )


def _ordered(network: Network, first: int, wanted: Iterable[int]) -> list[int]:
    """Nodes by their hops from one, so that most links join rows that stand close; those it cannot reach last."""
    arcs, hops, queue = network.arcs, {first: 0}, deque([first])
    while queue:
        node = queue.popleft()
        for arc in range(int(arcs.indptr[node]), int(arcs.indptr[node + 1])):
            head = int(arcs.heads[arc])
            if head not in hops:
                hops[head] = hops[node] + 1
                queue.append(head)
    return sorted(wanted, key=lambda node: (hops.get(node, network.n), node))
