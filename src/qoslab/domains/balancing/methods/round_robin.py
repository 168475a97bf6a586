"""Round robin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView, View
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["RoundRobin", "next_in_turn"]

LAST = 0
"""Entry of `box`: the server chosen last."""


@kernel(inline=True)
def next_in_turn(view: View, last: int) -> int:
    """The first server after `last`, in a circle, that is up; `last` where none is."""
    n = view.up.shape[0]
    j = last
    for _ in range(n):
        j = j + 1 if j + 1 < n else 0
        if view.up[j] == 1:
            return j
    return last


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server after the one chosen last."""
    j = next_in_turn(view, int(view.box[LAST]))
    view.box[LAST] = j
    return j


@balancer("round_robin", summary="the servers in turn", origin="ours")
@dataclass(frozen=True)
class RoundRobin(Policy):
    """The servers in turn, those that are not up left out; weights do not count.

    Attributes:
        random_start: whether each balancer begins at a server of its own, drawn by lot, instead of at server 0.
    """

    random_start: bool = True

    def wire(self, site: Site) -> Wiring:
        """Remember the server before the first."""
        last = np.full((site.balancers, 1), site.servers - 1.0)
        if self.random_start:
            last[:, LAST] = site.generator("start").integers(site.servers, size=site.balancers)
        return Wiring(route, box=last)
