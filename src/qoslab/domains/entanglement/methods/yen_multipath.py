"""Several shortest paths per request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.entanglement.protocol import PathPlan, Plan, View
from qoslab.domains.entanglement.routing.view import Metric, ends_of, path_cost
from qoslab.graphs.yen import k_shortest_paths

__all__ = ["CITATION", "YenMultipath"]

CITATION = """@article{yen1971finding,
  author = {Yen, Jin Y.},
  title = {Finding the {K} Shortest Loopless Paths in a Network},
  journal = {Management Science},
  volume = {17},
  year = {1971}
}"""


@method(
    "entanglement",
    "yen_multipath",
    summary="the k shortest paths of every request share the memories",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class YenMultipath:
    """The k shortest loopless paths of every request at once; paths that meet share a link's memories.

    A path is left out where those before it need the last memory of one of its links.

    Attributes:
        paths: Paths per request, k.
        metric: What a path costs: hops, km, the links' mean times to a pair, or -ln of their success or fidelity.
    """

    paths: Annotated[int, Field(ge=1, le=100)] = 3
    metric: Metric = "hops"

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        """The paths, first the cheapest of every request, then the second cheapest, and so on."""
        cost = path_cost(view, self.metric)
        ranked = [
            k_shortest_paths(view.network, ends.source, ends.target, self.paths, cost)
            for ends in ends_of(view)
        ]
        free, plans = np.array(view.pairs), []
        for place in range(self.paths):
            for request, paths in enumerate(ranked):
                if place >= len(paths):
                    continue
                links = paths[place].links(view.network)
                # A path without a memory of its own on every link could never deliver.
                if free[links].min() > 0:
                    free[links] -= 1
                    plans.append(PathPlan(request, paths[place].nodes))
        return Plan(tuple(plans))
