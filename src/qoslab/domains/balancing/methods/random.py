"""Servers by lot."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = ["Random"]


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """A uniformly drawn server."""
    return integers(stream, view.active.shape[0])


@balancer("random", summary="draw the server by lot", origin="ours")
@dataclass(frozen=True)
class Random(Policy):
    """A uniformly drawn server for each request, as equal-cost multipath does per flow. No parameters."""

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """Route by lot."""
        return Wiring(route)
