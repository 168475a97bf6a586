"""Searches over exact distributions: all trees of a short path, greedy, and a Pareto set where pairs are few."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.swaporder.dynamic import Order
from qoslab.domains.entanglement.swaporder.exact import (
    Batch,
    FloatArray,
    evaluate,
    join,
    link_batch,
    purified,
)
from qoslab.domains.entanglement.swaporder.front import front
from qoslab.domains.entanglement.swaporder.path import Goal, SwapPath
from qoslab.domains.entanglement.swaporder.tree import Tree, from_sequence
from qoslab.domains.entanglement.swaporder.value import worth

__all__ = ["MOST_REPEATERS", "exact_orders", "exhaustive", "greedy"]

MOST_REPEATERS = 9
"""Trees of longer paths are not enumerated: 9 repeaters have 4862 trees, 15 have 9.7 million."""

_Way = tuple[Order, Batch]


def exhaustive(path: SwapPath, goal: Goal) -> Order:
    """The best of all trees, and of all purifications, by the exact mean.

    Raises:
        BadInput: The path has more than 9 repeaters, or more than 3 where segments may be purified.
    """
    most = MOST_REPEATERS if goal.purification_rounds == 0 else 3
    if path.repeaters > most:
        message = f"{path.repeaters} repeaters are too many to try all orders: at most {most}"
        raise BadInput(Problem(message=message, field="link", hint="use the interval programme"))
    ways = _ways(path, goal.purification_rounds, lambda _, found: found)
    if path.slot_s is None:
        return max(ways, key=lambda way: way[1].mean * worth(way[1].werner, goal))[0]
    best, found = -1.0, ways[0][0]
    # More attempts are never worse, so the value in a slot whose swaps take no time bounds the true one.
    for order, batch in sorted(ways, key=lambda way: -way[1].mean * worth(way[1].werner, goal)):
        price = worth(batch.werner, goal)
        if batch.mean * price <= best:
            break
        value = evaluate(path.within(batch.ready_s), order.tree, dict(order.rounds)).mean * price
        if value > best:
            best, found = value, order
    return found


def exact_orders(
    path: SwapPath, *, rounds: int = 0, limit: int = 4, latest: FloatArray | None = None
) -> list[Order]:
    """The interval programme on exact distributions: for capacities at which moments mislead.

    Args:
        path: The path.
        rounds: Most rounds of purification of a segment.
        limit: How many ways are kept per segment.
        latest: By when each segment must be ready, s, see `timing`; any time where not given.
    """

    def keep(ends: tuple[int, int], made: list[_Way]) -> list[_Way]:
        found = made if latest is None else [way for way in made if way[1].ready_s <= latest[ends]]
        if not found:
            return []
        batches = [way[1] for way in found]
        columns = (
            np.array([[batch.mean for batch in batches]]),
            np.array([[batch.variance for batch in batches]]),
            np.array([[batch.werner for batch in batches]]),
            np.array([[batch.ready_s for batch in batches]]),
        )
        return [found[place] for place in front(columns, limit)[0] if place >= 0]

    return [order for order, _ in _ways(path, rounds, keep)]


def _ways(
    path: SwapPath, rounds: int, keep: Callable[[tuple[int, int], list[_Way]], list[_Way]]
) -> list[_Way]:
    """The ways of making the whole path, where `keep` says which ways of a segment go on."""
    n = len(path.links)
    table: dict[tuple[int, int], list[_Way]] = {}
    for length in range(1, n + 1):
        for i in range(n - length + 1):
            j = i + length
            made = [_link(path, i)] if length == 1 else _joined(path, table, i, j)
            table[i, j] = keep((i, j), _purifications(path, i, j, made, rounds))
    return table[0, n]


def _link(path: SwapPath, i: int) -> _Way:
    return Order(None), link_batch(path.links[i], float(path.start_s[i]))


def _joined(path: SwapPath, table: dict[tuple[int, int], list[_Way]], i: int, j: int) -> list[_Way]:
    return [
        (Order((a.tree, k, b.tree), a.rounds + b.rounds), join(path, i, k, j, left, right))
        for k in range(i + 1, j)
        for a, left in table[i, k]
        for b, right in table[k, j]
    ]


def _purifications(path: SwapPath, i: int, j: int, ways: list[_Way], rounds: int) -> list[_Way]:
    found = list(ways)
    for order, batch in ways:
        for count in range(1, rounds + 1):
            batch = purified(path, i, j, batch)
            found.append((Order(order.tree, (*order.rounds, ((i, j), count))), batch))
    return found


def greedy(path: SwapPath, goal: Goal) -> Tree | None:
    """Repeatedly swap where most comes out, ties to the left; the two neighbours are scored again.

    The score of a repeater is the mean number of pairs after its swap, times what a pair is worth where the goal
    looks at fidelity and such a pair is worth anything yet.
    """
    segments = [(i, i + 1, _link(path, i)[1]) for i in range(len(path.links))]
    order = []
    while len(segments) > 1:
        results = [join(path, a[0], a[1], b[1], a[2], b[2]) for a, b in pairwise(segments)]
        best = int(np.argmax([_score(batch, goal) for batch in results]))
        order.append(segments[best][1])
        segments[best : best + 2] = [(segments[best][0], segments[best + 1][1], results[best])]
    return from_sequence(order, len(path.links))


def _score(batch: Batch, goal: Goal) -> float:
    return batch.mean * (worth(batch.werner, goal) or 1e-9 * batch.werner)
