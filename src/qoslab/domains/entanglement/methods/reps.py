"""A linear programme gives links their memories before attempts, another one chooses paths of what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.programme import rounded_packing
from qoslab.domains.entanglement.routing.provisioning import Stock, provisioned
from qoslab.domains.entanglement.routing.view import ends_of, most_memories, slot_successes, swap_successes
from qoslab.graphs.shortest import path_from_nodes
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["CITATION", "Reps"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
_NEVER = 1e-300
"""Stands for a success of 0 on links that no path uses."""

CITATION = """@inproceedings{zhao2021redundant,
  author = {Zhao, Yangming and Qiao, Chunming},
  title = {Redundant Entanglement Provisioning and Selection for Throughput Maximization in Quantum Networks},
  booktitle = {IEEE INFOCOM},
  year = {2021}
}"""


@method(
    "entanglement",
    "reps",
    summary="a linear programme gives memories to links, another one the links that came to paths",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Reps:
    """Provisioning, then selection, both by linear programmes over candidate paths and rounding.

    Nodes with a total of memories assign them to links as the first programme says, and not as the scenario does.

    Attributes:
        candidates: Paths per request that are looked at.
        slot_s: Length of the slot in which a link's success is counted, s.
    """

    candidates: Annotated[int, Field(ge=1, le=100)] = 10
    slot_s: Annotated[float, Field(gt=0)] = 0.005

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The candidate paths of all requests, the shortest first, and the memories of each link that may try."""
        plans, success = [], slot_successes(view, self.slot_s)
        for request, ends in enumerate(ends_of(view)):
            context.check_time()
            found = k_shortest_paths(view.network, ends.source, ends.target, self.candidates)
            lives = [path for path in found if success[path.links(view.network)].all()]
            plans += [PathPlan(request, path.nodes) for path in lives]
        memories = provisioned(self._stock(view, plans, success))
        return Plan(tuple(plans), tuple(memories.tolist()))

    def _stock(self, view: View, paths: Sequence[PathPlan], success: FloatArray) -> Stock:
        network = view.network
        at = np.zeros((network.n, network.m), np.int64)
        at[network.tail, np.arange(network.m)] = at[network.head, np.arange(network.m)] = 1
        link = np.array(most_memories(view), np.int64)
        totals = [node.memories for node in view.hardware]
        most = np.array([at[v] @ link if total is None else total for v, total in enumerate(totals)])
        loads, values = _programme(view, paths)
        return Stock(loads, values, np.maximum(success, _NEVER), link, at, most)

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of the paths that were chosen."""
        graph, network = LiveGraph(view), view.network
        paths = [path for path in view.installed if graph.seen(path.nodes) is not None]
        ends = zip(network.tail.tolist(), network.head.tolist(), strict=True)
        live = np.array([graph.count(a, b) for a, b in ends], np.int64)
        loads, values = _programme(view, paths)
        swaps: list[Swap] = []
        for path, count in zip(paths, rounded_packing(loads, live, values).tolist(), strict=True):
            for _ in range(count):
                swaps += swaps_of(graph.taken(path.nodes), path.request)
        return swaps


def _programme(view: View, paths: Sequence[PathPlan]) -> tuple[IntArray, FloatArray]:
    """Whether each path uses each link, shape (m, paths), and the success of each path's swaps, shape (paths,)."""
    swap = swap_successes(view)
    loads = np.zeros((view.network.m, len(paths)), np.int64)
    for column, path in enumerate(paths):
        loads[path_from_nodes(view.network, path.nodes).links(view.network), column] = 1
    return loads, np.array([float(np.prod(swap[list(path.nodes[1:-1])])) for path in paths])
