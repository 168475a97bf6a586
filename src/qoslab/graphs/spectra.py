"""Eigenvalues and Perron vectors of networks and mixing matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import adjacency
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.network import Network

__all__ = ["perron", "second_eigenvalue", "spectral_gap", "spectral_radius"]

_DENSE = 600
"""Up to here LAPACK's dense solvers are both exact and fast; above it ARPACK's."""


def _largest(matrix: Any, count: int) -> FloatArray:
    """Moduli of the `count` eigenvalues of largest modulus, falling."""
    from scipy.sparse import csr_array

    sparse = csr_array(matrix)
    n = sparse.shape[0]
    if n <= max(_DENSE, count + 2):
        values = np.linalg.eigvals(sparse.toarray())
    else:
        from scipy.sparse.linalg import eigs

        # A fixed start makes the iteration, and so its last digits, the same each time. It must not be the
        # vector of ones: of a stochastic matrix that is an eigenvector, and the iteration would end there.
        start = np.random.default_rng(0).random(n)
        values = eigs(sparse, k=count, which="LM", v0=start, return_eigenvectors=False, maxiter=100 * n)
    moduli: FloatArray = np.sort(np.abs(values))[::-1][:count]
    return moduli


def spectral_radius(matrix: Any) -> float:
    """Largest modulus of an eigenvalue.

    Args:
        matrix: A network (its unweighted adjacency is meant), or a square matrix, sparse or dense.
    """
    found = adjacency(matrix) if isinstance(matrix, Network) else matrix
    return float(_largest(found, 1)[0]) if found.shape[0] else 0.0


def second_eigenvalue(matrix: Any) -> float:
    """Second largest modulus of an eigenvalue, counted with multiplicity: the rate of averaging by a mixing matrix.

    1 where its graph has several closed classes or is periodic; 0 for a single node.
    """
    return float(_largest(matrix, 2)[1]) if matrix.shape[0] > 1 else 0.0


def spectral_gap(matrix: Any) -> float:
    """1 minus `second_eigenvalue`."""
    return 1.0 - second_eigenvalue(matrix)


def perron(matrix: Any) -> FloatArray:
    """Left Perron vector of a row-stochastic matrix: `pi @ W = pi`, positive, with sum 1, shape (n,).

    Of a column-stochastic matrix take `perron(W.T)`: its right Perron vector. Small chains are solved by the
    elimination of Grassmann, Taksar and Heyman (Oper. Res. 33, 1985), which subtracts nothing and keeps small
    entries to full relative precision.

    Raises:
        BadInput: The matrix is not row-stochastic, or its graph not strongly connected.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    chain = csr_array(matrix, dtype=np.float64)
    if (chain.data < 0).any() or np.abs(chain.sum(axis=1) - 1.0).max(initial=0.0) > 1e-9:
        raise BadInput(Problem(message="needs a row-stochastic matrix", field="perron"))
    chain.eliminate_zeros()
    if connected_components(chain, directed=True, connection="strong", return_labels=False) != 1:
        message = "the graph of this matrix is not strongly connected: its Perron vector is not unique"
        raise BadInput(Problem(message=message, field="perron"))
    return _eliminated(chain.toarray()) if chain.shape[0] <= _DENSE else _solved(chain)


def _eliminated(p: FloatArray) -> FloatArray:
    n = len(p)
    for k in range(n - 1, 0, -1):
        p[:k, k] /= p[k, :k].sum()
        p[:k, :k] += np.outer(p[:k, k], p[k, :k])
    pi: FloatArray = np.ones(n)
    for k in range(1, n):
        pi[k] = pi[:k] @ p[:k, k]
    return np.asarray(pi / pi.sum(), np.float64)


def _solved(chain: Any) -> FloatArray:
    from scipy.sparse import csc_array, eye_array
    from scipy.sparse.linalg import spsolve

    # With the first entry set to 1, the other equations of pi (I - W) = 0 determine the rest.
    system = csc_array((eye_array(chain.shape[0]) - chain).T)
    rest = spsolve(system[1:, 1:], -system[1:, [0]].toarray().ravel())
    pi = np.append(1.0, np.maximum(rest, 0.0))
    return np.asarray(pi / pi.sum(), np.float64)
