"""Weighted least connections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.choosing import least_per_weight
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Wlc"]

CITATION = r"""@misc{ipvs_wlc,
  author = {{The Linux kernel developers}},
  title = {{IP} Virtual Server: scheduler wlc},
  howpublished = {source code of the Linux kernel, net/netfilter/ipvs/ip\_vs\_wlc.c},
  url = {https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/ipvs/ip_vs_wlc.c}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with the least own requests in flight / weight."""
    return least_per_weight(view.active, 0.0, view.weight, view.up, view.mem[0], stream)


@balancer(
    "wlc",
    summary="the server with the least own requests in flight / weight (weighted least connections)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Wlc(Policy):
    """Weighted least connections as in Linux' IP virtual server: argmin active / weight, ties by lot.

    All idle servers are equal to it, whatever their weights; `sed` counts the request to come. Inactive connections,
    which the kernel adds with a small weight, do not exist here. It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """Route by own counters and configured weights."""
        return Wiring(route, mem=np.zeros((1, site.servers)))
