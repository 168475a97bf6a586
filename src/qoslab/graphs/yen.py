"""The k shortest loopless paths (Yen, Management Science 17, 1971, with Lawler's rule against repeats)."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import islice

from qoslab.graphs.costs import Cost
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Path, Search

__all__ = ["k_shortest_paths", "paths_by_cost"]

_Key = tuple[float, int, tuple[int, ...]]


class _Yen:
    """Paths from source to target by rising (cost, hops, nodes), one at a time."""

    def __init__(self, network: Network, source: int, target: int, cost: Cost) -> None:
        self.search = Search(network, cost)
        self.source, self.target = source, target
        self.found: list[Path] = []
        self.seen: set[tuple[int, ...]] = set()
        self.waiting: list[tuple[_Key, int, Path]] = []

    def __iter__(self) -> _Yen:
        return self

    def __next__(self) -> Path:
        if not self.seen:
            self._add(self.search.path(self.source, self.target), 0)
        if not self.waiting:
            raise StopIteration
        _, deviation, path = heappop(self.waiting)
        self.found.append(path)
        self._branch(path, deviation)
        return path

    def _add(self, path: Path | None, deviation: int) -> None:
        if path is not None and path.nodes not in self.seen:
            self.seen.add(path.nodes)
            heappush(self.waiting, ((path.cost, path.hops, path.nodes), deviation, path))

    def _branch(self, path: Path, deviation: int) -> None:
        # Before its own deviation a path's branches were made when the path it left was found (Lawler 1972).
        for at in range(deviation, path.hops):
            root = path.nodes[: at + 1]
            taken = {other.arcs[at] for other in self.found if other.nodes[: at + 1] == root}
            spur = self.search.path(path.nodes[at], self.target, set(root[:-1]), taken)
            if spur is not None:
                arcs = path.arcs[:at] + spur.arcs
                cost = math.fsum(self.search.cost[arc] for arc in arcs)
                self._add(Path(root[:-1] + spur.nodes, arcs, cost), at)


def paths_by_cost(network: Network, source: int, target: int, cost: Cost = "hops") -> _Yen:
    """An iterator over all loopless paths by rising cost, then hops, then nodes."""
    return _Yen(network, source, target, cost)


def k_shortest_paths(network: Network, source: int, target: int, k: int, cost: Cost = "hops") -> list[Path]:
    """The k shortest loopless paths, fewer where there are no more.

    Args:
        network: The network.
        source: Node index; the only path to itself is the empty one.
        target: Node index.
        k: How many.
        cost: What a path costs; see `qoslab.graphs.costs.Cost`.

    Returns:
        Paths by rising (cost, hops, nodes). With costs of floating point, two paths whose sums differ by no
        more than rounding may stand in either order; it is the same order each time.
    """
    return list(islice(paths_by_cost(network, source, target, cost), k))
