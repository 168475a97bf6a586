"""Every node swaps at random, all the time; users take what they come to share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import LiveGraph
from qoslab.graphs.shortest import all_pairs

__all__ = ["CITATION", "ContinuousDistribution"]

CITATION = """@article{inesta2023performance,
  author = {I{\\~n}esta, {\\'A}lvaro G. and Wehner, Stephanie},
  title = {Performance Metrics for the Continuous Distribution of Entanglement in Multiuser Quantum Networks},
  journal = {Physical Review A},
  volume = {108},
  year = {2023}
}"""


@method(
    "entanglement",
    "continuous_distribution",
    summary="every node swaps two of its pairs at random with some probability per slot",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ContinuousDistribution:
    """In each slot a node that holds pairs with two others joins two of them, drawn by lot, with probability q.

    A swap is left out if its ends would lie more hops apart than `most_hops`, or if one of its pairs is already used in
    this slot.

    Attributes:
        probability: Probability q of a swap, per node and slot.
        most_hops: Longest pair, in hops of the network between its ends.
    """

    probability: Annotated[float, Field(ge=0, le=1)] = 0.5
    most_hops: Annotated[int, Field(ge=1, le=64)] = 8

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed."""
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """One swap per node at most."""
        graph, far, swaps = LiveGraph(view), all_pairs(view.network), []
        for node in rng.permutation(view.network.n).tolist():
            wanted = rng.random() < self.probability
            around = graph.at(node)
            if not wanted or len(around) < 2:
                continue
            a, b = (around[int(k)] for k in rng.choice(len(around), 2, replace=False))
            if far[a, b] <= self.most_hops:
                swaps.append(Swap(node, graph.take(a, node).ident, graph.take(node, b).ident, -1))
        return swaps
