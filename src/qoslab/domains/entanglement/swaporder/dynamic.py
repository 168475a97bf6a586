"""Dynamic programming over intervals: the best ways of making every segment, from links up to the path.

The way a segment is made matters to the rest by the distribution of its number of pairs, its Werner parameter and its
time, so a small Pareto set in mean, variance, Werner parameter and time is kept per segment: O(n^3) joins for n links.
A join is scored on moments in O(1), or on the tails of the kept distributions, E[min] = sum_m P(X >= m) P(Y >= m).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.swaporder.exact import link_batch, thinning
from qoslab.domains.entanglement.swaporder.front import Columns, front
from qoslab.domains.entanglement.swaporder.moments import halved, minimum, thinned
from qoslab.domains.entanglement.swaporder.path import SwapPath
from qoslab.domains.entanglement.swaporder.tree import Tree
from qoslab.domains.entanglement.swaporder.value import purify

__all__ = ["Order", "interval_orders"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Order:
    """A tree and how often each segment is purified.

    Attributes:
        tree: The tree; None where the path is one link.
        rounds: Rounds of purification by segment (first node, last node); none where it is not named.
    """

    tree: Tree | None
    rounds: tuple[tuple[tuple[int, int], int], ...] = ()


class _Table:
    """The kept ways of every segment: four columns, and where each way comes from."""

    def __init__(self, nodes: int, limit: int, size: int) -> None:
        shape = (limit, nodes, nodes)
        self.tails = np.zeros((*shape, size))  # P(X >= 1), P(X >= 2), ...; empty where moments are used
        self.limit = limit
        self.columns: Columns = (np.full(shape, -1.0), np.zeros(shape), np.zeros(shape), np.zeros(shape))
        self.source = np.zeros((4, *shape), np.int64)  # split, left way, right way, rounds

    def keep(self, first: IntArray, last: IntArray, ways: Columns, source: IntArray) -> None:
        """Keep the front of each segment's ways, given as (segments, ways), with (4, segments, ways) sources."""
        kept = front(ways, self.limit)
        rows = np.arange(len(first))
        for place in range(self.limit):
            there = kept[:, place] >= 0
            at = (rows[there], kept[there, place])
            for column, values in zip(self.columns, ways, strict=True):
                column[place, first[there], last[there]] = values[at]
            self.source[:, place, first[there], last[there]] = source[(slice(None), *at)]

    def keep_tails(self, path: SwapPath, first: IntArray, length: int) -> None:
        """The exact tails of the kept ways of one length, each from its two parts."""
        size = self.tails.shape[-1]
        for i, place in ((int(i), place) for i in first for place in range(self.limit)):
            if self.columns[0][place, i, i + length] < 0:
                continue
            k, left, right, _ = self.source[:, place, i, i + length]
            fewer = self.tails[left, i, k] * self.tails[right, k, i + length]
            q = path.swaps[k - 1]
            self.tails[place, i, i + length] = fewer @ _tail_thinning(size, q)

    def order(self, place: int, i: int, j: int) -> Order:
        """The tree of one kept way."""
        k, left, right, rounds = (int(value) for value in self.source[:, place, i, j])
        own = (((i, j), rounds),) if rounds else ()
        if j == i + 1:
            return Order(None, own)
        parts = self.order(left, i, k), self.order(right, k, j)
        return Order((parts[0].tree, k, parts[1].tree), parts[0].rounds + parts[1].rounds + own)


def interval_orders(
    path: SwapPath,
    *,
    rounds: int = 0,
    limit: int = 4,
    tails: bool = False,
    latest: FloatArray | None = None,
) -> list[Order]:
    """The kept ways of making the whole path, the largest mean first.

    Args:
        path: The path.
        rounds: Most rounds of purification of a segment.
        limit: How many ways are kept per segment.
        tails: Score joins on exact tails instead of moments; not together with purification.
        latest: By when each segment must be ready, s, see `timing`; any time where not given.

    Raises:
        ValueError: Tails and purification are asked for together.
    """
    if tails and rounds:
        message = "tails are kept of unpurified segments only"
        raise ValueError(message)
    n = len(path.links)
    size = max(link.attempts for link in path.links) if tails else 0
    table = _Table(n + 1, limit, size)
    for i, link in enumerate(path.links if tails else ()):
        tail = link_batch(link).tail[1:]
        table.tails[:, i, i + 1, : len(tail)] = tail
    nodes = np.arange(n)
    mean = np.array([[link.attempts * link.success] for link in path.links])
    variance = mean * (1 - np.array([[link.success] for link in path.links]))
    werner = np.array([[link.werner] for link in path.links])
    base: Columns = (mean, variance, werner, path.start_s[:, None])
    table.keep(
        nodes,
        nodes + 1,
        *_with_purification(path, nodes, nodes + 1, base, np.zeros((4, n, 1), np.int64), rounds),
    )
    for length in range(2, n + 1):
        first = np.arange(n - length + 1)
        ways, source = _joins(path, table, first, length)
        ways, source = _with_purification(path, first, first + length, ways, source, rounds)
        if latest is not None:
            in_time = ways[3] <= latest[first, first + length, None]
            ways = (np.where(in_time, ways[0], -1.0), *ways[1:])
        table.keep(first, first + length, ways, source)
        if tails:
            table.keep_tails(path, first, length)
    whole = table.columns[0][:, 0, n]
    return [table.order(int(place), 0, n) for place in np.argsort(-whole, kind="stable") if whole[place] >= 0]


def _joins(path: SwapPath, table: _Table, first: IntArray, length: int) -> tuple[Columns, IntArray]:
    """All joins that make the segments of one length: (segments, left ways x right ways x splits)."""
    split = first[:, None] + np.arange(1, length)
    i, j = first[:, None], (first + length)[:, None]
    left = [column[:, None, i, split] for column in table.columns]
    right = [column[None, :, split, j] for column in table.columns]
    q = np.asarray((1.0, *path.swaps))[split]
    if table.tails.shape[-1]:
        mean, variance = thinned(*_least(table.tails, first, length), q)
    else:
        mean, variance = thinned(*minimum(left[0], left[1], right[0], right[1]), q)
    werner, ready = path.joined(path.word_s(i, split, j), left[2], left[3], right[2], right[3])
    exists = (left[0] >= 0) & (right[0] >= 0)
    shape = exists.shape
    labels = np.indices(shape[:2])[:, :, :, None, None]
    parts = (split, labels[0], labels[1], np.zeros((), np.int64))
    columns = (np.where(exists, mean, -1.0), variance, werner, ready)
    rows = [_by_segment(np.broadcast_to(column, shape)) for column in columns]
    source = np.stack([_by_segment(np.broadcast_to(part, shape)) for part in parts])
    return (rows[0], rows[1], rows[2], rows[3]), source


def _least(tails: FloatArray, first: IntArray, length: int) -> tuple[FloatArray, FloatArray]:
    """Exact mean and variance of the minimum, (left ways, right ways, segments, splits)."""
    odd = 2.0 * np.arange(1, tails.shape[-1] + 1) - 1
    mean = np.empty((len(tails), len(tails), len(first), length - 1))
    square = np.empty_like(mean)
    for row, i in enumerate(first):
        left, right = tails[:, i, i + 1 : i + length], tails[:, i + 1 : i + length, i + length]
        both = left[:, None] * right[None]
        mean[:, :, row] = both.sum(axis=-1)
        square[:, :, row] = both @ odd
    return mean, np.maximum(square - mean**2, 0.0)


@lru_cache(maxsize=256)
def _tail_thinning(size: int, q: float) -> FloatArray:
    """P(Bin(n, q) >= k) - P(Bin(n - 1, q) >= k) for 1 <= n, k <= size: tails times this are the thinned tails."""
    above = np.cumsum(thinning(size + 1, q)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.diff(above, axis=0)[:, 1:])


def _by_segment(array: NDArray[Any]) -> NDArray[Any]:
    return np.moveaxis(array, 2, 0).reshape(array.shape[2], -1)


def _with_purification(
    path: SwapPath, first: IntArray, last: IntArray, ways: Columns, source: IntArray, rounds: int
) -> tuple[Columns, IntArray]:
    """The same ways after 0, 1, ... rounds of purification, side by side."""
    told = path.told_s(first, last)[:, None]
    mean, variance, werner, ready = ways
    found, sources = [ways], [source]
    for count in range(1, rounds + 1):
        success, after = purify(werner, werner)
        fewer, spread = thinned(*halved(mean, variance), success)
        mean, variance = np.where(mean >= 0, fewer, -1.0), spread
        werner, ready = after * path.gate * np.exp(-path.decay_per_s * told), ready + told
        counted = source.copy()
        counted[3] = count
        found.append((mean, variance, werner, ready))
        sources.append(counted)
    columns = [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]
    return (columns[0], columns[1], columns[2], columns[3]), np.concatenate(sources, axis=2)
