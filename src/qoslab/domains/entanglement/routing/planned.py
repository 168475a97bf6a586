"""Planned paths in common time slots: a path whose pairs all live is joined, in the order of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from qoslab.domains.entanglement.routing.pieces import Ends, Piece, joins_of, key_of, pieces_of
from qoslab.domains.entanglement.routing.view import ends_of
from qoslab.domains.entanglement.world import World, chain_of, links_of, world_of

__all__ = ["PlannedInSlots"]


@dataclass(frozen=True)
class PlannedInSlots:
    """A proactive method that is asked in every slot, like those that decide, and keeps to its plan.

    All swaps between two rounds of purification are done in one slot, so their order does not matter. Paths take
    turns, each at most as often per slot as it has memories on its narrowest hop. Pairs of links and segments are
    purified one round per slot, and swapped or used when they have had all; where paths want different things of the
    same pairs, they get most rounds, the oldest age and the longest wait.

    Attributes:
        method: The method whose plan it is.
        clear: Whether memories are emptied at the end of each slot.
    """

    method: Routing
    clear: bool = False

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """The method's plan.

        Raises:
            BadInput: It asks for what no path can have, for rounds of purification where no pair outlives its slot, of
                pairs that are users' own at once, or of segments over which there is a link, too.
        """
        plan = self.method.plan(view, rng, context)
        world = world_of(view)
        for path in plan.paths:
            links = links_of(world, path)
            chain_of(world, path, links, [view.pairs[link] for link in links])
            self._refuse_mixed(world, path)
        users = {frozenset(each) for each in ends_of(view)}
        whole = {
            key_of(path.nodes[each.first], path.nodes[each.last])
            for path in plan.paths
            for each in path.segments
            if each.last - each.first == len(path.nodes) - 1
        }
        for ends, piece in pieces_of(plan.paths).items():
            if piece.rounds and self.clear:
                message = "the plan purifies one round in each slot, at whose end memories are emptied"
                raise BadInput(Problem(message=message, field="scenario.phases.clear"))
            if piece.rounds and frozenset(ends) in users and ends not in whole:
                names = [view.network.nodes[node] for node in ends]
                message = f"the plan purifies pairs of {names}, and in slots users take theirs as they are"
                raise BadInput(Problem(message=message, field="scenario.phases.for_all"))
        return plan

    def _refuse_mixed(self, world: World, path: PathPlan) -> None:
        """Refuse a segment whose pairs cannot be told from a link's."""
        for each in path.segments:
            ends = key_of(path.nodes[each.first], path.nodes[each.last])
            if ends in world.index:
                names = [world.network.nodes[node] for node in ends]
                message = (
                    f"the plan purifies joined pairs of {names}, and slots do not tell them from their link's"
                )
                raise BadInput(Problem(message=message, field="scenario.phases.for_all"))

    def pieces(self, paths: Sequence[PathPlan]) -> dict[Ends, Piece]:
        """What the installed paths want of pairs, by their ends."""
        return pieces_of(paths)

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap | Purify]:  # noqa: ARG002
        """The swaps of all paths that live, and a round for pairs that have not had all."""
        wanted, impure = pieces_of(view.installed), dict[Ends, list[LivePair]]()
        for pair in view.live:
            key = key_of(pair.first, pair.second)
            piece = wanted.get(key)
            if piece is not None and not piece.is_pure(pair.rounds, pair.fidelity):
                impure.setdefault(key, []).append(pair)
        waiting = {pair.ident for pairs in impure.values() for pair in pairs}
        orders = [
            order for key, pairs in impure.items() for order in _rounds(pairs, wanted[key].purification)
        ]
        graph = LiveGraph(view, [pair for pair in view.live if pair.ident not in waiting])
        joins = [(path, nodes) for path in view.installed for nodes in joins_of(path)]
        left = [min(path.width, default=len(view.live)) for path, _ in joins]
        swaps: list[Swap] = []
        served = True
        while served:
            served = False
            for place, (path, nodes) in enumerate(joins):
                if left[place] > 0 and graph.seen(nodes) is not None:
                    swaps += swaps_of(graph.taken(nodes), path.request)
                    left[place] -= 1
                    served = True
        return [*orders, *swaps]


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
