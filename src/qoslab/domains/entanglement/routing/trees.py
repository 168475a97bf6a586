"""Path and swap order together: dynamic programming over node pairs and heights of swapping trees.

Two segments of mean times a and b, made side by side, are joined at node k after

    T = (3/2 max(a, b) + t_k) / q_k,

3/2 being the mean of the larger of two like exponential times, t_k what the swap takes and then its news. After
Ghaderibaneh et al. (optimized entanglement-swapping trees); our reference instance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.swaporder.tree import Tree, ranks

__all__ = ["SwappingTree", "best_tree", "tree_on_path"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class SwappingTree(NamedTuple):
    """A path with its swap order.

    Attributes:
        nodes: From source to target.
        ranks: Order of swapping, one per node, lower first, both ends highest.
        time_s: Mean time to a pair of the two ends, s.
    """

    nodes: tuple[int, ...]
    ranks: tuple[int, ...]
    time_s: float


def best_tree(
    link_s: FloatArray, delay_s: FloatArray, swap: FloatArray, swap_s: FloatArray, ends: Ends, height: int
) -> SwappingTree | None:
    """The tree of least mean time over all paths, O(n^3) per height.

    A tree may pass a node twice; then what lies between is cut out and the rest is ordered anew, which is not slower
    where news and swaps take no time.

    Args:
        link_s: Mean time to a pair of two neighbours, s, infinite where there is no link, shape (n, n), symmetric.
        delay_s: Delay of news between any two nodes, s, shape (n, n).
        swap: Success of a swap at each node, shape (n,).
        swap_s: How long a swap takes at each node, s, shape (n,).
        ends: The two users.
        height: Most swaps one upon another, at least 0.
    """
    times, splits = [link_s], []
    for _ in range(height):
        after, split = _joined(times[-1], delay_s, swap, swap_s, ends)
        times.append(after)
        splits.append(split)
        if np.array_equal(after, times[-2]):
            break
    if not np.isfinite(times[-1][ends]):
        return None
    nodes = _without_loops(_walk(splits, *ends, len(splits)))
    return tree_on_path(nodes, link_s, delay_s, swap, swap_s)


def _joined(
    before: FloatArray, delay_s: FloatArray, swap: FloatArray, swap_s: FloatArray, ends: Ends
) -> tuple[FloatArray, IntArray]:
    """Least times with one more height, and the node of the last swap, -1 where it is as before."""
    after, split = before.copy(), np.full(before.shape, -1, np.int64)
    for k in range(len(swap)):
        if k in ends or swap[k] <= 0:
            continue
        a, b = before[:, k, None], before[None, k, :]
        news = np.maximum(delay_s[:, k, None], delay_s[None, k, :])
        joined = (1.5 * np.maximum(a, b) + (swap_s[k] + news)) / swap[k]
        better = joined < after
        after[better], split[better] = joined[better], k
    return after, split


def _walk(splits: list[IntArray], i: int, j: int, height: int) -> tuple[int, ...]:
    while height and splits[height - 1][i, j] < 0:
        height -= 1
    if not height:
        return i, j
    k = int(splits[height - 1][i, j])
    return _walk(splits, i, k, height - 1) + _walk(splits, k, j, height - 1)[1:]


def _without_loops(nodes: tuple[int, ...]) -> tuple[int, ...]:
    kept: list[int] = []
    for node in nodes:
        if node in kept:
            del kept[kept.index(node) :]
        kept.append(node)
    return tuple(kept)


def tree_on_path(
    nodes: tuple[int, ...], link_s: FloatArray, delay_s: FloatArray, swap: FloatArray, swap_s: FloatArray
) -> SwappingTree:
    """The tree of least mean time on a given path, by dynamic programming over its intervals.

    Args: as in `best_tree`; `nodes` are the path's, from source to target.
    """
    hops = len(nodes) - 1
    best: dict[tuple[int, int], tuple[float, Tree | None]] = {
        (i, i + 1): (float(link_s[nodes[i], nodes[i + 1]]), None) for i in range(hops)
    }
    for length in range(2, hops + 1):
        for i in range(hops - length + 1):
            j = i + length
            options = []
            for k in range(i + 1, j):
                (a, left), (b, right) = best[i, k], best[k, j]
                news = max(delay_s[nodes[k], nodes[i]], delay_s[nodes[k], nodes[j]])
                success, told = swap[nodes[k]], float(swap_s[nodes[k]] + news)
                time = (1.5 * max(a, b) + told) / float(success) if success > 0 else np.inf
                options.append((time, k, (left, k, right)))
            time, _, tree = min(options, key=lambda option: option[:2])
            best[i, j] = time, tree
    time, whole = best[0, hops]
    return SwappingTree(nodes, tuple(ranks(whole, hops)), time)
