"""Shortest expected delay with true capacities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.choosing import least_of
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import OracleView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["SedOracle"]

SCORE = 0
"""Row of `mem`, for the scores of one decision."""


@kernel
def route(view: OracleView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least (own requests in flight + 1) / true capacity."""
    for j in range(view.up.shape[0]):
        capacity = view.capacity[j]
        view.mem[SCORE, j] = (view.active[j] + 1.0) / capacity if capacity > 0.0 else math.inf
    return least_of(view.mem[SCORE], view.up, stream)


@balancer(
    "sed_oracle",
    summary="shortest expected delay on own counts with the true present capacities",
    information="oracle",
    origin="ours",
)
@dataclass(frozen=True)
class SedOracle(Policy):
    """SED whose weights are the servers' true present capacities: argmin (active + 1) / capacity, ties by lot.

    What a blind policy that learns capacities perfectly and at once would do: the mark for all of them. It has no
    parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """Room for the scores."""
        return Wiring(route, mem=np.zeros((1, site.servers)))
