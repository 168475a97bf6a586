"""Expected throughput of a path of several channels, and the search for paths that have much of it.

Slot model of Shi and Qian (SIGCOMM 2020): in a slot each of the W channels of hop k succeeds with p_k, and the
repeaters then join as many pairs as the poorest hop has. Our reference instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.graphs.network import Network

__all__ = ["Ends", "WidePath", "expected_throughput", "select_paths", "widest_throughput"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Ends(NamedTuple):
    """Two users, by node index."""

    source: int
    target: int


class WidePath(NamedTuple):
    """A path that was chosen.

    Attributes:
        request: Place of its request.
        nodes: From source to target.
        width: Channels per hop.
        throughput: Its expected throughput, pairs per slot.
    """

    request: int
    nodes: tuple[int, ...]
    width: int
    throughput: float


def expected_throughput(successes: Sequence[float], width: int, swaps: Sequence[float]) -> float:
    """EXT: mean end-to-end pairs per slot of a path of one width.

    E[min_k X_k] = sum_{i=1..W} prod_k P(X_k >= i) for independent X_k ~ Bin(W, p_k), times the swaps' successes. The
    published recursion over P(min = i) gives the same figure.

    Args:
        successes: Probability that one channel of each hop succeeds in the slot.
        width: Channels per hop.
        swaps: Success probability of each repeater of the path.
    """
    tails = np.ones(width)
    for p in successes:
        tails = tails * _tail(width, p)
    return float(tails.sum() * np.prod(np.asarray(swaps, np.float64)))


def widest_throughput(
    network: Network,
    ends: Ends,
    width: int,
    success: FloatArray,
    swap: FloatArray,
    channels: IntArray,
    memories: IntArray | None = None,
) -> WidePath | None:
    """The path of one width that an extended Dijkstra search finds, labels being expected throughputs.

    A label falls with every hop, so the search ends. It is exact where all hops have one success probability;
    elsewhere the best beginning of a path is not always part of the best path.

    Args:
        network: Undirected.
        ends: The two users.
        width: Channels per hop.
        success: Success of one channel in a slot, per link, shape (m,).
        swap: Success of a swap, per node, shape (n,).
        channels: Free channels per link, shape (m,).
        memories: Free memories per node, shape (n,); a repeater needs 2 W of them. None: as many as needed.
    """
    arcs = network.arcs
    tails = [_tail(width, float(p)) for p in success]
    done: set[int] = set()
    queue: list[tuple[float, tuple[int, ...], tuple[float, ...]]] = [(0.0, (ends.source,), (1.0,) * width)]
    while queue:
        label, nodes, so_far = heappop(queue)
        v = nodes[-1]
        if v == ends.target:
            return WidePath(-1, nodes, width, -label)
        if v in done or not _has_room(v, ends, width, memories):
            continue
        done.add(v)
        for arc in range(int(arcs.indptr[v]), int(arcs.indptr[v + 1])):
            u, link = int(arcs.heads[arc]), int(arcs.link[arc])
            if u in done or u in nodes or channels[link] < width or not _has_room(u, ends, width, memories):
                continue
            after = np.asarray(so_far) * tails[link] * (1.0 if v == ends.source else swap[v])
            heappush(queue, (-float(after.sum()), (*nodes, u), tuple(after.tolist())))
    return None


def select_paths(
    network: Network,
    requests: Sequence[Ends],
    success: FloatArray,
    swap: FloatArray,
    channels: IntArray,
    memories: IntArray | None = None,
) -> list[WidePath]:
    """Again and again the path of most expected throughput over all requests and widths, until none is left.

    Ties go to the wider path, then to the earlier request. What a path takes of channels and memories is gone.
    """
    free = channels.copy()
    stock = None if memories is None else memories.copy()
    found: list[WidePath] = []
    while True:
        best = _best(network, requests, success, swap, free, stock)
        if best is None:
            return found
        found.append(best)
        for a, b in pairwise(best.nodes):
            free[_link(network, a, b)] -= best.width
            if stock is not None:
                stock[[a, b]] -= best.width


def _best(
    network: Network,
    requests: Sequence[Ends],
    success: FloatArray,
    swap: FloatArray,
    free: IntArray,
    stock: IntArray | None,
) -> WidePath | None:
    best: WidePath | None = None
    for width in range(int(free.max(initial=0)), 0, -1):
        for place, ends in enumerate(requests):
            path = widest_throughput(network, ends, width, success, swap, free, stock)
            if path is not None and path.throughput > (best.throughput if best else 0.0):
                best = path._replace(request=place)
    return best


def _has_room(v: int, ends: Ends, width: int, memories: IntArray | None) -> bool:
    return memories is None or bool(memories[v] >= (width if v in ends else 2 * width))


def _link(network: Network, a: int, b: int) -> int:
    arcs = network.arcs
    start, end = int(arcs.indptr[a]), int(arcs.indptr[a + 1])
    return int(arcs.link[start + int(np.searchsorted(arcs.heads[start:end], b))])


def _tail(width: int, p: float) -> FloatArray:
    """P(Bin(W, p) >= i) for i = 1..W."""
    # Imported here: runs of planned paths need this module's names, and no binomials.
    from scipy.special import bdtrc

    return np.asarray(bdtrc(np.arange(width), width, p))
