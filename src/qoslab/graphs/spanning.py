"""Spanning trees: the lightest one (Kruskal 1956), and random ones (Wilson, STOC 1996)."""

from __future__ import annotations

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import is_connected
from qoslab.graphs.costs import Cost, arc_costs
from qoslab.graphs.csr import FloatArray, IntArray
from qoslab.graphs.network import Network

__all__ = ["is_spanning_tree", "log_spanning_trees", "minimum_spanning_tree", "random_spanning_tree"]


def _check(network: Network) -> None:
    if network.directed:
        message = f"network {network.name!r} is directed; spanning trees are those of an undirected network"
        raise BadInput(Problem(message=message, field="network.directed"))
    if not is_connected(network):
        message = f"network {network.name!r} is not connected and has no spanning tree"
        raise BadInput(Problem(message=message, hint="component = 'largest' keeps the largest part"))


def _link_costs(network: Network, cost: Cost) -> FloatArray:
    by_link = np.zeros(network.m)
    by_link[network.arcs.link] = arc_costs(network, cost)
    return by_link


class _Forest:
    """Disjoint sets with path halving."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def root(self, v: int) -> int:
        parent = self.parent
        while parent[v] != v:
            parent[v] = parent[parent[v]]
            v = parent[v]
        return v

    def join(self, a: int, b: int) -> bool:
        a, b = self.root(a), self.root(b)
        self.parent[max(a, b)] = min(a, b)
        return a != b


def minimum_spanning_tree(network: Network, cost: Cost = "length_km") -> IntArray:
    """Links of the spanning tree of least total cost, by index, rising; ties go to the earlier link.

    Raises:
        BadInput: The network is directed or not connected, or a cost is unknown.
    """
    _check(network)
    forest = _Forest(network.n)
    order = np.argsort(_link_costs(network, cost), kind="stable").tolist()
    tail, head = network.tail.tolist(), network.head.tolist()
    return np.array(sorted(k for k in order if forest.join(tail[k], head[k])), np.int64)


def random_spanning_tree(
    network: Network, rng: np.random.Generator, weight: FloatArray | None = None
) -> IntArray:
    """Links of a random spanning tree, by index, rising.

    Args:
        network: A connected undirected network.
        rng: Source of randomness.
        weight: Positive weight of each link, shape (m,): a tree's probability is proportional to the product of
            its weights. Where not given, all trees are equally likely.

    Raises:
        BadInput: The network is directed or not connected, or a weight is not positive.
    """
    _check(network)
    steps = _Steps(network, rng, weight)
    in_tree = [False] * network.n
    in_tree[0] = True
    chosen = [-1] * network.n
    for start in range(1, network.n):
        v = start
        while not in_tree[v]:  # the last exit from each node erases the loops of the walk
            chosen[v] = steps.draw(v)
            v = steps.heads[chosen[v]]
        v = start
        while not in_tree[v]:
            in_tree[v] = True
            v = steps.heads[chosen[v]]
    arcs = np.array(chosen[1:], np.int64)
    return np.sort(network.arcs.link[arcs])


class _Steps:
    """Steps of the random walk that leaves each node along an arc by its weight."""

    def __init__(self, network: Network, rng: np.random.Generator, weight: FloatArray | None) -> None:
        arcs = network.arcs
        weights = np.ones(network.m) if weight is None else np.asarray(weight, np.float64)
        if weights.shape != (network.m,) or not (np.isfinite(weights) & (weights > 0)).all():
            raise BadInput(Problem(field="weight", message="needs one finite positive weight for each link"))
        self.rng = rng
        self.heads: list[int] = arcs.heads.tolist()
        self.starts: list[int] = arcs.indptr.tolist()
        spans = np.split(weights[arcs.link], arcs.indptr[1:-1])
        self.sums = [np.cumsum(span) for span in spans]
        self.uniforms: list[float] = []

    def draw(self, v: int) -> int:
        if not self.uniforms:
            self.uniforms = self.rng.random(4096).tolist()
        sums = self.sums[v]
        step = int(np.searchsorted(sums, self.uniforms.pop() * sums[-1], side="right"))
        return self.starts[v] + min(step, len(sums) - 1)


def is_spanning_tree(network: Network, links: IntArray) -> bool:
    """Whether links, given by index, form a spanning tree."""
    forest = _Forest(network.n)
    joined = [forest.join(int(network.tail[k]), int(network.head[k])) for k in np.asarray(links)]
    return len(joined) == network.n - 1 and all(joined)


def log_spanning_trees(network: Network, weight: FloatArray | None = None) -> float:
    """Natural logarithm of the number (or total weight) of spanning trees: Kirchhoff's matrix-tree theorem.

    Minus infinity where the network is not connected.
    """
    laplacian = np.zeros((network.n, network.n))
    weights = np.ones(network.m) if weight is None else weight
    np.add.at(laplacian, (network.tail, network.head), -weights)
    laplacian += laplacian.T
    laplacian -= np.diag(laplacian.sum(axis=1))
    if not is_connected(network):
        return -np.inf
    return float(np.linalg.slogdet(laplacian[1:, 1:])[1])
