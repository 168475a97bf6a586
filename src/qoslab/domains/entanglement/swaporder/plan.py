"""Plan a path's swap order: every way of ordering, side by side, judged by the exact distribution."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.swaporder.dynamic import Order, interval_orders
from qoslab.domains.entanglement.swaporder.enumeration import exact_orders, exhaustive, greedy
from qoslab.domains.entanglement.swaporder.exact import Batch, evaluate
from qoslab.domains.entanglement.swaporder.path import Goal, SwapPath
from qoslab.domains.entanglement.swaporder.timing import fastest, latest, ready_s
from qoslab.domains.entanglement.swaporder.tree import (
    balanced,
    from_sequence,
    left_to_right,
    ranks,
    right_to_left,
)
from qoslab.domains.entanglement.swaporder.value import worth

__all__ = ["ALGORITHMS", "Algorithm", "Plan", "assess", "from_ranks", "plan"]

FloatArray = NDArray[np.float64]
Algorithm = Literal[
    "interval", "greedy", "balanced", "balanced_mirrored", "left_to_right", "right_to_left", "exhaustive"
]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)

_SHORT = 12
"""Repeaters up to which whole distributions are kept; longer paths go by tails, joined many at once."""
_TIMES = 8
"""How many times by which all may be joined are tried."""
_SMALL = 400
"""Attempts per link beyond which moments are used, and are good."""


@dataclass(frozen=True)
class Plan:
    """An order and what it gives.

    Attributes:
        algorithm: How it was found.
        order: Tree and purifications.
        ranks: Rank of every node, ends included: equal ranks swap together.
        pairs: Mean end-to-end pairs in a slot, exact in the batch model.
        fidelity: Their fidelity.
        value: `pairs` times what one of them counts for.
    """

    algorithm: str
    order: Order
    ranks: list[int]
    pairs: float
    fidelity: float
    value: float


def plan(path: SwapPath, algorithm: Algorithm = "interval", goal: Goal | None = None) -> Plan:
    """The order that an algorithm finds.

    Args:
        path: The path.
        algorithm: `interval` is dynamic programming with Pareto sets; `exhaustive` tries all trees.
        goal: What end-to-end pairs count for; every pair counts for 1 where not given.

    Raises:
        BadInput: There is no such algorithm, or the path is too long for `exhaustive`.
    """
    wanted = goal or Goal()
    links = len(path.links)
    if algorithm == "interval":
        return _best_interval(path, wanted)
    if algorithm == "exhaustive":
        return assess(path, exhaustive(path, wanted), wanted, algorithm)
    if algorithm == "greedy":
        return assess(path, Order(greedy(path, wanted)), wanted, algorithm)
    fixed = {
        "balanced": balanced,
        "balanced_mirrored": lambda n: balanced(n, mirrored=True),
        "left_to_right": left_to_right,
        "right_to_left": right_to_left,
    }
    if algorithm not in fixed:
        message = f"there is no way to order swaps that is called {algorithm!r}"
        raise BadInput(Problem(message=message, field="algorithm", hint="known: " + ", ".join(ALGORITHMS)))
    return assess(path, Order(fixed[algorithm](links)), wanted, algorithm)


def assess(path: SwapPath, order: Order, goal: Goal, name: str = "given") -> Plan:
    """What an order gives, by its exact distribution, with the attempts that its swaps leave time for."""
    rounds = dict(order.rounds)
    used = path if path.slot_s is None else path.within(ready_s(path, order.tree, rounds))
    batch: Batch = evaluate(used, order.tree, rounds)
    return Plan(
        algorithm=name,
        order=order,
        ranks=ranks(order.tree, len(path.links)),
        pairs=batch.mean,
        fidelity=(3 * batch.werner + 1) / 4,
        value=batch.mean * worth(batch.werner, goal),
    )


def _best_interval(path: SwapPath, goal: Goal) -> Plan:
    """The best of the orders that the programme keeps, by the exact distribution."""
    orders = _kept(path, goal) if path.slot_s is None else _kept_in_time(path, goal)
    tried = [assess(path, order, goal, "interval") for order in orders]
    return max(tried, key=lambda found: found.value)


def _kept(path: SwapPath, goal: Goal, latest_s: FloatArray | None = None) -> list[Order]:
    """The orders that the programme keeps, of those that are ready in time."""
    small = max(link.attempts for link in path.links) <= _SMALL
    wanted, rounds = (_colourless(path), 0) if goal.blind else (path, goal.purification_rounds)
    # Time is one more thing by which ways differ.
    more = 1 if path.slot_s is None else 3
    if small and path.repeaters <= _SHORT:
        limit = 4 * more if goal.blind else 12
        return exact_orders(wanted, rounds=rounds, limit=limit, latest=latest_s)
    limit = 2 * more if goal.blind else 8
    return interval_orders(wanted, rounds=rounds, limit=limit, tails=small and not rounds, latest=latest_s)


def _kept_in_time(path: SwapPath, goal: Goal) -> list[Order]:
    """The orders that the programme keeps for several times by which all must be joined, and the fastest of all.

    The later that may be, the freer is the order, and the fewer attempts are left.
    """
    tree, soonest = fastest(path)
    least_s = float(soonest[0, len(path.links)])
    found = [Order(tree)]
    if not max(link.attempts for link in path.within(least_s).links):
        return found
    free = _kept(path.within(least_s), goal)
    most_s = ready_s(path, free[0].tree, dict(free[0].rounds))
    for whole_s in _times(path, least_s, max(least_s, most_s)):
        if max(link.attempts for link in path.within(whole_s).links):
            found += _kept(path.within(whole_s), goal, latest(path, soonest, whole_s))
    return list(dict.fromkeys([*found, *free]))


def _times(path: SwapPath, least_s: float, most_s: float) -> list[float]:
    """Times by which all may be joined: all there are where links and swaps are alike and news takes no time."""
    delays, starts = set(path.swap_delays_s), set(path.first_s)
    news = path.herald_s_per_km * path.places_km[-1]
    if len(delays) == 1 and max(delays) and len(starts) < 2 and not news:
        levels = round((most_s - least_s) / max(delays))
        if levels < _TIMES:
            return [least_s + level * max(delays) for level in range(levels + 1)]
    return [float(each) for each in np.linspace(least_s, most_s, _TIMES)]


def _colourless(path: SwapPath) -> SwapPath:
    """The path with perfect pairs, whose fidelity then keeps nothing in a Pareto set."""
    links = tuple(replace(link, werner=1.0) for link in path.links)
    return replace(path, links=links, gate=1.0, decay_per_s=0.0)


def from_ranks(given: list[int]) -> Order:
    """The order that ranks of all nodes state: lower ranks swap first, equal ones from the left."""
    repeaters = sorted(range(1, len(given) - 1), key=lambda node: (given[node], node))
    return Order(from_sequence(repeaters, len(given) - 1))
