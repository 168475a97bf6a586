"""Equal-cost multipath: a server by the hash of the flow."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.domains.balancing.hashing import hash_bits
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Ecmp", "draw_salt"]

CITATION = """@techreport{rfc2992,
  author = {Hopps, Christian},
  title = {Analysis of an Equal-Cost Multi-Path Algorithm},
  type = {RFC},
  number = {2992},
  institution = {RFC Editor},
  year = {2000},
  doi = {10.17487/RFC2992}
}"""

SALT = 0
"""Entry of `par`: which hash function."""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The server whose rank among those that are up is the flow's hash modulo their number."""
    up = 0
    for j in range(view.up.shape[0]):
        up += view.up[j]
    if up == 0:
        return 0
    rank = hash_bits(view.flow, int(view.par[SALT]), 62) % up
    for j in range(view.up.shape[0]):
        rank -= view.up[j]
        if rank < 0:
            return j
    return 0


def draw_salt(site: Site) -> float:
    """A hash function of this trial's own, the same for all balancers: its salt, below 2**52."""
    return float(site.generator("hash").integers(2**52))


@balancer(
    "ecmp",
    summary="the server that the flow's hash points to, modulo their number",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Ecmp(Policy):
    """Equal-cost multipath by hash of the flow modulo the number of servers that are up (RFC 2992, "modulo-N hash").

    Requests of one flow meet at one server while the set of servers stands; a change of the set moves nearly all
    flows. All balancers hash alike. Weights do not count. It has no parameters.
    """

    def wire(self, site: Site) -> Wiring:
        """A hash function by lot."""
        return Wiring(route, par=[draw_salt(site)])
