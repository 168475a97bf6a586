"""Which pairs of nodes should have a pair in stock: greedy choice by the time that requests then save.

A request's mean time is that of its best swapping tree (see `trees`); a stocked pair is a link that takes no time.
After Ghaderibaneh, Gupta, Ramakrishnan and Luo (arXiv 2205.04036); our reference instance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.trees import SwappingTree, best_tree
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import path_from_nodes

__all__ = ["SuperLink", "Times", "super_links"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Times(NamedTuple):
    """What the times of swapping trees are worked out from.

    Attributes:
        link_s: Mean time to a pair of two neighbours, s, infinite where there is no link, shape (n, n), symmetric.
        delay_s: Delay of news between any two nodes, s, shape (n, n).
        swap: Success of a swap at each node, shape (n,).
        swap_s: How long a swap takes at each node, s, shape (n,).
        height: Most swaps one upon another.
    """

    link_s: FloatArray
    delay_s: FloatArray
    swap: FloatArray
    swap_s: FloatArray
    height: int

    def tree(self, ends: Ends) -> SwappingTree | None:
        """The tree of least mean time between two nodes."""
        return best_tree(self.link_s, self.delay_s, self.swap, self.swap_s, ends, self.height)

    def with_stock(self, a: int, b: int) -> Times:
        """The same where two nodes have a pair in stock."""
        after = self.link_s.copy()
        after[a, b] = after[b, a] = 0.0
        return self._replace(link_s=after)


class SuperLink(NamedTuple):
    """Two nodes that keep pairs in stock.

    Attributes:
        nodes: The path of links that their pairs are made on.
        saved_s: Mean time that it saves all requests together, s, after those chosen before it.
    """

    nodes: tuple[int, ...]
    saved_s: float


def super_links(
    network: Network,
    requests: Sequence[Ends],
    times: Times,
    memories: IntArray,
    most: int,
    check: Callable[[], None],
) -> list[SuperLink]:
    """Again and again the pair of nodes that saves most time per memory, while one saves any.

    Candidates are two nodes at least two hops apart on the path of a request's tree of links, but not two users, whose
    pairs are delivered. Ties go to the shorter path, then to the lower nodes.

    Args:
        network: Undirected.
        requests: Who wants pairs.
        times: Times of links, news and swaps.
        memories: Memories of each link that stocks may hold, shape (m,); a super-link holds one on each of its path.
        most: Most super-links.
        check: Called between trees; raises where time is over.
    """
    candidates, left = _candidates(requests, times), memories.copy()
    chosen: list[SuperLink] = []
    while len(chosen) < most:
        before = _total(requests, times)
        best: tuple[float, int, tuple[int, ...]] | None = None
        saved = 0.0
        for nodes in candidates:
            check()
            if left[path_from_nodes(network, nodes).links(network)].min() < 1:
                continue
            gain = before - _total(requests, times.with_stock(nodes[0], nodes[-1]))
            key = (-gain / (len(nodes) - 1), len(nodes), nodes)
            if gain > 1e-12 * before and (best is None or key < best):
                best, saved = key, gain
        if best is None:
            break
        nodes = best[2]
        left[path_from_nodes(network, nodes).links(network)] -= 1
        times = times.with_stock(nodes[0], nodes[-1])
        candidates.remove(nodes)
        chosen.append(SuperLink(nodes, saved))
    return chosen


def _candidates(requests: Sequence[Ends], times: Times) -> list[tuple[int, ...]]:
    users = {frozenset(ends) for ends in requests}
    found: dict[frozenset[int], tuple[int, ...]] = {}
    for ends in requests:
        tree = times.tree(ends)
        path = tree.nodes if tree is not None else ()
        for first in range(len(path)):
            for last in range(first + 2, len(path)):
                part = path[first : last + 1]
                key = frozenset((part[0], part[-1]))
                if key not in users:
                    found.setdefault(key, part if part[0] < part[-1] else part[::-1])
    return sorted(found.values(), key=lambda nodes: (len(nodes), nodes))


def _total(requests: Sequence[Ends], times: Times) -> float:
    """Sum of the mean times of the requests that can be served, s."""
    trees = [times.tree(ends) for ends in requests]
    return sum(tree.time_s for tree in trees if tree is not None)
