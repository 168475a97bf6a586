"""The exact distribution of the number of pairs, segment by segment, at any capacity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from qoslab.domains.entanglement.swaporder.path import SwapLink, SwapPath
from qoslab.domains.entanglement.swaporder.tree import Tree
from qoslab.domains.entanglement.swaporder.value import purify

__all__ = ["Batch", "evaluate", "join", "link_batch", "purified", "simulate", "thinning"]

FloatArray = NDArray[np.float64]

_LOST = 1e-13
"""Mass of the upper tail that is left out of a distribution."""


@dataclass(frozen=True)
class Batch:
    """The pairs of one segment at the end of its swaps.

    Attributes:
        pmf: Probability of 0, 1, 2, ... pairs.
        werner: Their Werner parameter at `ready_s`.
        ready_s: When both ends of the segment know of them; the links do at `SwapPath.start_s`.
    """

    pmf: FloatArray
    werner: float = 1.0
    ready_s: float = 0.0

    @property
    def mean(self) -> float:
        """Mean number of pairs."""
        return float(self.pmf @ np.arange(len(self.pmf)))

    @property
    def variance(self) -> float:
        """Variance of the number of pairs."""
        return float(self.pmf @ np.arange(len(self.pmf)) ** 2) - self.mean**2

    @property
    def tail(self) -> FloatArray:
        """P(X >= m) for m = 0, 1, ..."""
        return np.cumsum(self.pmf[::-1])[::-1]


def link_batch(link: SwapLink, ready_s: float = 0.0) -> Batch:
    """Bin(w, p) pairs, known at a time."""
    return Batch(_trimmed(_binomial(link.attempts, link.success)), link.werner, ready_s)


def join(path: SwapPath, i: int, k: int, j: int, left: Batch, right: Batch) -> Batch:
    """The pairs after the swaps at node k: min(X, Y), each kept with the node's probability.

    P(min >= m) = P(X >= m) P(Y >= m) takes O(C); thinning is exact and takes O(C^2).
    """
    size = min(len(left.pmf), len(right.pmf))
    tail = left.tail[:size] * right.tail[:size]
    fewer = tail - np.append(tail[1:], 0.0)
    state = path.joined(path.word_s(i, k, j), left.werner, left.ready_s, right.werner, right.ready_s)
    return Batch(_trimmed(_thinned(fewer, path.swaps[k - 1])), float(state[0]), float(state[1]))


def purified(path: SwapPath, i: int, j: int, batch: Batch) -> Batch:
    """One round of purification of neighbouring pairs: floor(X / 2) trials; an odd pair is given up."""
    success, werner = purify(batch.werner, batch.werner)
    padded = np.append(batch.pmf, np.zeros(len(batch.pmf) % 2))
    halves = padded[0::2] + padded[1::2]
    told = float(path.told_s(i, j))
    kept = werner * path.gate * float(np.exp(-path.decay_per_s * told))
    return Batch(_trimmed(_thinned(halves, success)), kept, batch.ready_s + told)


def evaluate(path: SwapPath, tree: Tree | None, rounds: dict[tuple[int, int], int] | None = None) -> Batch:
    """The exact end-to-end distribution of one order.

    Args:
        path: The path.
        tree: The order.
        rounds: Rounds of purification of the segment between two nodes; none where it is not named.
    """
    return _segment(path, tree, 0, len(path.links), rounds or {})


def _segment(path: SwapPath, tree: Tree | None, i: int, j: int, rounds: dict[tuple[int, int], int]) -> Batch:
    if tree is None:
        found = link_batch(path.links[i], float(path.start_s[i]))
    else:
        left, k, right = tree
        parts = _segment(path, left, i, k, rounds), _segment(path, right, k, j, rounds)
        found = join(path, i, k, j, *parts)
    for _ in range(rounds.get((i, j), 0)):
        found = purified(path, i, j, found)
    return found


def simulate(
    path: SwapPath,
    tree: Tree | None,
    rng: np.random.Generator,
    slots: int,
    rounds: dict[tuple[int, int], int] | None = None,
) -> NDArray[np.int64]:
    """End-to-end pairs in each of many slots, drawn: the batch model's reference, shape (slots,)."""
    wanted = rounds or {}

    def draw(node: Tree | None, i: int, j: int) -> tuple[NDArray[np.int64], float, float]:
        if node is None:
            link = path.links[i]
            found, werner, ready = (
                rng.binomial(link.attempts, link.success, slots),
                link.werner,
                path.start_s[i],
            )
        else:
            left, k, right = node
            a, b = draw(left, i, k), draw(right, k, j)
            found = rng.binomial(np.minimum(a[0], b[0]), path.swaps[k - 1])
            werner, ready = path.joined(path.word_s(i, k, j), a[1], a[2], b[1], b[2])
        for _ in range(wanted.get((i, j), 0)):
            success, _ = purify(werner, werner)
            after = purified(path, i, j, Batch(np.ones(1), werner, ready))
            found, werner, ready = rng.binomial(found // 2, success), after.werner, after.ready_s
        return found, werner, ready

    return draw(tree, 0, len(path.links))[0]


def _binomial(n: int, p: float) -> FloatArray:
    if p >= 1:
        return np.append(np.zeros(n), 1.0)
    k = np.arange(n + 1)
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + k * np.log(p) + (n - k) * np.log1p(-p)
    return np.asarray(np.exp(logs))


def _thinned(pmf: FloatArray, q: float) -> FloatArray:
    """The distribution of Bin(X, q) for X of a given distribution."""
    if q >= 1:
        return pmf
    size = len(pmf)
    # One table serves all sizes up to the next power of two.
    return np.asarray(pmf @ thinning(1 << (size - 1).bit_length(), q)[:size, :size])


@lru_cache(maxsize=256)
def thinning(size: int, q: float) -> FloatArray:
    """P(Bin(n, q) = k) for 0 <= n, k < size, `[n, k]`."""
    if q >= 1:
        return np.eye(size)
    n, k = np.indices((size, size))
    rest = np.maximum(n - k, 0)
    logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(rest + 1) + k * np.log(q) + rest * np.log1p(-q)
    rows: FloatArray = np.where(k <= n, np.exp(logs), 0.0)
    rows.flags.writeable = False
    return rows


def _trimmed(pmf: FloatArray) -> FloatArray:
    kept = int(np.searchsorted(-np.cumsum(pmf[::-1])[::-1], -_LOST, side="right"))
    short = pmf[: max(kept, 1)]
    return np.asarray(short / short.sum())
