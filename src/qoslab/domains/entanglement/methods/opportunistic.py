"""A request moves along its path as soon as the next pair is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.protocol import LivePair, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.view import Metric

__all__ = ["CITATION", "Opportunistic"]

CITATION = """@inproceedings{farahbakhsh2022opportunistic,
  author = {Farahbakhsh, Ali and Feng, Chen},
  title = {Opportunistic Routing in Quantum Networks},
  booktitle = {IEEE INFOCOM},
  year = {2022}
}"""


@method(
    "entanglement",
    "opportunistic",
    summary="a request moves along its path as soon as the next pair is there, whatever lies beyond",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Opportunistic:
    """Each pair that a source shares with a node of its path is moved on over all live pairs that follow.

    Attributes:
        metric: What makes the path of a request short.
        first: Who moves first where requests compete: the one with fewest hops to go, or the oldest pair.
    """

    metric: Metric = "hops"
    first: Literal["remaining", "age"] = "remaining"

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """One shortest path per request."""
        return ShortestPath(cost=self.metric).plan(view, rng, context)

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps that move requests on."""
        graph, moves = LiveGraph(view), []
        for path in view.installed:
            places = {node: place for place, node in enumerate(path.nodes)}
            for pair in view.live:
                for near, holder in ((pair.first, pair.second), (pair.second, pair.first)):
                    if near == path.nodes[0] and 0 < places.get(holder, 0) < len(path.nodes) - 1:
                        remaining = len(path.nodes) - 1 - places[holder]
                        key = (
                            (remaining, -pair.age_s)
                            if self.first == "remaining"
                            else (-pair.age_s, remaining)
                        )
                        moves.append((key, path.request, pair.ident, pair, path.nodes, places[holder]))
        swaps, used = [], set[int]()
        for _, request, ident, pair, nodes, place in sorted(moves, key=lambda move: move[:3]):
            if ident not in used:
                chain = _moved(graph, pair, nodes, place, used)
                swaps += swaps_of(chain, request)
        return swaps


def _moved(graph: LiveGraph, pair: LivePair, nodes: tuple[int, ...], place: int, used: set[int]) -> Chain:
    """The pair and all that follow it without a gap; they are taken, if there is one that follows."""
    chain = [pair]
    for a, b in pairwise(nodes[place:]):
        options = [each for each in graph.all_between(a, b) if each.ident not in used and each is not pair]
        if not options:
            break
        chain.append(options[0])
    if len(chain) > 1:
        used |= {each.ident for each in chain}
    return Chain((nodes[0], *nodes[place : place + len(chain)]), tuple(chain))
