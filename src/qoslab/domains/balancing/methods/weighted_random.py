"""Servers by weighted lot."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.domains.balancing.choosing import alias_table, weighted_by_table
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["WeightedRandom"]


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """A server drawn by weight."""
    return weighted_by_table(view.par, view.weight, view.up, stream)


@balancer("weighted_random", summary="draw the server by lot, in proportion to its weight", origin="ours")
@dataclass(frozen=True)
class WeightedRandom(Policy):
    """A server drawn for each request with probability weight / sum of weights, by Walker's alias method.

    Where the server drawn is not up, the draw is repeated among those that are. It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """The alias table of the configured weights."""
        return Wiring(route, par=alias_table(site.weight).tolist())
