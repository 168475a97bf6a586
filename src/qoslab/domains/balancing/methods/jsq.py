"""Join the shortest queue, or the shortest of d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.choosing import least
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import OracleView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, integers

__all__ = ["Jsq"]

CITATION = """@article{mitzenmacher2001power,
  author = {Mitzenmacher, Michael},
  title = {The Power of Two Choices in Randomized Load Balancing},
  journal = {IEEE Transactions on Parallel and Distributed Systems},
  volume = {12},
  number = {10},
  pages = {1094--1104},
  year = {2001}
}"""


@kernel
def route_all(view: OracleView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with fewest requests of all."""
    return least(view.queue, view.up, stream)


@kernel
def route_some(view: OracleView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with fewest requests of d drawn without replacement; ties to the one drawn first.

    Each candidate is drawn from the servers until it is one that was not drawn before: the candidates so far are kept
    in `box`.
    """
    n, d = view.queue.shape[0], int(view.par[0])
    best = integers(stream, n)
    view.box[0] = best
    for k in range(1, d):
        fresh = False
        other = best
        while not fresh:
            other = integers(stream, n)
            fresh = True
            for i in range(k):
                if view.box[i] == other:
                    fresh = False
        view.box[k] = other
        if view.up[best] == 0 or (view.up[other] == 1 and view.queue[other] < view.queue[best]):
            best = other
    return best


@balancer(
    "jsq",
    summary="the server with fewest requests, of all or of d drawn by lot",
    citation=CITATION,
    information="oracle",
)
@dataclass(frozen=True)
class Jsq(Policy):
    """Join the shortest queue, JSQ(d), on the servers' true queues.

    Attributes:
        d: how many servers are drawn, without replacement, and compared; 0 for all of them, with ties broken by lot.
    """

    d: Annotated[int, Field(ge=0)] = 0

    def wire(self, site: Site) -> Wiring:
        """Compare all servers, or d of them."""
        if self.d == 0 or self.d >= site.servers:
            return Wiring(route_all)
        return Wiring(route_some, par=[self.d], box=[0.0] * self.d)
