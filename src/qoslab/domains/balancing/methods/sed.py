"""Shortest expected delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.choosing import least_per_weight
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Sed"]

CITATION = r"""@misc{ipvs_sed,
  author = {{The Linux kernel developers}},
  title = {{IP} Virtual Server: scheduler sed},
  howpublished = {source code of the Linux kernel, net/netfilter/ipvs/ip\_vs\_sed.c},
  url = {https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/ipvs/ip_vs_sed.c}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with the least (own requests in flight + 1) / weight."""
    return least_per_weight(view.active, 1.0, view.weight, view.up, view.mem[0], stream)


@balancer(
    "sed",
    summary="the server with the least (own requests in flight + 1) / weight",
    citation=CITATION,
    origin="ours",
)
@dataclass(frozen=True)
class Sed(Policy):
    """Shortest expected delay as in Linux' IP virtual server: argmin (active + 1) / weight, ties by lot.

    It trusts the configured weights and has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """Route by own counters and configured weights."""
        return Wiring(route, mem=np.zeros((1, site.servers)))
