"""Planned paths in common time slots: a path whose pairs all live is joined, in the order of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.protocol import Plan, Routing, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of

__all__ = ["PlannedInSlots"]


@dataclass(frozen=True)
class PlannedInSlots:
    """A proactive method that is asked in every slot, like those that decide, and keeps to its plan.

    All swaps of a path are done in one slot, so their order does not matter. Paths take turns, each at most as
    often per slot as it has memories on its narrowest hop.

    Attributes:
        method: The method whose plan it is.
    """

    method: Routing

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """The method's plan.

        Raises:
            BadInput: It asks for purification or cut-offs, which slots do not have.
        """
        plan = self.method.plan(view, rng, context)
        if any(
            any(path.rounds) or path.segments or path.wait_s or path.cutoff_s < float("inf")
            for path in plan.paths
        ):
            message = (
                "the plan asks for purification, a cut-off or a longest wait, and runs in slots have none"
            )
            raise BadInput(Problem(message=message, field="scenario.phases.for_all"))
        return plan

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of all paths that live."""
        graph, swaps = LiveGraph(view), []
        left = [min(path.width, default=len(view.live)) for path in view.installed]
        served = True
        while served:
            served = False
            for place, path in enumerate(view.installed):
                if left[place] > 0 and graph.seen(path.nodes) is not None:
                    swaps += swaps_of(graph.taken(path.nodes), path.request)
                    left[place] -= 1
                    served = True
        return swaps
