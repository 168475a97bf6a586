"""Pairs in stock where they save requests most time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph
from qoslab.domains.entanglement.routing.predistribution import Times, super_links
from qoslab.domains.entanglement.routing.serving import good_path, served_in_turn
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.view import ends_of, link_times, swap_delays, swap_successes
from qoslab.domains.entanglement.routing.virtual import rebuilt
from qoslab.graphs.shortest import all_pairs

__all__ = ["CITATION", "SuperLinks"]

CITATION = """@misc{ghaderibaneh2022predistribution,
  author = {Ghaderibaneh, Mohammad and Gupta, Himanshu and Ramakrishnan, C. R. and Luo, Ertai},
  title = {Pre-Distribution of Entanglements in Quantum Networks},
  eprint = {2205.04036},
  archivePrefix = {arXiv},
  year = {2022}
}"""


@method(
    "entanglement",
    "super_links",
    summary="pairs are kept in stock between the nodes where they save the requests most time",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class SuperLinks:
    """Super-links are chosen one after another by the time per memory that they save in the requests' swapping trees.

    A request is served over the fewest pairs, of links and super-links alike, that keep its fidelity. What then is left
    of each link beyond `keep` rebuilds the stocks.

    Attributes:
        most: Most super-links.
        stock: Pairs that are kept of each.
        keep: Pairs of every link that building a super-link's pair leaves.
        height: Most swaps one upon another in a tree.
    """

    most: Annotated[int, Field(ge=0, le=1000)] = 4
    stock: Annotated[int, Field(ge=1, le=100)] = 1
    keep: Annotated[int, Field(ge=0, le=100)] = 1
    height: Annotated[int, Field(ge=0, le=10)] = 5

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The path of each super-link; no path of a request."""
        delay_s = all_pairs(view.network, np.array([timing.delay_s for timing in view.timings]))
        swap, swap_s = swap_successes(view), swap_delays(view)
        times = Times(link_times(view, view.pairs), delay_s, swap, swap_s, self.height)
        room = np.maximum(np.array(view.pairs, np.int64) - self.keep, 0) // self.stock
        chosen = super_links(view.network, ends_of(view), times, room, self.most, context.check_time)
        return Plan(tuple(PathPlan(0, each.nodes) for each in chosen))

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Swaps for requests, then those that rebuild stocks."""

        def find(graph: LiveGraph, request: int, ends: Ends) -> Chain | None:
            return good_path(graph, ends, view.requests[request].fidelity, hops_first=True)

        graph = LiveGraph(view)
        swaps = served_in_turn(view, graph, find)
        return swaps + rebuilt(graph, view.installed, self.stock, self.keep)
