"""Shortest paths (Dijkstra 1959) whose ties are settled once and for all.

Among paths of equal cost the one with the fewest hops is taken, and among those the one whose nodes come first:
the same network gives the same path, whatever the order of its file and the machine.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from qoslab.graphs.components import adjacency
from qoslab.graphs.costs import Cost, arc_costs
from qoslab.graphs.csr import FloatArray, IntArray
from qoslab.graphs.network import Network

__all__ = [
    "Path",
    "Search",
    "all_pairs",
    "diameter",
    "distances",
    "hop_counts",
    "next_arcs",
    "path_from_nodes",
    "shortest_path",
]


class Path(NamedTuple):
    """A loopless path.

    Attributes:
        nodes: Its nodes from source to target, hops + 1 of them.
        arcs: Its arcs, indices into `Network.arcs`.
        cost: Exactly rounded sum of the arcs' costs.
    """

    nodes: tuple[int, ...]
    arcs: tuple[int, ...]
    cost: float

    @property
    def hops(self) -> int:
        """Number of arcs."""
        return len(self.arcs)

    def links(self, network: Network) -> IntArray:
        """Its links, indices into the network's link columns, shape (hops,)."""
        return network.arcs.link[np.array(self.arcs, np.int64)]


_Label = tuple[float, int]
_FAR: _Label = (math.inf, 0)


class Search:
    """A network with one cost, made ready for many searches: plain lists are what Python walks fastest.

    Args:
        network: The network.
        cost: What a path costs.
    """

    def __init__(self, network: Network, cost: Cost = "hops") -> None:
        arcs, incoming = network.arcs, network.incoming
        self.n = network.n
        self.cost: list[float] = arc_costs(network, cost).tolist()
        self.heads: list[int] = arcs.heads.tolist()
        self.starts: list[int] = arcs.indptr.tolist()
        self.in_starts: list[int] = incoming.indptr.tolist()
        self.in_tails: list[int] = incoming.tails.tolist()
        self.in_arcs: list[int] = incoming.arc.tolist()

    def labels_to(
        self,
        target: int,
        source: int = -1,
        closed_nodes: Collection[int] = frozenset(),
        closed_arcs: Collection[int] = frozenset(),
    ) -> list[_Label]:
        """Least (cost, hops) from every node to the target; final for all nodes not farther than the source."""
        labels = [_FAR] * self.n
        labels[target] = (0.0, 0)
        done = [False] * self.n
        queue = [(0.0, 0, target)]
        while queue:
            cost, hops, v = heappop(queue)
            if done[v]:
                continue
            done[v] = True
            if v == source:
                break
            for k in range(self.in_starts[v], self.in_starts[v + 1]):
                u, arc = self.in_tails[k], self.in_arcs[k]
                if done[u] or u in closed_nodes or arc in closed_arcs:
                    continue
                label = (self.cost[arc] + cost, hops + 1)
                if label < labels[u] and label[0] < math.inf:
                    labels[u] = label
                    heappush(queue, (*label, u))
        return labels

    def next_arc(self, v: int, labels: list[_Label], closed_arcs: Collection[int] = frozenset()) -> int:
        """The first arc of the best path from `v`, given the labels to a target; -1 where there is none."""
        if labels[v] == _FAR or labels[v] == (0.0, 0):
            return -1
        for arc in range(self.starts[v], self.starts[v + 1]):
            cost, hops = labels[self.heads[arc]]
            if arc not in closed_arcs and (self.cost[arc] + cost, hops + 1) == labels[v]:
                return arc
        return -1

    def path(
        self,
        source: int,
        target: int,
        closed_nodes: Collection[int] = frozenset(),
        closed_arcs: Collection[int] = frozenset(),
    ) -> Path | None:
        """The best path, or None; `closed_nodes` must not hold its ends."""
        labels = self.labels_to(target, source, closed_nodes, closed_arcs)
        if labels[source] == _FAR:
            return None
        nodes, arcs = [source], []
        while nodes[-1] != target:
            arc = self.next_arc(nodes[-1], labels, closed_arcs)
            arcs.append(arc)
            nodes.append(self.heads[arc])
        return Path(tuple(nodes), tuple(arcs), math.fsum(self.cost[arc] for arc in arcs))


def shortest_path(network: Network, source: int, target: int, cost: Cost = "hops") -> Path | None:
    """The shortest path between two nodes, or None where there is none.

    Args:
        network: The network.
        source: Node index.
        target: Node index.
        cost: What a path costs.
    """
    return Search(network, cost).path(source, target)


def path_from_nodes(network: Network, nodes: tuple[int, ...], cost: Cost = "hops") -> Path:
    """The path along the given nodes.

    Raises:
        ValueError: Two of them in a row are not linked.
    """
    arcs = network.arcs
    found = []
    for a, b in pairwise(nodes):
        start, end = int(arcs.indptr[a]), int(arcs.indptr[a + 1])
        arc = start + int(np.searchsorted(arcs.heads[start:end], b))
        if arc == end or arcs.heads[arc] != b:
            message = f"there is no arc from {network.nodes[a]!r} to {network.nodes[b]!r}"
            raise ValueError(message)
        found.append(arc)
    costs = arc_costs(network, cost)
    return Path(tuple(nodes), tuple(found), math.fsum(costs[arc] for arc in found))


def distances(network: Network, source: int, cost: Cost = "hops") -> FloatArray:
    """Least cost from a node to every node, infinite where there is no path, shape (n,)."""
    found: FloatArray = _dijkstra(network, cost, source)
    return found


def all_pairs(network: Network, cost: Cost = "hops") -> FloatArray:
    """Least cost between all pairs, `[source, target]`, infinite where there is no path, shape (n, n)."""
    found: FloatArray = _dijkstra(network, cost, None)
    return found


def _dijkstra(network: Network, cost: Cost, source: int | None) -> FloatArray:
    from scipy.sparse.csgraph import dijkstra

    matrix = adjacency(network)
    # Explicit zeros stay arcs of cost 0, and infinite ones are never worth taking.
    matrix.data = arc_costs(network, cost)
    found: FloatArray = dijkstra(matrix, directed=True, indices=source)
    return found


def hop_counts(network: Network, source: int) -> IntArray:
    """Fewest hops from a node to every node, -1 where there is no path, shape (n,)."""
    arcs = network.arcs
    level = np.full(network.n, -1, np.int64)
    level[source] = 0
    front = np.array([source])
    while len(front):
        spans = [arcs.heads[arcs.indptr[v] : arcs.indptr[v + 1]] for v in front]
        reached = np.unique(np.concatenate(spans))
        front_level = level[front[0]] + 1
        front = reached[level[reached] < 0]
        level[front] = front_level
    return level


def next_arcs(network: Network, cost: Cost = "hops") -> IntArray:
    """A routing table: the arc to take at each node towards each target, shape (n, n); -1 where there is none.

    Following `[node, target]` from any node gives what `shortest_path` gives.
    """
    search = Search(network, cost)
    table = np.full((network.n, network.n), -1, np.int64)
    for target in range(network.n):
        labels = search.labels_to(target)
        table[:, target] = [search.next_arc(v, labels) for v in range(network.n)]
    return table


def diameter(network: Network, cost: Cost = "hops") -> float:
    """Largest least cost between two nodes; infinite where some node does not reach another."""
    return max((float(distances(network, v, cost).max()) for v in range(network.n)), default=0.0)
