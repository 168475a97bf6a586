"""Entanglement flow by linear programming, with a bound on hops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.routing.flow import FlowPath, bounded_flow
from qoslab.domains.entanglement.routing.view import ends_of, link_rates, swap_successes
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import path_from_nodes

__all__ = ["CITATION", "MulticommodityFlow"]

CITATION = """@article{chakraborty2020entanglement,
  author = {Chakraborty, Kaushik and Elkouss, David and Rijsman, Bruno and Wehner, Stephanie},
  title = {Entanglement Distribution in a Quantum Network: A Multicommodity Flow-Based Approach},
  journal = {IEEE Transactions on Quantum Engineering},
  volume = {1},
  year = {2020}
}"""


@method(
    "entanglement",
    "multicommodity_flow",
    summary="paths and their memories from the flow of the largest total rate",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class MulticommodityFlow:
    """The flow of the largest total rate over paths of bounded length, laid out in whole memories.

    A link's capacity is the mean rate of its memories. Each path of the flow gets as many memories of a hop as its load
    needs, rounded, one at least; paths that find a link full are left out, the largest load being laid out first.

    Attributes:
        most_hops: Longest path; it keeps fidelity up.
    """

    most_hops: Annotated[int, Field(ge=1, le=64)] = 8

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The paths of the flow, the largest load first."""
        rates, ends = link_rates(view), ends_of(view)
        capacity = rates * np.array(view.pairs)
        total = float(capacity.sum())
        wanted = [total if each.rate_per_s is None else each.rate_per_s for each in view.requests]
        flow = bounded_flow(view.network, ends, capacity, swap_successes(view), self.most_hops, wanted)
        return Plan(tuple(_laid_out(view.network, flow, rates, np.array(view.pairs))))


def _laid_out(network: Network, flow: list[FlowPath], rates: np.ndarray, free: np.ndarray) -> list[PathPlan]:
    plans = []
    for path in sorted(flow, key=lambda each: -each.load):
        links = path_from_nodes(network, path.nodes).links(network)
        width = np.minimum(free[links], np.maximum(1, np.rint(path.load / rates[links]).astype(np.int64)))
        if width.min() > 0:
            free[links] -= width
            plans.append(PathPlan(path.request, path.nodes, width=tuple(width.tolist())))
    return plans
