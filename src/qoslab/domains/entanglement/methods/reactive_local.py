"""Every repeater swaps by what it knows itself: its own live pairs, and how far away the users are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.reactive_central import CITATION
from qoslab.domains.entanglement.protocol import LivePair, Plan, Swap, View
from qoslab.domains.entanglement.routing.serving import turns
from qoslab.domains.entanglement.routing.view import ends_of
from qoslab.graphs.shortest import hop_counts

__all__ = ["ReactiveLocal"]


@method(
    "entanglement",
    "reactive_local",
    summary="every repeater joins its live pairs that lead nearest to the two users",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ReactiveLocal:
    """The local rule of Pant et al.; requests share time, the one that got least has the slot.

    A repeater joins the pairs whose far ends a and b, a not b, have the least d(a, Alice) + d(b, Bob), in hops of the
    network, then the next two. With a window as long as a slot it uses the pairs of this slot alone, with a longer one
    those of earlier slots, too (time multiplexing); what was not used stays in memory and keeps it.

    Attributes:
        window_s: Largest age of a pair that is used, s; infinite for all that live.
    """

    knows_hops: ClassVar[int] = 0
    window_s: Annotated[float, Field(ge=0)] = float("inf")

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed."""
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of all repeaters for one request."""
        request = turns(view)[0]
        if view.wanted(request) == 0:
            return []
        ends = ends_of(view)[request]
        far = hop_counts(view.network, ends.source), hop_counts(view.network, ends.target)
        held: dict[int, list[LivePair]] = {}
        for pair in view.live:
            if pair.age_s <= self.window_s:
                held.setdefault(pair.first, []).append(pair)
                held.setdefault(pair.second, []).append(pair)
        swaps = []
        for node in sorted(set(held) - set(ends)):
            for a, b in _pairings(node, held[node], *far):
                swaps.append(Swap(node, a.ident, b.ident, request))
        return swaps


def _pairings(
    node: int, pairs: list[LivePair], to_alice: np.ndarray, to_bob: np.ndarray
) -> list[tuple[LivePair, LivePair]]:
    """Two pairs after two, towards different nodes, by the least sum of distances."""
    left = {pair.ident: (pair, _other(pair, node)) for pair in pairs}
    found: list[tuple[LivePair, LivePair]] = []
    while True:
        options = [
            (int(to_alice[a] + to_bob[b]), _choice(first), _choice(second), first.ident, second.ident)
            for first, a in left.values()
            for second, b in left.values()
            if a != b
        ]
        if not options:
            return found
        _, _, _, first_ident, second_ident = min(options)
        found.append((left.pop(first_ident)[0], left.pop(second_ident)[0]))


def _choice(pair: LivePair) -> float:
    """Its cost by the scenario's rule of selection; alike for all pairs where there is none."""
    return 0.0 if pair.cost is None else pair.cost


def _other(pair: LivePair, node: int) -> int:
    return pair.second if pair.first == node else pair.first
