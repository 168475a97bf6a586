"""Paths and swap orders by dynamic programming over swapping trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.routing.trees import best_tree
from qoslab.domains.entanglement.routing.view import ends_of, link_times, swap_delays, swap_successes
from qoslab.graphs.shortest import all_pairs, path_from_nodes

__all__ = ["CITATION", "SwappingTrees"]

CITATION = """@article{ghaderibaneh2022efficient,
  author = {Ghaderibaneh, Mohammad and Zhan, Caitao and Gupta, Himanshu and Ramakrishnan, C. R.},
  title = {Efficient Quantum Network Communication Using Optimized Entanglement Swapping Trees},
  journal = {IEEE Transactions on Quantum Engineering},
  volume = {3},
  year = {2022}
}"""


@method(
    "entanglement",
    "swapping_trees",
    summary="each request's path and swap order together, by the least mean time of a swapping tree",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class SwappingTrees:
    """The swapping tree of least mean time for each request, one request after another.

    A later request sees a link's memories shared with those before it; a link whose memories are all spoken for is
    closed. A request that finds no path gets none.

    Attributes:
        height: Most swaps one upon another; 2^height hops at most.
    """

    height: Annotated[int, Field(ge=0, le=10)] = 5

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """One path per request, with ranks from its tree."""
        network, swap, swap_s = view.network, swap_successes(view), swap_delays(view)
        delay_s = all_pairs(network, np.array([timing.delay_s for timing in view.timings]))
        users = np.zeros(network.m, np.int64)
        plans = []
        for request, ends in enumerate(ends_of(view)):
            context.check_time()
            share = np.array(view.pairs) // (users + 1)
            tree = best_tree(link_times(view, share), delay_s, swap, swap_s, ends, self.height)
            if tree is not None:
                users[path_from_nodes(network, tree.nodes).links(network)] += 1
                plans.append(PathPlan(request, tree.nodes, tree.ranks))
        return Plan(tuple(plans))
