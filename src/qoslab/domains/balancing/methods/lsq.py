"""Least connections."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.domains.balancing.choosing import least
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Lsq"]

CITATION = r"""@misc{ipvs_lc,
  author = {{The Linux kernel developers}},
  title = {{IP} Virtual Server: scheduler lc},
  howpublished = {source code of the Linux kernel, net/netfilter/ipvs/ip\_vs\_lc.c},
  url = {https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/ipvs/ip_vs_lc.c}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with fewest own requests in flight."""
    return least(view.active, view.up, stream)


@balancer(
    "lsq",
    summary="the server with fewest own requests in flight (least connections)",
    citation=CITATION,
    origin="ours",
)
@dataclass(frozen=True)
class Lsq(Policy):
    """Local shortest queue, in practice called least connections: argmin of own requests in flight, ties by lot.

    It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """Route by own counters."""
        return Wiring(route)
