"""Weights that are the inverse of smoothed durations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import weighted
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.sed import route as route_shortest
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["InverseEwma"]

DURATION, HEARD = range(1, 3)
"""Rows of `mem` behind the scores of `sed`: smoothed duration, s, and whether there was any."""
NEW = 0
"""Entry of `par`: weight of a new duration."""


@kernel
def route_by_lot(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """A server drawn by weight."""
    return weighted(view.weight, view.up, stream)


@kernel
def on_complete(view: LocalView, stream: Stream, server: int, duration: float, now: float) -> None:  # noqa: ARG001
    """The server's average moves; servers never heard of count as the mean of the others."""
    mem = view.mem
    new = view.par[NEW] if mem[HEARD, server] == 1.0 else 1.0
    first = mem[HEARD, server] == 0.0
    mem[HEARD, server] = 1.0
    mem[DURATION, server] = new * duration + (1.0 - new) * mem[DURATION, server]
    heard, total = 0, 0.0
    if first:
        for j in range(view.up.shape[0]):
            if mem[HEARD, j] == 1.0:
                heard += 1
                total += mem[DURATION, j]
        for j in range(view.up.shape[0]):
            if mem[HEARD, j] == 0.0 and total > 0.0:
                view.weight[j] = heard / total
    if mem[DURATION, server] > 0.0:
        view.weight[server] = 1.0 / mem[DURATION, server]


@balancer(
    "inverse_ewma",
    summary="weights are the inverse of smoothed durations, a fixed point under feedback",
    origin="ours",
)
@dataclass(frozen=True)
class InverseEwma(Policy):
    """Blind weights w_j = 1 / T_j, T_j the exponentially smoothed durations of own requests on server j.

    Durations include waiting, so a server that gets more gets slower and loses weight again: the weights settle at a
    fixed point where they match the durations they cause, which is not where they match the capacities. Servers never
    heard of count as the mean of the others at the time.

    Attributes:
        smoothing: weight of a new duration.
        rule: `sed` for argmin (active + 1) / w; `random` for a lot by weight.
    """

    smoothing: Annotated[float, Field(gt=0, le=1)] = 0.1
    rule: Literal["sed", "random"] = "sed"

    def wire(self, site: Site) -> Wiring:
        """Equal weights, whatever was configured."""
        return Wiring(
            route_shortest if self.rule == "sed" else route_by_lot,
            on_complete=on_complete,
            par=[self.smoothing],
            weight=np.ones(site.servers),
            mem=np.zeros((3, site.servers)),
        )
