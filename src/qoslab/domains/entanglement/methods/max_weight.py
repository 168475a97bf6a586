"""Paths over live pairs by the largest sum of queue times success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, Swap, View
from qoslab.domains.entanglement.routing.live import max_weight_paths
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.view import ends_of, swap_successes

__all__ = ["CITATION", "MaxWeight"]

CITATION = """@article{vasantam2022throughput,
  author = {Vasantam, Thirupathaiah and Towsley, Don},
  title = {A Throughput Optimal Scheduling Policy for a Quantum Switch},
  journal = {Quantum Computing, Communication, and Simulation II},
  year = {2022}
}"""


@method(
    "entanglement",
    "max_weight",
    summary="in each slot the paths over live pairs with the largest sum of queue times success",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class MaxWeight:
    """The max-weight rule of switches on the k shortest paths of every request.

    A request's queue is what its waiting jobs want; without jobs what it wanted until now less what it got; one that
    wants as many as possible queues as many as pairs live.

    Attributes:
        paths: Paths per request that are looked at.
    """

    paths: Annotated[int, Field(ge=1, le=100)] = 3

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed."""
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of the paths that were chosen."""
        graph, network = LiveGraph(view), view.network
        ends = zip(network.tail.tolist(), network.head.tolist(), strict=True)
        live = np.array([graph.count(a, b) for a, b in ends], np.int64)
        queues = [self._queue(view, request) for request in range(len(view.requests))]
        chosen = max_weight_paths(network, live, ends_of(view), queues, swap_successes(view), self.paths)
        return [swap for request, nodes in chosen for swap in swaps_of(graph.taken(nodes), request)]

    def _queue(self, view: View, request: int) -> int:
        wanted = view.wanted(request)
        if wanted is not None:
            return wanted
        rate, got = view.requests[request].rate_per_s, view.delivered[request] if view.delivered else 0
        return len(view.live) if rate is None else max(0, int(np.ceil(rate * view.now_s)) - got)
