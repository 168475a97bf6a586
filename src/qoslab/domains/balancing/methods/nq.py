"""Never queue."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Nq"]

CITATION = r"""@misc{ipvs_nq,
  author = {{The Linux kernel developers}},
  title = {{IP} Virtual Server: scheduler nq},
  howpublished = {source code of the Linux kernel, net/netfilter/ipvs/ip\_vs\_nq.c},
  url = {https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/net/netfilter/ipvs/ip_vs_nq.c}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The first server without own requests, else the first with the least (own requests in flight + 1) / weight."""
    lowest, best = math.inf, 0
    for j in range(view.up.shape[0]):
        if view.up[j] == 1:
            if view.active[j] == 0:
                return j
            score = (view.active[j] + 1.0) / view.weight[j]
            if score < lowest:
                lowest, best = score, j
    return best


@balancer(
    "nq",
    summary="the first idle server, else shortest expected delay (never queue)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Nq(Policy):
    """Never queue as in Linux' IP virtual server: an idle server at once, else argmin (active + 1) / weight.

    Idle means without own requests; of several idle servers, and of equal scores, the first in the list is chosen, so
    the order of servers matters. It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """Route by own counters and configured weights."""
        return Wiring(route)
