"""Wide paths by expected throughput, with recovery paths that mend them in each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.wide_paths import CITATION
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.recovery import Edge, recovery_paths, ring_path
from qoslab.domains.entanglement.routing.throughput import select_paths
from qoslab.domains.entanglement.routing.view import ends_of, slot_successes, swap_successes
from qoslab.graphs.shortest import path_from_nodes

__all__ = ["QCast"]


@method(
    "entanglement",
    "q_cast",
    summary="wide paths by expected throughput, mended in each slot by recovery paths kept ready",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class QCast:
    """Q-CAST: major paths of most expected throughput, recovery paths out of what they leave, and their exclusive or.

    Attributes:
        slot_s: Length of the slot in which a link's success is counted, s.
        reach: How far apart two nodes of a major path may be that a recovery path joins, in hops.
    """

    slot_s: Annotated[float, Field(gt=0)] = 0.005
    reach: Annotated[int, Field(ge=0, le=10)] = 3

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Major paths with their widths, each followed by its recovery paths, which join nodes of it."""
        network = view.network
        success, swap = slot_successes(view, self.slot_s), swap_successes(view)
        free = np.array(view.pairs, np.int64)
        majors = select_paths(network, ends_of(view), success, swap, free)
        for major in majors:
            free[path_from_nodes(network, major.nodes).links(network)] -= major.width
        place = {
            frozenset(ends): link
            for link, ends in enumerate(zip(network.tail.tolist(), network.head.tolist(), strict=True))
        }
        plans = []
        for major in majors:
            context.check_time()
            plans.append(PathPlan(major.request, major.nodes, width=(major.width,) * (len(major.nodes) - 1)))
            spare = recovery_paths(
                network, major, self.reach, success, swap, free, lambda a, b: place[frozenset((a, b))]
            )
            plans += [PathPlan(major.request, nodes, width=(1,) * (len(nodes) - 1)) for nodes in spare]
        return Plan(tuple(plans))

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """For each channel of each major path the swaps of its live path, mended where it must be."""
        graph, ends, swaps = LiveGraph(view), ends_of(view), []

        def lives(edge: Edge) -> bool:
            return graph.count(*edge) > 0

        majors: list[tuple[PathPlan, list[tuple[int, ...]]]] = []
        for path in view.installed:
            if (path.nodes[0], path.nodes[-1]) == ends[path.request]:
                majors.append((path, []))
            else:
                majors[-1][1].append(path.nodes)
        for path, recoveries in majors:
            for _ in range(path.width[0]):
                nodes = ring_path(path.nodes, recoveries, lives)
                if nodes is None:
                    break
                swaps += swaps_of(graph.taken(nodes), path.request)
        return swaps
