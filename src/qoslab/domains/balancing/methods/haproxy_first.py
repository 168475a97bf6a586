"""HAProxy's first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["HaproxyFirst"]

CITATION = """@manual{haproxy_first,
  author = {{HAProxy Technologies}},
  title = {{HAProxy} Configuration Manual},
  note = {keyword balance, algorithm first},
  url = {https://docs.haproxy.org/2.6/configuration.html#4.2-balance}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The first server with a free connection; where none has one, the least used per connection."""
    lowest, best = math.inf, 0
    for j in range(view.up.shape[0]):
        if view.up[j] == 1:
            most = view.par[j]
            if view.active[j] < most:
                return j
            if view.active[j] / most < lowest:
                lowest, best = view.active[j] / most, j
    return best


@balancer(
    "haproxy_first",
    summary="fill the servers in order, each up to its limit (HAProxy first)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class HaproxyFirst(Policy):
    """HAProxy's `balance first`: the first server in the list with a free connection, so that the last ones stay idle.

    HAProxy would keep a request in its own queue where all connections are taken; here it goes to the server with the
    fewest own requests in flight per connection.

    Attributes:
        connections: connections (`maxconn`) of the server of least weight; others have them in proportion to weight,
            rounded up.
    """

    connections: Annotated[int, Field(ge=1)] = 1

    def wire(self, site: Site) -> Wiring:
        """Limits of the servers."""
        limits = [math.ceil(self.connections * w - 1e-9) for w in site.weight / site.weight.min()]
        return Wiring(route, par=limits)
