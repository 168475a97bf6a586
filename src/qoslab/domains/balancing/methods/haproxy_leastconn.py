"""HAProxy's leastconn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["HaproxyLeastconn"]

CITATION = """@manual{haproxy_leastconn,
  author = {{HAProxy Technologies}},
  title = {{HAProxy} Configuration Manual},
  note = {keyword balance, algorithm leastconn},
  url = {https://docs.haproxy.org/2.6/configuration.html#4.2-balance}
}"""

PLACED = 0
"""Row of `mem`: when, in turns, a server was last put into its place in the tree."""
TURN = 0
"""Entry of `box`: turns so far."""


@kernel
def _place(view: LocalView, server: int) -> None:
    """Put a server behind all others of its key."""
    view.box[TURN] += 1.0
    view.mem[PLACED, server] = view.box[TURN]


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least key; of equal ones the server that was put into its place first."""
    lowest, best = math.inf, 0
    placed = view.mem[PLACED]
    for j in range(view.up.shape[0]):
        if view.up[j] == 1:
            key = (view.active[j] + 1.0) / view.weight[j] if view.active[j] > 0 else 0.0
            if key < lowest or (key == lowest and placed[j] < placed[best]):
                lowest, best = key, j
    _place(view, best)
    return best


@kernel
def on_complete(view: LocalView, stream: Stream, server: int, duration: float, now: float) -> None:  # noqa: ARG001
    """The server's key has changed."""
    _place(view, server)


@kernel
def on_loss(view: LocalView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """The server's key has changed."""
    _place(view, server)


@balancer(
    "haproxy_leastconn",
    summary="idle servers in turn, else the least (own requests in flight + 1) / weight (HAProxy leastconn)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class HaproxyLeastconn(Policy):
    """HAProxy's `balance leastconn`: the first server of a tree ordered by key.

    The key is 0 for an idle server, else (own requests in flight + 1) / weight. A server is put back behind its
    equals whenever a request begins or ends, so that equals take turns. Old versions used active / weight (`wlc`).
    It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """Servers stand in the order of the list."""
        placed = np.arange(site.servers, dtype=np.float64)[None] - site.servers
        return Wiring(route, on_complete=on_complete, on_loss=on_loss, mem=placed, box=[0.0])
