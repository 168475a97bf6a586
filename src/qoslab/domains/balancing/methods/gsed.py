"""Global shortest expected delay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.choosing import least_of
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import OracleView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Gsed"]

SCORE = 0
"""Row of `mem`, for the scores of one decision."""


@kernel
def route(view: OracleView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least (requests of all balancers + 1) / true capacity."""
    for j in range(view.up.shape[0]):
        capacity = view.capacity[j]
        view.mem[SCORE, j] = (view.queue[j] + 1.0) / capacity if capacity > 0.0 else math.inf
    return least_of(view.mem[SCORE], view.up, stream)


@balancer(
    "gsed",
    summary="shortest expected delay on true queues and capacities",
    information="oracle",
    origin="ours",
)
@dataclass(frozen=True)
class Gsed(Policy):
    """Global SED: argmin (queue + 1) / capacity of true queues and true present capacities, ties by lot.

    With one balancer and no delays it is `sed_oracle`; with several, the bound that shared knowledge would reach. It
    has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """Room for the scores."""
        return Wiring(route, mem=np.zeros((1, site.servers)))
