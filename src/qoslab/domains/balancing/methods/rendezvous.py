"""Weighted rendezvous hashing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qoslab.domains.balancing.hashing import hash_bits, hash_unit
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.ecmp import SALT, draw_salt
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Rendezvous"]

CITATION = """@article{thaler1998using,
  author = {Thaler, David G. and Ravishankar, Chinya V.},
  title = {Using Name-Based Mappings to Increase Hit Rates},
  journal = {IEEE/ACM Transactions on Networking},
  volume = {6},
  number = {1},
  pages = {1--14},
  year = {1998}
}"""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server with the largest -weight / ln(hash of flow and server)."""
    key = hash_bits(view.flow, int(view.par[SALT]), 62)
    most, best = -1.0, 0
    for j in range(view.up.shape[0]):
        if view.up[j] == 1:
            score = -view.weight[j] / math.log(hash_unit(key, j))
            if score > most:
                most, best = score, j
    return best


@balancer(
    "rendezvous",
    summary="the server whose weighted hash with the flow is highest",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Rendezvous(Policy):
    """Highest random weight: argmax -w_j / ln u_j, where u_j in (0, 1) is the hash of the flow and server j.

    The share of server j is exactly w_j / sum w in the mean over flows, and a server that goes moves only its own
    flows. A request costs one hash and one logarithm per server. It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """A hash function by lot, the same for all balancers."""
        return Wiring(route, par=[draw_salt(site)])
