"""Centralities of nodes, as baselines; computed by networkx, given as arrays by node index.

`PageRank` favours nodes that arcs lead to. In a graph of who follows whom (arc i -> j: i listens to j) these are the
ones that are listened to; in a network that carries messages take them of `transform.reverse(network)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from qoslab.graphs.convert import to_networkx
from qoslab.graphs.costs import Cost, arc_costs
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.network import Network

__all__ = ["betweenness", "closeness", "degree", "pagerank"]


def _array(values: Mapping[int, float], n: int) -> FloatArray:
    return np.array([values[v] for v in range(n)], np.float64)


def degree(network: Network, direction: Literal["in", "out"] = "in") -> FloatArray:
    """Number of arcs into or out of each node, shape (n,); the degree where the network is undirected."""
    count = network.in_degree if direction == "in" else network.out_degree
    return count.astype(np.float64)


def pagerank(network: Network, *, damping: float = 0.85) -> FloatArray:
    """PageRank by the links' weights (Brin and Page 1998), sum 1, shape (n,)."""
    import networkx as nx

    return _array(nx.pagerank(to_networkx(network), alpha=damping, tol=1e-12, max_iter=1000), network.n)


def _costed(network: Network, cost: Cost) -> tuple[object, str | None]:
    graph = to_networkx(network)
    if isinstance(cost, str) and cost == "hops":
        return graph, None
    arcs = network.arcs
    for u, v, value in zip(
        arcs.tails.tolist(), arcs.heads.tolist(), arc_costs(network, cost).tolist(), strict=True
    ):
        graph.edges[u, v]["cost"] = value
    return graph, "cost"


def betweenness(
    network: Network, cost: Cost = "hops", *, sources: int | None = None, seed: int = 0
) -> FloatArray:
    """Share of the shortest paths between others that pass each node (Freeman 1977, Brandes 2001), shape (n,).

    Args:
        network: The network; where undirected, costs must not depend on the direction.
        cost: What a path costs.
        sources: Estimate from this many random sources: large networks take O(n m) otherwise.
        seed: Of the choice of sources.
    """
    import networkx as nx

    graph, weight = _costed(network, cost)
    return _array(nx.betweenness_centrality(graph, k=sources, weight=weight, seed=seed), network.n)


def closeness(network: Network, cost: Cost = "hops") -> FloatArray:
    """Inverse mean distance from all others to each node, in the form of Wasserman and Faust, shape (n,)."""
    import networkx as nx

    graph, weight = _costed(network, cost)
    return _array(nx.closeness_centrality(graph, distance=weight), network.n)
