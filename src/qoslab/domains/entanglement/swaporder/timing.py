"""Orders against time: how soon each segment can be ready, and by when it must be so that the whole path is in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.swaporder.path import SwapPath
from qoslab.domains.entanglement.swaporder.tree import Tree

__all__ = ["fastest", "latest", "ready_s"]

FloatArray = NDArray[np.float64]
_ROUNDING = 1e-12
"""Sums of the same delays in another order differ by less, as a share of the whole."""


def ready_s(path: SwapPath, tree: Tree | None, rounds: dict[tuple[int, int], int] | None = None) -> float:
    """When the first pairs of all links are joined by an order: swaps, their news and purifications, s.

    Args:
        path: The path.
        tree: The order.
        rounds: Rounds of purification of the segment between two nodes; none where it is not named.
    """
    return _ready_s(path, tree, (0, len(path.links)), rounds or {})


def _ready_s(
    path: SwapPath, tree: Tree | None, ends: tuple[int, int], rounds: dict[tuple[int, int], int]
) -> float:
    if tree is None:
        ready = float(path.start_s[ends[0]])
    else:
        left, k, right = tree
        parts = _ready_s(path, left, (ends[0], k), rounds), _ready_s(path, right, (k, ends[1]), rounds)
        ready = max(parts) + float(path.word_s(ends[0], k, ends[1]))
    return ready + rounds.get(ends, 0) * float(path.told_s(*ends))


def fastest(path: SwapPath) -> tuple[Tree | None, FloatArray]:
    """The order that is ready first, and how soon each segment can be ready, s, shape (links + 1, links + 1).

    By the least of max(T_ik, T_kj) + t_ikj over k, O(n^3).
    """
    n = len(path.links)
    soonest, last = np.zeros((n + 1, n + 1)), np.zeros((n + 1, n + 1), np.int64)
    soonest[np.arange(n), np.arange(1, n + 1)] = path.start_s
    for length in range(2, n + 1):
        first = np.arange(n - length + 1)
        i, j = first[:, None], first[:, None] + length
        k = i + np.arange(1, length)
        times = np.maximum(soonest[i, k], soonest[k, j]) + path.word_s(i, k, j)
        best = times.argmin(axis=1)
        soonest[first, first + length] = times[first, best]
        last[first, first + length] = k[first, best]

    def tree_of(i: int, j: int) -> Tree | None:
        if j == i + 1:
            return None
        k = int(last[i, j])
        return tree_of(i, k), k, tree_of(k, j)

    return tree_of(0, n), soonest


def latest(path: SwapPath, soonest: FloatArray, whole_s: float) -> FloatArray:
    """By when each segment must be ready if the path is to be in time with the fastest of all others, s.

    Args:
        path: The path.
        soonest: See `fastest`.
        whole_s: By when the whole path must be ready, s.

    Returns:
        Shape (links + 1, links + 1), negative where a segment is part of no order that is in time.
    """
    n = len(path.links)
    found = np.full((n + 1, n + 1), -1.0)
    found[0, n] = whole_s * (1.0 + _ROUNDING)
    for length in range(n - 1, 0, -1):
        for i in range(n - length + 1):
            j = i + length
            after, before = np.arange(j + 1, n + 1), np.arange(i)
            right = found[i, after] - path.word_s(i, j, after)
            left = found[before, j] - path.word_s(before, i, j)
            in_time = np.concatenate([right[soonest[j, after] <= right], left[soonest[before, i] <= left]])
            found[i, j] = in_time.max(initial=-1.0)
    return found
