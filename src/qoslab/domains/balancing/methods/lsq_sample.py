"""Local shortest queue of Vargaftik, Keslassy and Orda."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import least_of
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["LsqSample"]

CITATION = """@article{vargaftik2020lsq,
  author = {Vargaftik, Shay and Keslassy, Isaac and Orda, Ariel},
  title = {{LSQ}: Load Balancing in Large-Scale Heterogeneous Systems With Multiple Dispatchers},
  journal = {IEEE/ACM Transactions on Networking},
  volume = {28},
  number = {3},
  pages = {1186--1198},
  year = {2020}
}"""

LENGTH = 0
"""Row of `mem`: queues as this balancer believes them to be."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server whose remembered queue is shortest; it grows by the request."""
    j = least_of(view.mem[LENGTH], view.up, stream)
    view.mem[LENGTH, j] += 1.0
    return j


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A sample replaces what was remembered."""
    view.mem[LENGTH, server] = view.seen_queue[server]


@balancer(
    "lsq_sample",
    summary="the shortest of remembered queues, refreshed by few samples",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class LsqSample(Policy):
    """Local shortest queue (LSQ-Sample): each balancer keeps a local array of queue lengths that may be out of date.

    A request goes to the least entry, ties by lot, and adds 1 to it; samples of servers drawn uniformly replace their
    entries. Not to be confused with `lsq`, which counts own requests.

    Attributes:
        samples: samples asked for at each request; a fraction holds in the mean.
    """

    samples: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """All queues are believed empty."""
        return Wiring(
            route,
            on_reply=on_reply,
            mem=np.zeros((1, site.servers)),
            probing=Probing(per_request=min(self.samples, float(site.servers))),
        )
