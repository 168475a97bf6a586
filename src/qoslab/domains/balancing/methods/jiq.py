"""Join the idle queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.domains.balancing.choosing import drawn
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Jiq"]

CITATION = """@article{lu2011joinidlequeue,
  author = {Lu, Yi and Xie, Qiaomin and Kliot, Gabriel and Geller, Alan and Larus, James R. and Greenberg, Albert},
  title = {{Join-Idle-Queue}: A Novel Load Balancing Algorithm for Dynamically Scalable Web Services},
  journal = {Performance Evaluation},
  volume = {68},
  number = {11},
  pages = {1056--1071},
  year = {2011}
}"""

TICKET = 0
"""Row of `mem`: a server's number in the I-queue, from 1; 0 where it is not in it."""
LAST = 0
"""Entry of `box`: the last number given."""
CHOICES = 0
"""Entry of `par`: servers compared where the I-queue is empty."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server that has waited longest in the I-queue; where it is empty, one by lot or the better of two."""
    ticket = view.mem[TICKET]
    best = -1
    for j in range(ticket.shape[0]):
        if ticket[j] > 0.0 and view.up[j] == 1 and (best < 0 or ticket[j] < ticket[best]):
            best = j
    if best < 0:
        best = drawn(view.up, stream, -1)
        if view.par[CHOICES] > 1.0:
            other = drawn(view.up, stream, best)
            best = other if view.active[other] < view.active[best] else best
    ticket[best] = 0.0
    return best


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A server that became idle joins the I-queue; one that others found busy leaves it."""
    if view.seen_queue[server] > 0.0:
        view.mem[TICKET, server] = 0.0
    elif view.mem[TICKET, server] == 0.0:
        view.box[LAST] += 1.0
        view.mem[TICKET, server] = view.box[LAST]


@balancer(
    "jiq",
    summary="a server that reported itself idle, else one by lot",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class Jiq(Policy):
    """Join the idle queue: a server that becomes idle enters the I-queue of one balancer, drawn uniformly (JIQ-Random).

    A request takes the first server of its balancer's I-queue, and the fallback where that is empty. A server leaves
    the I-queue when a request of another balancer reaches it. At the start the I-queues are empty.

    Attributes:
        fallback: `random` for a server by lot; `sq2` for the one with fewer own requests in flight of two by lot.
    """

    fallback: Literal["random", "sq2"] = "random"

    def wire(self, site: Site) -> Wiring:
        """Empty I-queues."""
        return Wiring(
            route,
            on_reply=on_reply,
            par=[2.0 if self.fallback == "sq2" else 1.0],
            mem=np.zeros((1, site.servers)),
            box=[0.0],
            probing=Probing(idle=True),
        )
