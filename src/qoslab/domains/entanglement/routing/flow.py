"""Entanglement flow with a bound on hops: a linear programme on the graph unrolled by hop, then paths.

After Chakraborty, Elkouss, Rijsman and Wehner (2020), whose length bound keeps fidelity up; our reference
instance, with swaps that succeed by chance as a gain q per repeater: what arrives after h hops counts q^(h-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.network import Network

__all__ = ["FlowPath", "bounded_flow"]

FloatArray = NDArray[np.float64]
_NOTHING = 1e-9


class FlowPath(NamedTuple):
    """A path with its share of the flow.

    Attributes:
        request: Place of its request.
        nodes: From source to target.
        load: Elementary pairs of each hop that it uses, in the unit of the capacities.
        rate: End-to-end pairs it gives: load times the success of its swaps.
    """

    request: int
    nodes: tuple[int, ...]
    load: float
    rate: float


def bounded_flow(
    network: Network,
    requests: Sequence[Ends],
    capacity: FloatArray,
    swap: FloatArray,
    most_hops: int,
    wanted: Sequence[float] | None = None,
) -> list[FlowPath]:
    """The flow of the largest total rate, as paths of at most `most_hops` hops.

    Variables are flows on arcs between copies (node, hops so far); each link's flow over both directions and all
    copies stays within its capacity. A unit that passes repeaters of success q_v is worth prod q_v; to keep the
    programme linear, q is one figure, the mean over nodes that are nobody's end, while the rates of the
    returned paths are with each node's own.

    Args:
        network: Undirected.
        requests: Who wants pairs.
        capacity: Elementary pairs per second of each link, shape (m,).
        swap: Success of a swap at each node, shape (n,).
        most_hops: Longest path, at least 1.
        wanted: Most end-to-end pairs per second of each request; without limit where not given.

    Returns:
        Paths by request, then by falling load; none where nobody can be served.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_matrix

    unrolled = _Unrolled(network, requests, most_hops)
    if not unrolled.columns:
        return []
    gain = float(np.mean(swap)) if len(swap) else 1.0
    value = np.zeros(len(unrolled.columns))
    for place, (request, _, hop, head, _) in enumerate(unrolled.columns):
        if head == requests[request].target:
            value[place] = gain**hop
    rows = unrolled.capacity_rows(network.m)
    limits = list(capacity)
    if wanted is not None:
        rows = np.vstack([rows, unrolled.request_rows(len(requests), value)])
        limits += list(wanted)
    balance = unrolled.balance()
    done = linprog(
        -value,
        A_ub=csr_matrix(rows),
        b_ub=np.array(limits),
        A_eq=csr_matrix(balance) if len(balance) else None,
        b_eq=np.zeros(len(balance)) if len(balance) else None,
        method="highs-ds",
    )
    return _decomposed(unrolled, done.x, requests, swap)


class _Unrolled:
    """Columns (request, tail, hops before, head, link) of the flows that can be part of a path."""

    def __init__(self, network: Network, requests: Sequence[Ends], most_hops: int) -> None:
        arcs = network.arcs
        self.targets = [ends.target for ends in requests]
        self.columns: list[tuple[int, int, int, int, int]] = []
        for request, (source, target) in enumerate(requests):
            reached = {source}
            for hop in range(most_hops):
                further = set()
                for v in sorted(reached):
                    for arc in range(int(arcs.indptr[v]), int(arcs.indptr[v + 1])):
                        head = int(arcs.heads[arc])
                        if head != source and (hop < most_hops - 1 or head == target):
                            self.columns.append((request, v, hop, head, int(arcs.link[arc])))
                            further.add(head)
                reached = further - {target}

    def capacity_rows(self, links: int) -> FloatArray:
        """What loads each link."""
        rows = np.zeros((links, len(self.columns)))
        rows[[column[4] for column in self.columns], np.arange(len(self.columns))] = 1.0
        return rows

    def request_rows(self, requests: int, value: FloatArray) -> FloatArray:
        """What each request gets."""
        rows = np.zeros((requests, len(self.columns)))
        rows[[column[0] for column in self.columns], np.arange(len(self.columns))] = value
        return rows

    def balance(self) -> FloatArray:
        """What enters a copy of an inner node leaves it."""
        copies: dict[tuple[int, int, int], int] = {}
        entries = []
        for place, (request, tail, hop, head, _) in enumerate(self.columns):
            if hop > 0:
                entries.append((copies.setdefault((request, tail, hop), len(copies)), place, -1.0))
            if head != self.targets[request]:
                entries.append((copies.setdefault((request, head, hop + 1), len(copies)), place, 1.0))
        rows = np.zeros((len(copies), len(self.columns)))
        for row, place, sign in entries:
            rows[row, place] += sign
        return rows


def _decomposed(
    unrolled: _Unrolled, flow: FloatArray, requests: Sequence[Ends], swap: FloatArray
) -> list[FlowPath]:
    """Paths out of the flow: follow what is left, take off the least of it, again and again."""
    left = dict(zip(unrolled.columns, flow.tolist(), strict=True))
    found: dict[tuple[int, tuple[int, ...]], float] = {}
    for request, (source, target) in enumerate(requests):
        while walk := _walk(left, request, source, target):
            load = min(left[column] for column in walk)
            for column in walk:
                left[column] -= load
            nodes = _without_loops((source, *(column[3] for column in walk)))
            found[request, nodes] = found.get((request, nodes), 0.0) + load
    paths = [
        FlowPath(request, nodes, load, load * float(np.prod(swap[list(nodes[1:-1])])))
        for (request, nodes), load in found.items()
    ]
    return sorted(paths, key=lambda path: (path.request, -path.load, path.nodes))


_Column = tuple[int, int, int, int, int]


def _walk(left: dict[_Column, float], request: int, source: int, target: int) -> list[_Column]:
    """The columns of one path with flow on all of them, the largest first at each node; empty where none is."""
    walk: list[_Column] = []
    v, hop = source, 0
    while v != target:
        ahead = [
            (value, column)
            for column, value in left.items()
            if column[:3] == (request, v, hop) and value > _NOTHING
        ]
        if not ahead:
            return []
        walk.append(max(ahead)[1])
        v, hop = walk[-1][3], hop + 1
    return walk


def _without_loops(nodes: tuple[int, ...]) -> tuple[int, ...]:
    kept: list[int] = []
    for node in nodes:
        if node in kept:
            del kept[kept.index(node) :]
        kept.append(node)
    return tuple(kept)
