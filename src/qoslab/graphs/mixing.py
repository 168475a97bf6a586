"""Mixing matrices: how much weight each node puts on what it hears from its neighbours.

`W[i, j]` is the weight that node i puts on node j, so that one round is `x <- W @ x`. Where `hears` is `in`, node i
hears j along an arc j -> i, as in a network that carries messages; where it is `out`, along an arc i -> j, as in a
graph of who follows whom. Every matrix is a `scipy.sparse.csr_array` of shape (n, n) with sorted indices and every
diagonal entry stored.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import adjacency, component_labels
from qoslab.graphs.csr import FloatArray, IntArray
from qoslab.graphs.network import Network

__all__ = [
    "Hears",
    "Shares",
    "best_constant",
    "column_stochastic",
    "doubly_stochastic",
    "laplacian",
    "lazy",
    "max_degree",
    "metropolis",
    "row_stochastic",
    "sinkhorn",
]

Hears = Literal["in", "out"]
Shares = Literal["uniform", "weight", "random"]
"""How a node divides its weight: equally, by the links' weights, or at random."""


def _undirected(network: Network, what: str) -> None:
    if network.directed:
        message = f"{what} weights need an undirected network; {network.name!r} is directed"
        hint = "row_stochastic, column_stochastic and doubly_stochastic take digraphs"
        raise BadInput(Problem(message=message, field="mixing", hint=hint))


def _matrix(rows: IntArray, columns: IntArray, values: FloatArray, diagonal: FloatArray) -> Any:
    from scipy.sparse import coo_array

    n = len(diagonal)
    nodes = np.arange(n)
    ends = np.append(rows, nodes), np.append(columns, nodes)
    # Through coo, the diagonal is stored even where it is zero.
    matrix = coo_array((np.append(values, diagonal), ends), shape=(n, n)).tocsr()
    matrix.sort_indices()
    return matrix


def _symmetric(network: Network, by_arc: FloatArray) -> Any:
    arcs = network.arcs
    diagonal: FloatArray = (1.0 - np.bincount(arcs.tails, by_arc, network.n)).astype(np.float64)
    return _matrix(arcs.tails, arcs.heads, by_arc, diagonal)


def metropolis(network: Network) -> Any:
    """Metropolis weights 1 / (1 + max(deg i, deg j)): doubly stochastic (Xiao, Boyd and Lall, IPSN 2005).

    Raises:
        BadInput: The network is directed.
    """
    _undirected(network, "Metropolis")
    arcs, degree = network.arcs, network.out_degree
    larger = np.maximum(degree[arcs.tails], degree[arcs.heads])
    return _symmetric(network, (1.0 / (1.0 + larger)).astype(np.float64))


def max_degree(network: Network) -> Any:
    """Equal weights 1 / (1 + largest degree) on every link: doubly stochastic.

    Raises:
        BadInput: The network is directed.
    """
    _undirected(network, "maximum-degree")
    weight = 1.0 / (1.0 + float(network.out_degree.max(initial=0)))
    return _symmetric(network, np.full(len(network.arcs.heads), weight))


def best_constant(network: Network) -> Any:
    """The equal weights of fastest mixing, 2 / (l_2 + l_n) of the Laplacian (Xiao and Boyd, SCL 53, 2004).

    Rows and columns sum to 1; the diagonal may be negative.

    Raises:
        BadInput: The network is directed or not connected.
    """
    _undirected(network, "best constant")
    if network.n == 1:
        return _symmetric(network, np.empty(0))
    values = np.linalg.eigvalsh(laplacian(network).toarray())
    if values[1] <= 1e-9 * max(values[-1], 1.0):
        raise BadInput(Problem(message=f"network {network.name!r} is not connected", field="mixing"))
    return _symmetric(network, np.full(len(network.arcs.heads), 2.0 / (values[1] + values[-1])))


def laplacian(network: Network, weight: FloatArray | None = None) -> Any:
    """The Laplacian `diag(A 1) - A` of the out-adjacency, weighted by link where `weight` of shape (m,) is given."""
    arcs = network.arcs
    by_arc = np.ones(len(arcs.heads)) if weight is None else np.asarray(weight, np.float64)[arcs.link]
    return _matrix(
        arcs.tails, arcs.heads, -by_arc, np.bincount(arcs.tails, by_arc, network.n).astype(np.float64)
    )


def lazy(matrix: Any, stay: float = 0.5) -> Any:
    """`stay I + (1 - stay) W`: aperiodic; where W is symmetric, no eigenvalue is below 2 stay - 1.

    Args:
        matrix: A mixing matrix.
        stay: Between 0 and 1.
    """
    from scipy.sparse import csr_array, eye_array

    if not 0 <= stay <= 1:
        raise BadInput(Problem(message=f"{stay:g} is not between 0 and 1", field="stay"))
    mixed = csr_array(stay * eye_array(matrix.shape[0]) + (1.0 - stay) * matrix)
    mixed.sort_indices()
    return mixed


def _shares(
    network: Network,
    owners: IntArray,
    shares: Shares,
    self_weight: float | None,
    rng: np.random.Generator | None,
) -> tuple[FloatArray, FloatArray]:
    """Each owner's weight of 1, divided among its arcs and itself: (by arc, diagonal)."""
    n, arcs = network.n, network.arcs
    if self_weight is not None and not 0 <= self_weight <= 1:
        raise BadInput(Problem(message=f"{self_weight:g} is not between 0 and 1", field="self_weight"))
    raw: FloatArray = np.ones(len(owners))
    own: FloatArray = np.ones(n)
    if shares == "weight":
        raw, own = network.weight[arcs.link], np.zeros(n)
        if (raw < 0).any():
            raise BadInput(Problem(message="a link has a negative weight", field="network.weight"))
    elif shares == "random":
        if rng is None:
            message = "random shares need a generator"
            raise ValueError(message)
        # Uniform on (0, 1]: no share vanishes, so the graph of the matrix is the network.
        raw, own = 1.0 - rng.random(len(owners)), 1.0 - rng.random(n)
    total: FloatArray = np.bincount(owners, raw, n).astype(np.float64)
    if self_weight is not None:
        raw, own = raw * (1.0 - self_weight), total * self_weight
    own = np.where(total > 0, own, 1.0)
    whole = np.bincount(owners, raw, n) + own
    return raw / whole[owners], own / whole


def row_stochastic(
    network: Network,
    *,
    hears: Hears = "in",
    shares: Shares = "uniform",
    self_weight: float | None = None,
    rng: np.random.Generator | None = None,
) -> Any:
    """Weights that each node chooses for what it hears; rows sum to 1.

    Args:
        network: Any network.
        hears: Whom a node hears; see the module.
        shares: Uniform: 1 / (1 + number heard), which a node can do alone; by the links' weights, without a
            share for itself unless `self_weight` asks for one; or at random.
        self_weight: Weight that each node keeps for itself; a node that hears nobody keeps 1.
        rng: For random shares.

    Raises:
        BadInput: A negative link weight, or a self weight outside 0..1.
    """
    arcs = network.arcs
    rows, columns = (arcs.heads, arcs.tails) if hears == "in" else (arcs.tails, arcs.heads)
    return _matrix(rows, columns, *_shares(network, rows, shares, self_weight, rng))


def column_stochastic(
    network: Network,
    *,
    hears: Hears = "in",
    shares: Shares = "uniform",
    self_weight: float | None = None,
    rng: np.random.Generator | None = None,
) -> Any:
    """Weights by which each node divides what it says among those who hear it and itself; columns sum to 1.

    Args and errors as for `row_stochastic`, with 1 / (1 + number of hearers) for uniform shares.
    """
    arcs = network.arcs
    rows, columns = (arcs.heads, arcs.tails) if hears == "in" else (arcs.tails, arcs.heads)
    return _matrix(rows, columns, *_shares(network, columns, shares, self_weight, rng))


def doubly_stochastic(network: Network, *, hears: Hears = "in") -> Any:
    """Doubly stochastic weights on a digraph, by Sinkhorn scaling of its adjacency with self loops.

    They exist, positive on every arc, where every arc lies on a cycle: every piece is strongly connected.

    Raises:
        BadInput: Some piece of the network is not strongly connected.
    """
    weak, strong = component_labels(network), component_labels(network, strong=True)
    if int(weak.max(initial=-1)) != int(strong.max(initial=-1)):
        arcs = network.arcs
        at = int(np.flatnonzero(strong[arcs.tails] != strong[arcs.heads])[0])
        message = f"no doubly stochastic matrix has weight on {network.link_name(int(arcs.link[at]))}: "
        message += "there is no way back"
        hint = "component = 'largest_strong', or row- or column-stochastic weights"
        raise BadInput(Problem(message=message, field="mixing", hint=hint))
    matrix = adjacency(network)
    return sinkhorn(_with_diagonal(matrix.T.tocsr() if hears == "in" else matrix))


def _with_diagonal(matrix: Any) -> Any:
    from scipy.sparse import csr_array, eye_array

    return csr_array(matrix + eye_array(matrix.shape[0]))


def sinkhorn(matrix: Any, *, tolerance: float = 1e-13, rounds: int = 100_000) -> Any:
    """Scale rows and columns of a nonnegative matrix until all sum to 1 (Sinkhorn and Knopp, PJM 21, 1967).

    Args:
        matrix: Sparse or dense, square, nonnegative.
        tolerance: Largest deviation of a row's sum from 1 at the end; columns are exact to rounding.
        rounds: Give up after this many.

    Raises:
        BadInput: A negative entry, an empty row or column, or no convergence, as where some entry is on no
            positive diagonal (no total support).
    """
    from scipy.sparse import csr_array, diags_array

    base = csr_array(matrix, dtype=np.float64)
    base.sort_indices()
    if base.shape[0] != base.shape[1] or not np.isfinite(base.data).all() or (base.data < 0).any():
        raise BadInput(
            Problem(message="needs a square matrix of finite nonnegative numbers", field="sinkhorn")
        )
    if (base.sum(axis=0) == 0).any() or (base.sum(axis=1) == 0).any():
        raise BadInput(Problem(message="a row or column without a positive entry", field="sinkhorn"))
    transposed = base.T.tocsr()
    column = np.ones(base.shape[0])
    for _ in range(rounds):
        row = 1.0 / (base @ column)
        column = 1.0 / (transposed @ row)
        if np.abs(row * (base @ column) - 1.0).max() <= tolerance:
            scaled = csr_array(diags_array(row) @ base @ diags_array(column))
            scaled.sort_indices()
            return scaled
        if not np.isfinite(column).all():
            break
    message = f"does not converge in {rounds} rounds: some entry may lie on no positive diagonal"
    raise BadInput(Problem(message=message, field="sinkhorn"))
