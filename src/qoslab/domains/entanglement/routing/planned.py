"""Planned paths in common time slots: a path whose pairs all live is joined, in the order of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.protocol import (
    LivePair,
    PathPlan,
    Plan,
    Purification,
    Purify,
    Routing,
    Swap,
    View,
)
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.view import ends_of

__all__ = ["PlannedInSlots"]


@dataclass(frozen=True)
class PlannedInSlots:
    """A proactive method that is asked in every slot, like those that decide, and keeps to its plan.

    All swaps of a path are done in one slot, so their order does not matter. Paths take turns, each at most as
    often per slot as it has memories on its narrowest hop. A link's pairs are purified one round per slot, and swapped
    when they have had all; where paths want different numbers, the largest.

    Attributes:
        method: The method whose plan it is.
        clear: Whether memories are emptied at the end of each slot.
    """

    method: Routing
    clear: bool = False

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """The method's plan.

        Raises:
            BadInput: It asks for cut-offs, waits or segments, which slots do not have, or for rounds of purification
                where no pair outlives its slot or of pairs that are users' own at once.
        """
        plan = self.method.plan(view, rng, context)
        if any(path.segments or path.wait_s or path.cutoff_s < float("inf") for path in plan.paths):
            message = "the plan asks for purified segments, a cut-off or a longest wait, and runs in slots have none"
            raise BadInput(Problem(message=message, field="scenario.phases.for_all"))
        users = {frozenset(each) for each in ends_of(view)}
        for hop in _wanted(plan.paths):
            if self.clear:
                message = "the plan purifies one round in each slot, at whose end memories are emptied"
                raise BadInput(Problem(message=message, field="scenario.phases.clear"))
            if frozenset(hop) in users:
                names = [view.network.nodes[node] for node in hop]
                message = f"the plan purifies pairs of {names}, and in slots users take theirs as they are"
                raise BadInput(Problem(message=message, field="scenario.phases.for_all"))
        return plan

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap | Purify]:  # noqa: ARG002
        """The swaps of all paths that live, and a round for pairs that have not had all."""
        wanted, impure = _wanted(view.installed), dict[tuple[int, int], list[LivePair]]()
        for pair in view.live:
            key = min(pair.first, pair.second), max(pair.first, pair.second)
            path, rounds = wanted.get(key, (None, 0))
            if path is not None and pair.rounds < rounds and pair.fidelity < path.purification.enough:
                impure.setdefault(key, []).append(pair)
        waiting = {pair.ident for pairs in impure.values() for pair in pairs}
        orders = [
            order for key, pairs in impure.items() for order in _rounds(pairs, wanted[key][0].purification)
        ]
        graph = LiveGraph(view, [pair for pair in view.live if pair.ident not in waiting])
        swaps: list[Swap] = []
        left = [min(path.width, default=len(view.live)) for path in view.installed]
        served = True
        while served:
            served = False
            for place, path in enumerate(view.installed):
                if left[place] > 0 and graph.seen(path.nodes) is not None:
                    swaps += swaps_of(graph.taken(path.nodes), path.request)
                    left[place] -= 1
                    served = True
        return [*orders, *swaps]


def _wanted(paths: Sequence[PathPlan]) -> dict[tuple[int, int], tuple[PathPlan, int]]:
    """The path that wants most rounds of each link's pairs, and how many, by the link's nodes."""
    found: dict[tuple[int, int], tuple[PathPlan, int]] = {}
    for path in paths:
        for (a, b), rounds in zip(pairwise(path.nodes), path.rounds, strict=False):
            key = min(a, b), max(a, b)
            if rounds > found.get(key, (path, 0))[1]:
                found[key] = path, rounds
    return found


def _rounds(pairs: Sequence[LivePair], purification: Purification) -> list[Purify]:
    """One round of as many pairs as can be: two of equal rounds, or one with a fresh one."""
    left = sorted(pairs, key=lambda pair: (-pair.rounds, -pair.fidelity, pair.ident))
    found = []
    while len(left) > 1:
        kept = left.pop(0)
        if purification.schedule == "nested":
            mates = [pair for pair in left if pair.rounds == kept.rounds][:1]
        else:
            mates = [pair for pair in left if pair.rounds == 0][-1:]
        for mate in mates:
            left.remove(mate)
            found.append(Purify(kept.ident, mate.ident, purification.scheme))
    return found
