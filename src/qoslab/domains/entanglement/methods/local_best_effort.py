"""Routing over the pairs that each node has, which goes on over links where they lead no nearer."""

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
    best_effort,
    served_by_discovery,
)

__all__ = ["LocalBestEffort"]


@method(
    "entanglement",
    "local_best_effort",
    summary="requests go by the nearest node with which a pair is shared, else over a link that makes one",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class LocalBestEffort(VirtualStock):
    """A node sends a request to the nearest of those with which it shares a pair now, if that is nearer than itself.

    Else it chooses the neighbour nearest to the target, whose pair is still to be made; the pairs of the way are held
    until then, and the way is looked for again in every slot.

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
        swaps = served_by_discovery(view, graph, best_effort(view.network))
        return swaps + self.restocked(view, graph)
