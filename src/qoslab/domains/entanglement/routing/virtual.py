"""Virtual links, pairs kept in stock between nodes that are no neighbours, and how a request finds its way over them.

Partners are drawn by distance as in the continuous model of Chakraborty et al. (arXiv 1907.11630). A way is found from
node to node; where it goes over a link without a pair, the pairs it has are held until the missing ones are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.serving import turns
from qoslab.domains.entanglement.routing.view import ends_of
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search, hop_counts

__all__ = [
    "Hop",
    "VirtualStock",
    "best_effort",
    "greedy_hop",
    "look_ahead",
    "rebuilt",
    "served_by_discovery",
    "targets_of",
]

IntArray = NDArray[np.int64]

Hop = Callable[[LiveGraph, int, IntArray], tuple[int, ...]]
"""From the pairs that are left, a node and all nodes' hops to the target: the next node, or the next two."""


@dataclass(frozen=True)
class VirtualStock:
    """What methods that keep virtual links in stock share: their parameters and how partners are drawn.

    Attributes:
        partners: Virtual links that each node draws, at most.
        exponent: A partner at d hops is drawn with probability proportional to d^-exponent.
        farthest: Largest distance of a partner, in hops; the least is 2.
        stock: Pairs that are kept of each virtual link.
        keep: Pairs of every link that building a virtual one leaves.
    """

    partners: Annotated[int, Field(ge=0, le=20)] = 1
    exponent: Annotated[float, Field(ge=0, le=10)] = 2.0
    farthest: Annotated[int, Field(ge=2, le=64)] = 4
    stock: Annotated[int, Field(ge=1, le=100)] = 1
    keep: Annotated[int, Field(ge=0, le=100)] = 1

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """A shortest path for each virtual link, two nodes that draw each other having one; no path of a request."""
        search, drawn = Search(view.network), dict[frozenset[int], tuple[int, ...]]()
        for node in range(view.network.n):
            context.check_time()
            far = hop_counts(view.network, node)
            options = np.flatnonzero((far >= 2) & (far <= self.farthest))
            count = min(self.partners, len(options))
            if count:
                weight = far[options].astype(np.float64) ** -self.exponent
                for other in rng.choice(options, count, replace=False, p=weight / weight.sum()).tolist():
                    path = search.path(min(node, other), max(node, other))
                    if path is not None:
                        drawn[frozenset((node, other))] = path.nodes
        return Plan(tuple(PathPlan(0, nodes) for nodes in drawn.values()))

    def restocked(self, view: View, graph: LiveGraph) -> list[Swap]:
        """Swaps that rebuild virtual links out of the pairs that are left."""
        return rebuilt(graph, view.installed, self.stock, self.keep)


def targets_of(view: View) -> dict[int, IntArray]:
    """Hops from every node to each request's target, -1 where there is no way, by target."""
    return {
        node: hop_counts(view.network, node)
        for node in {view.network.index(each.target) for each in view.requests}
    }


def rebuilt(graph: LiveGraph, installed: Iterable[PathPlan], stock: int, keep: int) -> list[Swap]:
    """Swaps that make the missing pairs of virtual links, each along its path; what they use is gone from the graph.

    Args:
        graph: The live pairs that are left.
        installed: The paths of the virtual links.
        stock: Pairs that are kept of each.
        keep: Pairs of every link of the path that are left there.
    """
    swaps = []
    for path in installed:
        missing = stock - graph.count(path.nodes[0], path.nodes[-1])
        for _ in range(missing):
            if min(graph.count(a, b) for a, b in pairwise(path.nodes)) <= keep:
                break
            swaps += swaps_of(graph.taken(path.nodes), -1)
    return swaps


def served_by_discovery(view: View, graph: LiveGraph, hop: Hop) -> list[Swap]:
    """Every request in turn looks for its way, until all have found one that is not whole.

    A way whose links all have a pair is joined. Of any other the pairs are held: nobody else uses them in this slot. A
    virtual link that it lacks is made at once if its own path's links have pairs, and can be used in the next slot.

    Args:
        view: What is known now.
        graph: Its live pairs; what is used or held is gone from it afterwards.
        hop: The rule.
    """
    ends, far, swaps = ends_of(view), targets_of(view), []
    waiting = [place for place in turns(view) if far[ends[place].target][ends[place].source] >= 0]
    while waiting:
        whole = []
        for request in waiting:
            source, target = ends[request]
            nodes = [source]
            while nodes[-1] != target:
                nodes += hop(graph, nodes[-1], far[target])
            lacking = [(a, b) for a, b in pairwise(nodes) if not graph.count(a, b)]
            if not lacking:
                swaps += swaps_of(graph.taken(tuple(nodes)), request)
                whole.append(request)
                continue
            for a, b in pairwise(nodes):
                if graph.count(a, b):
                    graph.take(a, b)
            wanted = [path for path in view.installed if _joins(path, lacking)]
            swaps += rebuilt(graph, wanted, 1, 0)
        waiting = whole
    return swaps


def greedy_hop(network: Network, installed: Iterable[PathPlan]) -> Hop:
    """To the neighbour nearest to the target, by a link or a virtual link, whether it has a pair or not."""
    beside: dict[int, set[int]] = {node: set(_neighbours(network, node)) for node in range(network.n)}
    for path in installed:
        beside[path.nodes[0]].add(path.nodes[-1])
        beside[path.nodes[-1]].add(path.nodes[0])

    def hop(graph: LiveGraph, node: int, far: IntArray) -> tuple[int, ...]:  # noqa: ARG001
        return (_nearest(beside[node], far),)

    return hop


def best_effort(network: Network) -> Hop:
    """To the nearest of those with which the node shares a pair; where none is nearer than itself, over a link."""

    def hop(graph: LiveGraph, node: int, far: IntArray) -> tuple[int, ...]:
        nearer = [other for other in graph.at(node) if 0 <= far[other] < far[node]]
        return (_nearest(nearer or _neighbours(network, node), far),)

    return hop


def look_ahead(network: Network) -> Hop:
    """To the nearest of those within two pairs; where none is nearer than the node itself, over a link."""

    def hop(graph: LiveGraph, node: int, far: IntArray) -> tuple[int, ...]:
        ways: list[tuple[int, int, tuple[int, ...]]] = [(int(far[a]), 1, (a,)) for a in graph.at(node)]
        ways += [(int(far[b]), 2, (a, b)) for a in graph.at(node) for b in graph.at(a) if b != node]
        nearer = [way for way in ways if 0 <= way[0] < far[node]]
        return min(nearer)[2] if nearer else (_nearest(_neighbours(network, node), far),)

    return hop


def _neighbours(network: Network, node: int) -> list[int]:
    arcs = network.arcs
    return [int(head) for head in arcs.heads[int(arcs.indptr[node]) : int(arcs.indptr[node + 1])]]


def _nearest(nodes: Iterable[int], far: IntArray) -> int:
    return min(nodes, key=lambda node: (int(far[node]), node))


def _joins(path: PathPlan, ends: Iterable[tuple[int, int]]) -> bool:
    return any({a, b} == {path.nodes[0], path.nodes[-1]} for a, b in ends)
