"""Paths that lost a hop: detours around it that were kept ready, or that happen to live.

After Shi and Qian (SIGCOMM 2020), our reference instance: rings of recovery paths and what they bypass, combined by
exclusive or (Q-CAST), and detours of a path's segments (Q-PASS).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.throughput import Ends, WidePath, widest_throughput
from qoslab.graphs.network import Network

__all__ = ["Edge", "detoured_path", "edges_of", "recovery_paths", "ring_path", "segments"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Nodes = tuple[int, ...]
Edge = frozenset[int]


def edges_of(nodes: Iterable[int]) -> set[Edge]:
    """The hops of a path, without direction."""
    return {frozenset(ends) for ends in pairwise(nodes)}


def recovery_paths(
    network: Network,
    major: WidePath,
    reach: int,
    success: FloatArray,
    swap: FloatArray,
    free: IntArray,
    link_of: Callable[[int, int], int],
) -> list[Nodes]:
    """Paths of width 1 between nodes of a major path at most `reach` hops apart, out of channels that are free.

    Args:
        network: Undirected.
        major: The path that may need them.
        reach: How far apart the two nodes may be on it, in hops.
        success: Success of one channel in a slot, per link, shape (m,).
        swap: Success of a swap, per node, shape (n,).
        free: Free channels per link, shape (m,); what is taken is subtracted.
        link_of: The link between two nodes.
    """
    found = []
    for apart in range(1, reach + 1):
        for place in range(len(major.nodes) - apart):
            ends = Ends(major.nodes[place], major.nodes[place + apart])
            bypassed = edges_of(major.nodes[place : place + apart + 1])
            channels = free.copy()
            channels[[link_of(*edge) for edge in bypassed]] = 0
            path = widest_throughput(network, ends, 1, success, swap, channels)
            if path is not None:
                free[[link_of(a, b) for a, b in pairwise(path.nodes)]] -= 1
                found.append(path.nodes)
    return found


def ring_path(major: Nodes, recoveries: Sequence[Nodes], lives: Callable[[Edge], bool]) -> Nodes | None:
    """The path from end to end in the exclusive or of a broken path and rings that mend it.

    A ring is a recovery path, all of which lives, with the segment that it bypasses. Rings are taken in order, each if
    its segment has a broken hop that no ring before it took out.

    Args:
        major: The path.
        recoveries: Recovery paths between nodes of it, the preferred ones first.
        lives: Whether a pair lives on a hop.

    Returns:
        Nodes of a path all of whose hops live, the major one if it does; None where there is none.
    """
    kept = edges_of(major)
    places = {node: place for place, node in enumerate(major)}
    for path in recoveries:
        i, j = sorted((places[path[0]], places[path[-1]]))
        segment = edges_of(major[i : j + 1])
        broken = any(edge in kept and not lives(edge) for edge in segment)
        if broken and all(map(lives, edges_of(path))):
            kept ^= segment ^ edges_of(path)
    return _walk({edge for edge in kept if lives(edge)}, major[0], major[-1])


def _walk(edges: set[Edge], source: int, target: int) -> Nodes | None:
    """A path of fewest hops over the given edges, ties to lower nodes."""
    beside: dict[int, set[int]] = {}
    for edge in edges:
        a, b = edge
        beside.setdefault(a, set()).add(b)
        beside.setdefault(b, set()).add(a)
    before = {source: source}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        if node == target:
            path = [node]
            while path[-1] != source:
                path.append(before[path[-1]])
            return tuple(path[::-1])
        for other in sorted(beside.get(node, set()) - set(before)):
            before[other] = node
            queue.append(other)
    return None


def segments(nodes: Nodes, reach: int) -> list[Nodes]:
    """A path of h hops in ceil(h / (reach + 1)) segments of nearly equal length, each with both of its ends."""
    hops = len(nodes) - 1
    count = math.ceil(hops / (reach + 1))
    cuts = [round(k * hops / count) for k in range(count + 1)]
    return [nodes[a : b + 1] for a, b in pairwise(cuts)]


def detoured_path(graph: LiveGraph, nodes: Nodes, reach: int, far: Sequence[IntArray]) -> Nodes | None:
    """A path whose segments without a live hop are replaced, each on its own, by live detours.

    A detour keeps to nodes that the segment's first node knows of: at most `reach` hops away in the network, and the
    segment's own.

    Args:
        graph: The live pairs that are left; none is taken.
        nodes: The path.
        reach: How far a node knows link states, in hops.
        far: Hops between any two nodes of the network, by the first.
    """
    found = [nodes[0]]
    for segment in segments(nodes, reach):
        way: Nodes | None = segment
        if graph.seen(segment) is None:
            known = {v for v, hops in enumerate(far[segment[0]]) if 0 <= hops <= reach} | set(segment)
            closed = set(range(len(far))) - known
            way = graph.path(Ends(segment[0], segment[-1]), lambda pair: 1.0, closed)  # noqa: ARG005
        if way is None:
            return None
        for node in way[1:]:
            if node in found:
                del found[found.index(node) :]
            found.append(node)
    return tuple(found) if found[-1] == nodes[-1] else None
