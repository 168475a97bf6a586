"""Linear operators of graphs and hypergraphs in torch: sparse products whose gradient is a sparse product, too.

Nothing here builds a clique: a group of n nodes that all see each other costs n numbers, not n^2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Operator",
    "bipartite_adjacency",
    "group_mean",
    "hypergraph",
    "incidence_degrees",
    "sparse_operator",
]

Operator = Callable[[Any], Any]
"""From node features, shape (nodes, d), to features of the same nodes."""

IntArray = NDArray[np.int64]


def sparse_operator(
    rows: IntArray, columns: IntArray, values: NDArray[Any], shape: tuple[int, int], like: Any
) -> Operator:
    """The product with a fixed sparse matrix.

    Args:
        rows: Row of each entry.
        columns: Column of each entry.
        values: The entries.
        shape: Rows and columns.
        like: A tensor whose device and type the operator has.
    """
    forward = _csr(rows, columns, values, shape, like)
    backward = _csr(columns, rows, values, (shape[1], shape[0]), like)
    product = _product()
    return lambda x: product.apply(forward, backward, x)


def bipartite_adjacency(
    users: IntArray, services: IntArray, shape: tuple[int, int], like: Any, *, renormalised: bool = True
) -> Operator:
    """The normalised adjacency of the user-service graph; users are the first nodes.

    Args:
        users: User of each edge.
        services: Service of each edge.
        shape: Users and services.
        like: A tensor whose device and type the operator has.
        renormalised: D~^-1/2 (A + I) D~^-1/2, with spectral radius 1; otherwise I + D^-1/2 A D^-1/2, up to 2.
    """
    count = sum(shape)
    own = np.arange(count, dtype=np.int64)
    rows, columns = np.concatenate([users, services + shape[0]]), np.concatenate([services + shape[0], users])
    degree = np.bincount(rows, minlength=count).astype(np.float64) + renormalised
    root = _power(degree, -0.5)
    values = root[rows] * root[columns]
    diagonal = root**2 if renormalised else np.ones(count)
    rows, columns = np.concatenate([rows, own]), np.concatenate([columns, own])
    return sparse_operator(rows, columns, np.concatenate([values, diagonal]), (count, count), like)


def hypergraph(nodes: IntArray, edges: IntArray, shape: tuple[int, int], like: Any) -> Operator:
    """D_v^-1/2 B D_e^-1 B^T D_v^-1/2 of a hypergraph, as two sparse products (Feng et al., AAAI 2019, equation 11).

    Args:
        nodes: Node of each membership.
        edges: Hyperedge of each membership.
        shape: Nodes and hyperedges.
        like: A tensor whose device and type the operator has.
    """
    of_node, of_edge = incidence_degrees(nodes, edges, shape)
    half, inverse = _power(of_node, -0.5)[nodes], _power(of_edge, -1.0)[edges]
    gather = sparse_operator(edges, nodes, half * inverse, (shape[1], shape[0]), like)
    spread = sparse_operator(nodes, edges, half, shape, like)
    return lambda x: spread(gather(x))


def incidence_degrees(
    nodes: IntArray, edges: IntArray, shape: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges per node and nodes per edge, of shapes (nodes,) and (edges,)."""
    return (
        np.bincount(nodes, minlength=shape[0]).astype(np.float64),
        np.bincount(edges, minlength=shape[1]).astype(np.float64),
    )


def group_mean(groups: IntArray, like: Any) -> Operator:
    """The mean over a node's group: the normalised clique of every group with self-loops, at the cost of one sum.

    Args:
        groups: Group of each node; -1 where it is unknown, such a node sees itself alone.
        like: A tensor whose device and type the operator has.
    """
    own = np.where(groups < 0, groups.max(initial=-1) + 1 + np.cumsum(groups < 0) - 1, groups)
    count = int(own.max(initial=-1)) + 1
    nodes = np.arange(len(own), dtype=np.int64)
    size = np.bincount(own, minlength=count)
    gather = sparse_operator(own, nodes, 1 / size[own], (count, len(own)), like)
    spread = sparse_operator(nodes, own, np.ones(len(own)), (len(own), count), like)
    return lambda x: spread(gather(x))


def _power(degree: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """A degree's power; zero for what has no neighbours, so that it gets nothing instead of infinity."""
    return np.where(degree > 0, np.maximum(degree, 1.0) ** exponent, 0.0)


def _csr(rows: IntArray, columns: IntArray, values: NDArray[Any], shape: tuple[int, int], like: Any) -> Any:
    import torch

    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    parts = (torch.from_numpy(starts), torch.from_numpy(np.ascontiguousarray(columns[order], np.int64)))
    entries = torch.from_numpy(np.ascontiguousarray(values[order], np.float64)).to(like.dtype)
    with warnings.catch_warnings():
        # torch says once that its compressed rows may still change; what is used of them is tested here.
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(*parts, entries, size=shape).to(like.device)


def _product() -> Any:
    """The product as a torch function: torch's own gradient of it would build the dense gradient of the matrix."""
    import torch

    class Product(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, matrix: Any, transposed: Any, x: Any) -> Any:
            context.transposed = transposed
            return matrix @ x

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            return None, None, context.transposed @ gradient.contiguous()

    return Product
