"""Routing over the pairs of each node and of those with which it shares one."""

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
    look_ahead,
    served_by_discovery,
)

__all__ = ["NeighboursOfNeighbours"]


@method(
    "entanglement",
    "neighbours_of_neighbours",
    summary="as local best effort, with a look at what neighbours share with theirs",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class NeighboursOfNeighbours(VirtualStock):
    """A node looks at those with which it shares a pair and at those with which these do; the nearest of all is next.

    Where none is nearer than itself it does as `local_best_effort`.

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
        swaps = served_by_discovery(view, graph, look_ahead(view.network))
        return swaps + self.restocked(view, graph)
