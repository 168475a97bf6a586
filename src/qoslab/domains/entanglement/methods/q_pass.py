"""Candidate paths found before, memories given out by a metric, and segments mended in each slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.wide_paths import CITATION
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.recovery import detoured_path
from qoslab.domains.entanglement.routing.view import ends_of, slot_successes
from qoslab.graphs.shortest import hop_counts
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["QPass"]


@method(
    "entanglement",
    "q_pass",
    summary="candidate paths in the order of a metric take memories; segments are mended in each slot",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class QPass:
    """Q-PASS: Yen's paths ranked by a metric, each as wide as the memories allow, segments mended by live detours.

    Attributes:
        candidates: Paths per request that are looked at.
        metric: Sum of lengths, sum of 1 / p over the hops, or the largest width first with ties to the latter.
        reach: How far a node knows link states, in hops; segments have up to one hop more.
        slot_s: Length of the slot in which a link's success p is counted, s.
    """

    candidates: Annotated[int, Field(ge=1, le=100)] = 25
    metric: Literal["sum_dist", "creation_rate", "bottleneck"] = "creation_rate"
    reach: Annotated[int, Field(ge=0, le=10)] = 3
    slot_s: Annotated[float, Field(gt=0)] = 0.005

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Paths with their widths, in the order of the metric."""
        network, pairs = view.network, np.array(view.pairs, np.int64)
        slowness = 1.0 / slot_successes(view, self.slot_s)
        cost = network.length_km if self.metric == "sum_dist" else slowness
        ranked = []
        for request, ends in enumerate(ends_of(view)):
            context.check_time()
            for path in k_shortest_paths(network, ends.source, ends.target, self.candidates, cost):
                links = path.links(network)
                width = -int(pairs[links].min()) if self.metric == "bottleneck" else 0
                ranked.append(((width, path.cost, path.hops, request, path.nodes), links))
        plans = []
        for (*_, request, nodes), links in sorted(ranked, key=lambda each: each[0]):
            width = int(pairs[links].min())
            if width > 0:
                pairs[links] -= width
                plans.append(PathPlan(request, nodes, width=(width,) * len(links)))
        return Plan(tuple(plans))

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Channels that live as they are first, then those that live detours can mend."""
        graph, swaps = LiveGraph(view), []
        left = [path.width[0] for path in view.installed]
        for place, path in enumerate(view.installed):
            while left[place] > 0 and graph.seen(path.nodes) is not None:
                swaps += swaps_of(graph.taken(path.nodes), path.request)
                left[place] -= 1
        if not any(left):
            return swaps
        far = [hop_counts(view.network, node) for node in range(view.network.n)]
        for place, path in enumerate(view.installed):
            while left[place] > 0:
                nodes = detoured_path(graph, path.nodes, self.reach, far)
                if nodes is None:
                    break
                swaps += swaps_of(graph.taken(nodes), path.request)
                left[place] -= 1
        return swaps
