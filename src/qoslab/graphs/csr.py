"""Compressed arc arrays: what compiled kernels and path searches walk on.

An arc is a direction in which a link can be used: a directed link has one arc, an undirected link two.
Arcs are sorted by (tail, head): the same network gives the same arrays whatever the order of its file.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arcs", "FloatArray", "Incoming", "IntArray", "compile_arcs", "incoming_arcs"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Arcs(NamedTuple):
    """Arcs by tail; the arcs out of node `v` are `indptr[v]:indptr[v + 1]`.

    Attributes:
        indptr: Start of each node's arcs, shape (n + 1,).
        heads: Node an arc leads to, shape (a,).
        tails: Node an arc leaves, shape (a,).
        link: Index of the link an arc belongs to, shape (a,).
        twin: The arc of the same link in the other direction, -1 for a directed link, shape (a,).
    """

    indptr: IntArray
    heads: IntArray
    tails: IntArray
    link: IntArray
    twin: IntArray


class Incoming(NamedTuple):
    """Arcs by head; the arcs into node `v` are `arc[indptr[v]:indptr[v + 1]]`, by rising tail.

    Attributes:
        indptr: Start of each node's incoming arcs, shape (n + 1,).
        tails: Node an incoming arc leaves, shape (a,).
        arc: Its index in `Arcs`, shape (a,).
    """

    indptr: IntArray
    tails: IntArray
    arc: IntArray


def _freeze(*arrays: IntArray) -> None:
    for array in arrays:
        array.flags.writeable = False


def _starts(nodes: IntArray, n: int) -> IntArray:
    indptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(nodes, minlength=n), out=indptr[1:])
    return indptr


def compile_arcs(n: int, tail: IntArray, head: IntArray, *, directed: bool) -> Arcs:
    """The arcs of a list of links.

    Args:
        n: Number of nodes.
        tail: First end of each link, shape (m,).
        head: Second end of each link, shape (m,).
        directed: Whether a link can be used from tail to head only.

    Returns:
        Read-only arrays.
    """
    m = len(tail)
    tails = tail if directed else np.concatenate([tail, head])
    heads = head if directed else np.concatenate([head, tail])
    link = np.arange(m) if directed else np.tile(np.arange(m), 2)
    order = np.lexsort((heads, tails))
    twin = np.full(len(order), -1, np.int64)
    if not directed:
        place = np.empty(2 * m, np.int64)
        place[order] = np.arange(2 * m)
        twin[place[:m]], twin[place[m:]] = place[m:], place[:m]
    arcs = Arcs(_starts(tails, n), heads[order], tails[order], link[order], twin)
    _freeze(*arcs)
    return arcs


def incoming_arcs(arcs: Arcs) -> Incoming:
    """The same arcs sorted by (head, tail): the reverse index."""
    order = np.lexsort((arcs.tails, arcs.heads)).astype(np.int64)
    found = Incoming(_starts(arcs.heads, len(arcs.indptr) - 1), arcs.tails[order], order)
    _freeze(*found)
    return found
