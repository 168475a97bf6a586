"""Virtual links between nodes drawn by distance, with greedy routing over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph, swaps_of
from qoslab.domains.entanglement.routing.serving import greedy_chain, served_in_turn
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.graphs.shortest import Search, hop_counts

__all__ = ["CITATION", "VirtualLinks"]

CITATION = """@misc{chakraborty2019distributed,
  author = {Chakraborty, Kaushik and Rozpedek, Filip and Dahlberg, Axel and Wehner, Stephanie},
  title = {Distributed Routing in a Quantum Internet},
  eprint = {1907.11630},
  archivePrefix = {arXiv},
  year = {2019}
}"""


@method(
    "entanglement",
    "virtual_links",
    summary="pairs between nodes drawn by distance are kept in stock; routing over them is greedy",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class VirtualLinks:
    """Every node draws partners at 2 to `farthest` hops with probability proportional to hops^-exponent.

    The stock of each virtual link is rebuilt along a shortest path whose links all have more pairs than `keep`. A
    request goes to the neighbour of live pairs, physical or virtual, that is nearest to its target in hops. Requests
    come first.

    Attributes:
        partners: Virtual links that each node draws.
        exponent: How fast the probability of a partner falls with distance.
        farthest: Largest distance of a partner, in hops.
        stock: Pairs that are kept of each virtual link.
        keep: Pairs of every link that building a virtual one leaves.
    """

    partners: Annotated[int, Field(ge=0, le=20)] = 1
    exponent: Annotated[float, Field(ge=0, le=10)] = 2.0
    farthest: Annotated[int, Field(ge=2, le=64)] = 4
    stock: Annotated[int, Field(ge=1, le=100)] = 1
    keep: Annotated[int, Field(ge=0, le=100)] = 1

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:
        """A path for each virtual link, drawn without repeats; no path of a request."""
        search, drawn = Search(view.network), dict[frozenset[int], tuple[int, ...]]()
        for node in range(view.network.n):
            context.check_time()
            far = hop_counts(view.network, node)
            options = np.flatnonzero((far >= 2) & (far <= self.farthest))
            count = min(self.partners, len(options))
            if count:
                weight = far[options].astype(np.float64) ** -self.exponent
                for other in rng.choice(options, count, replace=False, p=weight / weight.sum()).tolist():
                    path = search.path(min(node, other), max(node, other))
                    if path is not None:
                        drawn[frozenset((node, other))] = path.nodes
        return Plan(tuple(PathPlan(0, nodes) for nodes in drawn.values()))

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Swaps for requests, then those that rebuild virtual links."""
        graph = LiveGraph(view)
        far = {ends: hop_counts(view.network, ends) for ends in self._targets(view)}

        def find(graph: LiveGraph, request: int, ends: Ends) -> Chain | None:  # noqa: ARG001
            return greedy_chain(graph, ends, lambda node: _hops(far[ends.target], node))

        swaps = served_in_turn(view, graph, find)
        for path in view.installed:
            missing = self.stock - graph.count(path.nodes[0], path.nodes[-1])
            for _ in range(missing):
                if min(graph.count(a, b) for a, b in pairwise(path.nodes)) <= self.keep:
                    break
                swaps += swaps_of(graph.taken(path.nodes), -1)
        return swaps

    def _targets(self, view: View) -> set[int]:
        return {view.network.index(each.target) for each in view.requests}


def _hops(far: np.ndarray, node: int) -> float:
    return float(far[node]) if far[node] >= 0 else float("inf")
