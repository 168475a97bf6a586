"""Which memories try which links, before anything is entangled: a linear programme and its progressive rounding.

A memory pair of link e has a pair after a slot with probability p_e, so x_e of them carry an expected flow of p_e x_e.
Paths P of value v_P that carry y_P each are chosen with the memories that they need:

    max  sum_P v_P y_P   s.t.  sum_(P over e) y_P <= p_e x_e,   x_e <= c_e,   sum_(e at v) x_e <= m_v.

At the optimum x_e need be no more than its load over p_e, so y alone is varied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.view import most_memories

__all__ = ["Stock", "flow_value", "provisioned", "refuse_memories"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_WHOLE = 1e-7


class Stock(NamedTuple):
    """What there is to give.

    Attributes:
        loads: Whether each path uses each link, 0 or 1, shape (links, paths).
        values: What a pair over each path is worth, shape (paths,), not negative.
        success: Probability that a memory pair of each link has a pair after a slot, above 0, shape (links,).
        link: Most memory pairs of each link, shape (links,).
        at: Whether each link ends at each node, 0 or 1, shape (nodes, links).
        node: Memories of each node, shape (nodes,).
    """

    loads: IntArray
    values: FloatArray
    success: FloatArray
    link: IntArray
    at: IntArray
    node: IntArray


def flow_value(stock: Stock, memories: IntArray | None = None) -> float:
    """The largest expected value of all flows: with the best fractional memories, or with given ones.

    Args:
        stock: What there is.
        memories: Memory pairs of each link, within what nodes have, shape (links,); the best fractions if left out.
    """
    if memories is None:
        return _solved(stock, {})[0]
    return _solved(stock, dict(enumerate(memories.tolist())))[0]


def provisioned(stock: Stock) -> IntArray:
    """Whole memories of each link that may try, shape (links,).

    The fractional link next to its next whole number is rounded to the one of its two neighbours that leaves the
    larger programme, the higher one in case of a tie, and the programme is solved again, until all are whole.
    Memories that are left go one by one to the link whose memories are loaded most, to make up for attempts that
    fail, among equals to that of fewest. A link that no path uses gets none.
    """
    useful: NDArray[np.bool_] = stock.loads.sum(axis=1) > 0
    if (stock.at @ stock.link <= stock.node).all():
        return np.where(useful, stock.link, 0)
    fixed: dict[int, int] = {}
    wanted = _solved(stock, fixed)[1]
    while (link := _most_fractional(wanted, fixed)) is not None:
        low = int(wanted[link])
        tried = [{**fixed, link: whole} for whole in (low + 1, low)]
        solved = [(_solved(stock, each), each) for each in tried if _fits(stock, each)]
        # Of equal values the first, which is the higher number where that fits.
        (_, wanted), fixed = max(solved, key=lambda each: round(each[0][0], 9))
    memories: IntArray = np.rint(wanted).astype(np.int64)
    memories[list(fixed)] = list(fixed.values())
    return _topped_up(stock, memories, useful)


def _solved(stock: Stock, fixed: dict[int, int]) -> tuple[float, FloatArray]:
    """The largest value with some links' memories fixed, and the memories that each other link needs for it."""
    from scipy.optimize import linprog

    if not len(stock.values):
        return 0.0, np.zeros(len(stock.link))
    needs = stock.loads / stock.success[:, None]
    limits = stock.link.astype(np.float64)
    held = np.zeros(len(stock.link))
    for link, whole in fixed.items():
        limits[link] = held[link] = whole
    free = needs.copy()
    free[list(fixed)] = 0.0
    done = linprog(
        -stock.values,
        A_ub=np.vstack([needs, stock.at @ free]),
        b_ub=np.concatenate([limits, stock.node - stock.at @ held]),
        method="highs-ds",
    )
    return float(stock.values @ done.x), np.asarray(needs @ done.x)


def _most_fractional(wanted: FloatArray, fixed: dict[int, int]) -> int | None:
    """The link that lacks least to its next whole number; None where all are whole or fixed."""
    found, least = None, 1.0 - _WHOLE
    for link, each in enumerate(wanted.tolist()):
        lack = np.ceil(each - _WHOLE) - each
        if link not in fixed and _WHOLE < lack < least:
            found, least = link, lack
    return found


def _fits(stock: Stock, fixed: dict[int, int]) -> bool:
    held = np.zeros(len(stock.link), np.int64)
    held[list(fixed)] = list(fixed.values())
    return bool((held <= stock.link).all() and (stock.at @ held <= stock.node).all())


def _topped_up(stock: Stock, memories: IntArray, useful: NDArray[np.bool_]) -> IntArray:
    """The same with what is left of nodes' and links' memories."""
    needs = _solved(stock, dict(enumerate(memories.tolist())))[1]
    left = stock.node - stock.at @ memories
    while True:
        room = useful & (memories < stock.link) & ((stock.at.T @ (left < 1)) == 0)
        if not room.any():
            return memories
        strain = np.where(room, needs / np.maximum(memories, 1), -1.0)
        link = int(np.lexsort((memories, -strain))[0])
        memories[link] += 1
        left = left - stock.at[:, link]


def refuse_memories(view: View, memories: Sequence[int]) -> None:
    """Refuse memories of links that these, or the totals of their nodes, do not have.

    Args:
        view: The network.
        memories: Pairs of memories of each link, in the order of the network's links.

    Raises:
        BadInput: They are not as many as links, or too many at one.
    """
    most = most_memories(view)
    if len(memories) != len(most) or not all(
        0 <= some <= limit for some, limit in zip(memories, most, strict=True)
    ):
        message = f"memories of the links are {list(memories)}, where links have {most}"
        raise BadInput(Problem(message=message, field="plan.memories"))
    network, used = view.network, np.zeros(view.network.n, np.int64)
    np.add.at(used, network.tail, memories)
    np.add.at(used, network.head, memories)
    for node, hardware in enumerate(view.hardware):
        if hardware.memories is not None and used[node] > hardware.memories:
            message = (
                f"links of {network.nodes[node]!r} use {used[node]} memories, and it has {hardware.memories}"
            )
            raise BadInput(Problem(message=message, field="plan.memories"))
