"""In each slot a linear programme over live pairs, rounded to whole paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.programme import rounded_packing
from qoslab.domains.entanglement.routing.view import ends_of, swap_successes
from qoslab.graphs.shortest import path_from_nodes
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["CITATION", "Reps"]

CITATION = """@inproceedings{zhao2021redundant,
  author = {Zhao, Yangming and Qiao, Chunming},
  title = {Redundant Entanglement Provisioning and Selection for Throughput Maximization in Quantum Networks},
  booktitle = {IEEE INFOCOM},
  year = {2021}
}"""


@method(
    "entanglement",
    "reps",
    summary="all links try, then the paths over live pairs come from a linear programme and rounding",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Reps:
    """The selection of REPS on candidate paths; its provisioning has nothing to choose here.

    Every link has memories of its own, so all of them try: provisioning of attempts under a node's common memories does
    not arise.

    Attributes:
        candidates: Paths per request that are looked at.
    """

    candidates: Annotated[int, Field(ge=1, le=100)] = 10

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The candidate paths of all requests, the shortest first."""
        plans = []
        for request, ends in enumerate(ends_of(view)):
            context.check_time()
            found = k_shortest_paths(view.network, ends.source, ends.target, self.candidates)
            plans += [PathPlan(request, path.nodes) for path in found]
        return Plan(tuple(plans))

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of the paths that were chosen."""
        graph, network, swap = LiveGraph(view), view.network, swap_successes(view)
        paths = [path for path in view.installed if graph.seen(path.nodes) is not None]
        loads = np.zeros((network.m, len(paths)), np.int64)
        for column, path in enumerate(paths):
            loads[path_from_nodes(network, path.nodes).links(network), column] = 1
        ends = zip(network.tail.tolist(), network.head.tolist(), strict=True)
        live = np.array([graph.count(a, b) for a, b in ends], np.int64)
        values = np.array([float(np.prod(swap[list(path.nodes[1:-1])])) for path in paths])
        swaps: list[Swap] = []
        for path, count in zip(paths, rounded_packing(loads, live, values).tolist(), strict=True):
            for _ in range(count):
                swaps += swaps_of(graph.taken(path.nodes), path.request)
        return swaps
