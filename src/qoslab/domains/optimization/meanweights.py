"""What mixing matrices are on average where every link is up with a probability, in closed form."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray, Mixing
from qoslab.agents.weights import Weights

__all__ = ["mean_weights"]


def mean_weights(weights: Weights, mixing: Mixing, up: float) -> Any:
    """E W over independent links, csr of shape (n, n); None for rules without a closed form here.

    Of an agent's other d - 1 links a binomial number K is up. A uniform weight on a link is then
    p E[1 / (2 + K)], a Metropolis weight p E[1 / (2 + max(K_i, K_j))], for i and j share no second link. Derived.

    Args:
        weights: The whole network and its rules; uniform and (lazy) Metropolis weights have a mean here.
        mixing: Which matrix.
        up: p, the probability that a link is up in a round.
    """
    from scipy.sparse import coo_array

    network, rules = weights.network, weights.rules
    arcs, n = network.arcs, network.n
    pairs = np.stack([np.minimum(arcs.tails, arcs.heads), np.maximum(arcs.tails, arcs.heads)], axis=1)
    if not network.directed and len(np.unique(pairs, axis=0)) < network.m:
        return None
    if mixing == "doubly":
        if rules.doubly not in ("metropolis", "lazy_metropolis") or network.directed:
            return None
        degree = network.out_degree
        ends = zip(degree[arcs.heads].tolist(), degree[arcs.tails].tolist(), strict=True)
        share = np.array([_larger(*sorted(pair), up) for pair in ends])
        share *= 0.5 if rules.doubly == "lazy_metropolis" else 1.0
    else:
        kind = rules.row if mixing == "row" else rules.column
        if kind != "uniform" or rules.self_weight is not None:
            return None
        owners = arcs.heads if mixing == "row" else arcs.tails
        count = np.bincount(owners, minlength=n)
        share = np.array([_uniform(int(d), up) for d in count[owners]])
    owners = arcs.tails if mixing == "column" else arcs.heads
    kept = 1.0 - np.bincount(owners, share, n)
    at = np.arange(n)
    rows, columns = np.append(arcs.heads, at), np.append(arcs.tails, at)
    return coo_array((np.append(share, kept), (rows, columns)), shape=(n, n)).tocsr()


@cache
def _chances(count: int, up: float) -> FloatArray:
    from scipy.stats import binom

    return np.asarray(binom.pmf(np.arange(count + 1), count, up), np.float64)


@cache
def _uniform(degree: int, up: float) -> float:
    return float(up * (_chances(degree - 1, up) / (2.0 + np.arange(degree))).sum())


@cache
def _larger(one: int, other: int, up: float) -> float:
    both = np.outer(_chances(one - 1, up), _chances(other - 1, up))
    return float(up * (both / (2.0 + np.maximum(np.arange(one)[:, None], np.arange(other)[None, :]))).sum())
