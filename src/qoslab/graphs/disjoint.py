"""Paths that share no link (Menger 1927), by augmenting paths (Ford and Fulkerson 1956)."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from qoslab.graphs.costs import Cost, arc_costs
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Path

__all__ = ["edge_disjoint_paths"]


class _Flow:
    """A unit flow: each link carries at most one unit, in one direction."""

    def __init__(self, network: Network) -> None:
        arcs, incoming = network.arcs, network.incoming
        self.directed = network.directed
        self.twin: list[int] = arcs.twin.tolist()
        self.used = [False] * len(arcs.heads)
        self.out = [
            list(zip(arcs.heads[a:b].tolist(), range(a, b), strict=True))
            for a, b in zip(arcs.indptr[:-1].tolist(), arcs.indptr[1:].tolist(), strict=True)
        ]
        self.into = [
            list(zip(incoming.tails[a:b].tolist(), incoming.arc[a:b].tolist(), strict=True))
            for a, b in zip(incoming.indptr[:-1].tolist(), incoming.indptr[1:].tolist(), strict=True)
        ]

    def _steps(self, v: int) -> list[tuple[int, int, bool]]:
        """Where a further unit may go from `v`: (node, arc, whether it takes back a unit of that arc)."""
        ahead = [
            (w, arc, False) for w, arc in self.out[v] if not self.used[arc] and not self._taken_back(arc)
        ]
        return ahead + [(u, arc, True) for u, arc in self.into[v] if self.used[arc]]

    def _taken_back(self, arc: int) -> bool:
        return not self.directed and self.used[self.twin[arc]]

    def augment(self, source: int, target: int) -> bool:
        """Send one more unit along a path of fewest steps; False where none can be sent."""
        came: dict[int, tuple[int, int, bool]] = {source: (-1, -1, False)}
        queue = deque([source])
        while queue and target not in came:
            v = queue.popleft()
            for w, arc, back in self._steps(v):
                if w not in came:
                    came[w] = (v, arc, back)
                    queue.append(w)
        if target not in came:
            return False
        v = target
        while v != source:
            v, arc, back = came[v]
            self.used[arc] = not back
        return True

    def walk(self, source: int, target: int) -> tuple[list[int], list[int]]:
        """Take one path out of the flow, without the loops it may hold."""
        nodes = [source]
        arcs: list[int] = []
        while nodes[-1] != target:
            w, arc = next((w, arc) for w, arc in self.out[nodes[-1]] if self.used[arc])
            self.used[arc] = False
            if w in nodes:
                keep = nodes.index(w)
                del nodes[keep + 1 :], arcs[keep:]
            else:
                nodes.append(w)
                arcs.append(arc)
        return nodes, arcs


def edge_disjoint_paths(
    network: Network, source: int, target: int, *, limit: int | None = None, cost: Cost = "hops"
) -> list[Path]:
    """As many paths as possible of which no two share a link, by rising (cost, hops, nodes).

    Their number is the largest there is; their total cost need not be the least.

    Args:
        network: The network; an undirected link serves one path only, in one direction.
        source: Node index.
        target: Node index, another one.
        limit: Stop at this many.
        cost: What the cost of each path counts.

    Raises:
        ValueError: Source and target are the same.
    """
    if source == target:
        message = "disjoint paths need two different ends"
        raise ValueError(message)
    flow = _Flow(network)
    count = 0
    while (limit is None or count < limit) and flow.augment(source, target):
        count += 1
    costs: FloatArray = arc_costs(network, cost)
    walks = [flow.walk(source, target) for _ in range(count)]
    paths = [
        Path(tuple(nodes), tuple(arcs), math.fsum(costs[np.array(arcs)].tolist())) for nodes, arcs in walks
    ]
    return sorted(paths, key=lambda path: (path.cost, path.hops, path.nodes))
