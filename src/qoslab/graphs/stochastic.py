"""Judging a mixing matrix that somebody brings along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.components import adjacency
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.mixing import Hears
from qoslab.graphs.network import Network

__all__ = ["Kind", "check_mixing"]

Kind = Literal["row", "column", "doubly"]
_SHOWN = 5


def _sums(matrix: Any, axis: int, tolerance: float, field: str) -> Iterator[Problem]:
    sums: FloatArray = np.asarray(matrix.sum(axis=axis)).ravel()
    what = "column" if axis == 0 else "row"
    wrong = np.flatnonzero(np.abs(sums - 1.0) > tolerance)
    for i in wrong[:_SHOWN]:
        message = f"{what} {i} sums to {sums[i]:.12g}, not to 1"
        hint = f"{len(wrong)} {what}s do not" if len(wrong) > _SHOWN and i == wrong[0] else None
        yield Problem(field=field, message=message, hint=hint)


def _support(matrix: Any, network: Network, hears: Hears, field: str) -> Iterator[Problem]:
    allowed = adjacency(network)
    allowed = (allowed.T if hears == "in" else allowed).tocsr()
    entries = matrix.tocoo()
    inside = (entries.row == entries.col) | (entries.data == 0)
    known = allowed.tocoo()
    pairs = known.row.astype(np.int64) * network.n + known.col
    inside |= np.isin(entries.row.astype(np.int64) * network.n + entries.col, pairs)
    for k in np.flatnonzero(~inside)[:_SHOWN]:
        i, j = network.labels[entries.row[k]], network.labels[entries.col[k]]
        message = f"{i!r} puts weight {entries.data[k]:.6g} on {j!r}, whom it does not hear"
        yield Problem(field=field, message=message)


def check_mixing(
    matrix: Any,
    kind: Kind,
    network: Network | None = None,
    *,
    hears: Hears = "in",
    tolerance: float = 1e-9,
    field: str = "mixing",
) -> Any:
    """A user's mixing matrix as a `csr_array`, if it is one.

    Args:
        matrix: Sparse or dense, square.
        kind: Whether rows, columns or both sum to 1.
        network: Weights may stand only on its arcs and on the diagonal.
        hears: Whom a node hears; see `qoslab.graphs.mixing`.
        tolerance: Largest deviation of a sum from 1.
        field: How errors call the matrix.

    Raises:
        BadInput: Everything wrong with it.
    """
    from scipy.sparse import csr_array

    try:
        found = csr_array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadInput(Problem(field=field, message="is no matrix of numbers")) from None
    n = found.shape[0] if network is None else network.n
    if found.ndim != 2 or found.shape != (n, n):
        raise BadInput(Problem(field=field, message=f"has the shape {found.shape}, not ({n}, {n})"))
    if not np.isfinite(found.data).all():
        raise BadInput(Problem(field=field, message="holds a number that is not finite"))
    problems: list[Problem] = []
    entries = found.tocoo()
    for k in np.flatnonzero(entries.data < 0)[:_SHOWN]:
        message = f"entry ({entries.row[k]}, {entries.col[k]}) is {entries.data[k]:g}, not 0 or more"
        problems.append(Problem(field=field, message=message))
    if kind != "column":
        problems += _sums(found, 1, tolerance, field)
    if kind != "row":
        problems += _sums(found, 0, tolerance, field)
    if network is not None:
        problems += _support(found, network, hears, field)
    if problems:
        raise BadInput(problems)
    found.sort_indices()
    return found
