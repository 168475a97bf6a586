"""Least work left."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.domains.balancing.choosing import least_of
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import OracleView, work_left
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Lwl"]

SCORE = 0
"""Row of `mem`, for the scores of one decision."""
PER_CAPACITY, OWN = range(2)
"""Entries of `par`."""


@kernel
def route(view: OracleView, stream: Stream, now: float) -> int:
    """The server with least remaining work, or least time to finish it."""
    own = view.size if view.par[OWN] == 1.0 else 0.0
    for j in range(view.queue.shape[0]):
        work = work_left(view, j, now) + own
        if view.par[PER_CAPACITY] == 1.0:
            work = work / view.capacity[j] if view.capacity[j] > 0.0 else math.inf
        view.mem[SCORE, j] = work
    return least_of(view.mem[SCORE], view.up, stream)


@balancer(
    "lwl",
    summary="the server with least true remaining work",
    information="oracle",
    origin="ours",
)
@dataclass(frozen=True)
class Lwl(Policy):
    """Least work left, also called shortest remaining time: argmin of the true remaining work, ties by lot.

    For FIFO servers of one core and speed it sends each request where it will start first.

    Attributes:
        compare: `work` compares remaining work; `time` divides it by the server's present capacity; `finish` adds
            the request's own size first, so that it compares when the request would be done on a shared server.
    """

    compare: Literal["work", "time", "finish"] = "work"

    def wire(self, site: Site) -> Wiring:
        """Room for the scores."""
        par = [float(self.compare != "work"), float(self.compare == "finish")]
        return Wiring(route, par=par, mem=np.zeros((1, site.servers)))
