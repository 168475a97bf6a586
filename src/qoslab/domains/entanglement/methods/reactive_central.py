"""Paths over the pairs that live now, chosen by a controller that sees them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import Plan, Swap, View
from qoslab.domains.entanglement.routing.pairs import Chain, LiveGraph
from qoslab.domains.entanglement.routing.serving import good_path, served_in_turn
from qoslab.domains.entanglement.routing.throughput import Ends

__all__ = ["CITATION", "ReactiveCentral"]

CITATION = """@article{pant2019routing,
  author = {Pant, Mihir and Krovi, Hari and Towsley, Don and Tassiulas, Leandros and Jiang, Liang and Basu, Prithwish
    and Englund, Dirk and Guha, Saikat},
  title = {Routing Entanglement in the Quantum Internet},
  journal = {npj Quantum Information},
  volume = {5},
  year = {2019}
}"""


@method(
    "entanglement",
    "reactive_central",
    summary="in each slot the requests in turn take the best path over the pairs that live",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ReactiveCentral:
    """With global knowledge, the request that got least first, until nobody finds a path.

    With `hops` and requests that want no fidelity this is the global rule of Pant et al., for many requests; a path
    whose expected fidelity falls short of what its request wants is not taken.

    Attributes:
        metric: Whether paths of fewest pairs come first, or those of most fidelity.
    """

    metric: Literal["hops", "fidelity"] = "hops"

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """Nothing is installed."""
        return Plan(())

    def decide(self, view: View, rng: np.random.Generator, context: Context) -> Sequence[Swap]:  # noqa: ARG002
        """The swaps of all paths that were found."""

        def find(graph: LiveGraph, request: int, ends: Ends) -> Chain | None:
            wanted = view.requests[request].fidelity
            return good_path(graph, ends, wanted, hops_first=self.metric == "hops")

        return served_in_turn(view, LiveGraph(view), find)
