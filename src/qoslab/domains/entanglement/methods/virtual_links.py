"""Virtual links between nodes drawn by distance, with greedy routing over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph
from qoslab.domains.entanglement.routing.serving import greedy_chain, served_in_turn
from qoslab.domains.entanglement.routing.throughput import Ends
from qoslab.domains.entanglement.routing.virtual import VirtualStock, targets_of

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
class VirtualLinks(VirtualStock):
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

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Swaps for requests, then those that rebuild virtual links."""
        graph = LiveGraph(view)
        far = targets_of(view)

        def find(graph: LiveGraph, request: int, ends: Ends) -> Chain | None:  # noqa: ARG001
            return greedy_chain(graph, ends, lambda node: _hops(far[ends.target], node))

        swaps = served_in_turn(view, graph, find)
        return swaps + self.restocked(view, graph)


def _hops(far: np.ndarray, node: int) -> float:
    return float(far[node]) if far[node] >= 0 else float("inf")
