"""Greedy routing over links and virtual links that waits for missing pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.methods.virtual_links import CITATION
from qoslab.domains.entanglement.protocol import Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.domains.entanglement.routing.virtual import (
    VirtualStock,
    greedy_hop,
    served_by_discovery,
)

__all__ = ["ModifiedGreedy"]


@method(
    "entanglement",
    "modified_greedy",
    summary="requests go by the nearest link or virtual link, and wait until it has a pair",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ModifiedGreedy(VirtualStock):
    """A request's way is fixed by the links and virtual links there are: always to the neighbour nearest to the target.

    It is used when all of its links have a pair; until then the pairs it has are held for it.

    Attributes:
        partners: Virtual links that each node draws; 0 for a network of links alone.
        exponent: How fast the probability of a partner falls with distance.
        farthest: Largest distance of a partner, in hops.
        stock: Pairs that are kept of each virtual link.
        keep: Pairs of every link that building a virtual one in stock leaves.
    """

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """Swaps for requests, then those that rebuild virtual links."""
        graph = LiveGraph(view)
        swaps = served_by_discovery(view, graph, greedy_hop(view.network, view.installed))
        return swaps + self.restocked(view, graph)
