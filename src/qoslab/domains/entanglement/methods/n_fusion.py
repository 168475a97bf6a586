"""Repeaters that fuse all their pairs of a request at once, over several merged paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Fusion, PathPlan, Plan, View
from qoslab.domains.entanglement.routing.fusing import Most, fusion_flows
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.serving import turns
from qoslab.domains.entanglement.routing.view import ends_of, slot_successes, swap_successes

__all__ = ["CITATION", "NFusion"]

CITATION = """@misc{zeng2023entanglement,
  author = {Zeng, Yiming and Zhang, Jiarui and Liu, Ji and Liu, Zhenhua and Yang, Yuanyuan},
  title = {Entanglement Routing over Quantum Networks Using {Greenberger-Horne-Zeilinger} Measurements},
  eprint = {2306.16671},
  archivePrefix = {arXiv},
  year = {2023}
}"""


@method(
    "entanglement",
    "n_fusion",
    summary="repeaters fuse all their pairs of a request at once, so that any way that lives joins the users",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class NFusion:
    """Each request has a flow of merged paths and detours; in a slot its repeaters fuse a pair of each live link.

    A repeater knows its own pairs alone, and fuses when two or more of the flow's links at it have one.

    Attributes:
        paths: Most paths without common links in a request's flow.
        detours: Most detours that are added between nodes of the flow.
        reach: Most links of a detour.
        slot_s: Length of the slot in which a link's success is counted, s.
    """

    knows_hops: ClassVar[int] = 0
    paths: Annotated[int, Field(ge=1, le=20)] = 3
    detours: Annotated[int, Field(ge=0, le=100)] = 4
    reach: Annotated[int, Field(ge=1, le=10)] = 3
    slot_s: Annotated[float, Field(gt=0)] = 0.005

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The links of each request's flow, one by one, with their memories."""
        network, swap = view.network, swap_successes(view)
        flows = fusion_flows(
            network,
            ends_of(view),
            slot_successes(view, self.slot_s),
            swap,
            np.array(view.pairs, np.int64),
            Most(self.paths, self.detours, self.reach),
            context.check_time,
        )
        return Plan(
            tuple(
                PathPlan(flow.request, (int(network.tail[link]), int(network.head[link])), width=(width,))
                for flow in flows
                for link, width in sorted(flow.width.items())
            )
        )

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Fusion]:  # noqa: ARG002
        """The fusions of all repeaters, for those who got least first."""
        graph, users, fusions = LiveGraph(view), ends_of(view), []
        for request in turns(view):
            held: dict[int, list[int]] = {}
            for path in view.installed:
                if path.request != request:
                    continue
                for a, b in pairwise(path.nodes):
                    if graph.count(a, b):
                        ident = graph.take(a, b).ident
                        held.setdefault(a, []).append(ident)
                        held.setdefault(b, []).append(ident)
            fusions += [
                Fusion(node, tuple(idents), request)
                for node, idents in sorted(held.items())
                if len(idents) > 1 and node not in users[request]
            ]
        return fusions
