"""Weighted round robin by earliest deadline first, as in Envoy and gRPC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["EdfWrr", "earliest", "first_deadlines", "put_back"]

CITATION = """@misc{envoy_lb,
  author = {{The Envoy project authors}},
  title = {Supported load balancers},
  howpublished = {documentation of Envoy},
  url = {https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers}
}"""

DEADLINE, ORDER = range(2)
"""Rows of `mem`."""
CLOCK, COUNT = range(2)
"""Entries of `box`: the deadline met last, and how often a server was put back."""


@kernel
def earliest(
    deadline: NDArray[np.float64], order: NDArray[np.float64], up: NDArray[np.int64], clock: float
) -> int:
    """The server with the earliest deadline, of equal ones the one put back first; 0 where none is up.

    A server that was not up for a while does not catch up: its deadline counts as the present.
    """
    best, when = -1, 0.0
    for j in range(up.shape[0]):
        if up[j] == 1:
            mine = deadline[j] if deadline[j] > clock else clock
            if best < 0 or mine < when or (mine == when and order[j] < order[best]):
                best, when = j, mine
    return best if best >= 0 else 0


@kernel(inline=True)
def put_back(
    deadline: NDArray[np.float64],
    order: NDArray[np.float64],
    box: NDArray[np.float64],
    server: int,
    weight: float,
) -> None:
    """Let time go on to a server's deadline, and give it a new one, 1 / weight later."""
    if deadline[server] > box[CLOCK]:
        box[CLOCK] = deadline[server]
    deadline[server] = box[CLOCK] + 1.0 / weight
    box[COUNT] += 1.0
    order[server] = box[COUNT]


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with the earliest deadline."""
    j = earliest(view.mem[DEADLINE], view.mem[ORDER], view.up, view.box[CLOCK])
    put_back(view.mem[DEADLINE], view.mem[ORDER], view.box, j, view.weight[j])
    return j


def first_deadlines(site: Site, *, random_start: bool) -> NDArray[np.float64]:
    """First `mem`: deadlines one period from now, or anywhere in the first period; equal ones in order of servers.

    Args:
        site: The site.
        random_start: Whether every balancer draws deadlines of its own.

    Returns:
        Shape (m, 2, n).
    """
    mem = np.empty((site.balancers, 2, site.servers))
    mem[:, DEADLINE] = 1.0 / site.weight
    if random_start:
        mem[:, DEADLINE] *= site.generator("start").uniform(size=(site.balancers, site.servers))
    mem[:, ORDER] = np.arange(site.servers) - site.servers
    return mem


@balancer(
    "edf_wrr",
    summary="weighted round robin by earliest deadline (Envoy, gRPC)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class EdfWrr(Policy):
    """Weighted round robin by earliest deadline first, Envoy's ROUND_ROBIN (its docs, "weighted round robin").

    Each server has a deadline; the earliest is chosen, of equal ones the one put back first, and its deadline moves
    on by 1 / weight. The cost of a pick does not depend on the weights, which need not be integers.

    Attributes:
        random_start: whether deadlines start anywhere in the first period, each balancer's by its own lot, so that
            balancers do not move in step; else each starts one period ahead.
    """

    random_start: bool = True

    def wire(self, site: Site) -> Wiring:
        """First deadlines."""
        return Wiring(route, mem=first_deadlines(site, random_start=self.random_start), box=[0.0, 0.0])
