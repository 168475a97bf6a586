"""Which nodes can reach which."""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.graphs.csr import IntArray
from qoslab.graphs.network import Network

__all__ = ["adjacency", "component_labels", "is_connected", "is_strongly_connected", "period"]


def adjacency(network: Network, weight: Any = 1.0) -> Any:
    """The adjacency matrix as a `scipy.sparse.csr_array`, shape (n, n): `[tail, head]` -> weight.

    Args:
        network: The network.
        weight: One value, or one per link, shape (m,).
    """
    from scipy.sparse import csr_array

    arcs = network.arcs
    values = np.broadcast_to(np.asarray(weight, np.float64), (network.m,))[arcs.link]
    return csr_array((values, arcs.heads, arcs.indptr), shape=(network.n, network.n))


def component_labels(network: Network, *, strong: bool = False) -> IntArray:
    """Component of each node, numbered from 0 in the order of their first nodes, shape (n,).

    Args:
        network: The network.
        strong: Strongly connected components; else weakly connected ones.
    """
    from scipy.sparse.csgraph import connected_components

    if network.n == 0:
        return np.empty(0, np.int64)
    kind = "strong" if strong else "weak"
    _, labels = connected_components(adjacency(network), directed=True, connection=kind)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def is_connected(network: Network) -> bool:
    """Whether the network is in one piece, directions left aside. A network without nodes is not."""
    return network.n > 0 and int(component_labels(network).max()) == 0


def is_strongly_connected(network: Network) -> bool:
    """Whether every node reaches every other along the arcs. A network without nodes is not."""
    return network.n > 0 and int(component_labels(network, strong=True).max()) == 0


def period(network: Network) -> int:
    """Greatest common divisor of the lengths of all closed walks; 1 means aperiodic, 0 that there are none.

    Args:
        network: A strongly connected network.

    Raises:
        ValueError: It is not strongly connected.
    """
    if not is_strongly_connected(network):
        message = "the period is that of a strongly connected network"
        raise ValueError(message)
    from qoslab.graphs.shortest import hop_counts

    level = hop_counts(network, 0)
    arcs = network.arcs
    return int(np.gcd.reduce(level[arcs.tails] + 1 - level[arcs.heads])) if len(arcs.heads) else 0
