"""HAProxy's random(draws)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.ring_hash import PLACE_BITS, make_ring, successor
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, high_bits

__all__ = ["HaproxyRandom"]

CITATION = """@manual{haproxy_random,
  author = {{HAProxy Technologies}},
  title = {{HAProxy} Configuration Manual},
  note = {keyword balance, algorithm random},
  url = {https://docs.haproxy.org/2.6/configuration.html#4.2-balance}
}"""

DRAWS, RING = range(2)
"""Entries of `par`; the ring begins at `RING`."""


@kernel
def _on_ring(view: LocalView, stream: Stream) -> int:
    """The first server clockwise of a random place that is up; -1 where none is."""
    ring = view.par[RING:]
    nodes = ring.shape[0] // 2
    node = successor(ring, float(high_bits(stream, PLACE_BITS)))
    for _ in range(nodes):
        j = int(ring[nodes + node])
        if view.up[j] == 1:
            return j
        node = node + 1 if node + 1 < nodes else 0
    return -1


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least own requests in flight / weight of some servers drawn on the ring; ties to the one drawn last."""
    best = _on_ring(view, stream)
    if best < 0:
        return 0
    for _ in range(1, int(view.par[DRAWS])):
        j = _on_ring(view, stream)
        if view.active[j] * view.weight[best] <= view.active[best] * view.weight[j]:
            best = j
    return best


@balancer(
    "haproxy_random",
    summary="the less loaded of two servers drawn on a consistent ring (HAProxy random)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class HaproxyRandom(Policy):
    """HAProxy's `balance random(draws)`: servers drawn at random places of its consistent ring, the less loaded kept.

    A server is drawn in proportion to its weight and compared by own requests in flight / weight, ties to the one
    drawn last. The same server may be drawn twice. Places of nodes are of our own hash, not HAProxy's.

    Attributes:
        draws: how many servers are drawn.
        nodes: mean number of nodes of a server on the ring; HAProxy has 16 for each unit of weight.
    """

    draws: Annotated[int, Field(ge=1)] = 2
    nodes: Annotated[int, Field(ge=1, le=10_000)] = 160

    def wire(self, site: Site) -> Wiring:
        """The ring, the same for all balancers."""
        return Wiring(route, par=[self.draws, *make_ring(site.weight, self.nodes)])
