"""Locality-aware request distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import least
from qoslab.domains.balancing.hashing import hash_bits
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Lard"]

CITATION = """@inproceedings{pai1998locality,
  author = {Pai, Vivek S. and Aron, Mohit and Banga, Gaurav and Svendsen, Michael and Druschel, Peter and
    Zwaenepoel, Willy and Nahum, Erich},
  title = {Locality-Aware Request Distribution in Cluster-Based Network Servers},
  booktitle = {Proceedings of the Eighth International Conference on Architectural Support for Programming Languages
    and Operating Systems},
  pages = {205--216},
  year = {1998}
}"""

LOW, HIGH = range(2)
"""Entries of `par`."""


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The target's server, unless it is overloaded; the least loaded for a new target or in its place."""
    target = hash_bits(view.flow, 0, 62) % view.box.shape[0]
    j = int(view.box[target])
    if j >= 0 and view.up[j] == 1:
        if view.active[j] <= view.par[HIGH]:
            return j
        other = least(view.active, view.up, stream)
        if view.active[j] < 2.0 * view.par[HIGH] and view.active[other] >= view.par[LOW]:
            return j
    else:
        other = least(view.active, view.up, stream)
    view.box[target] = other
    return other


@balancer(
    "lard",
    summary="requests of one content to one server, moved only under imbalance (LARD)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Lard(Policy):
    """Basic LARD: a target, which is a flow here, stays on its server until that is overloaded.

    A new target goes to the least loaded server. It moves to the least loaded one when its server's load exceeds
    `high` while another's is below `low`, or when its server's load reaches 2 `high`. Load is own requests in flight.
    Targets whose hashes meet in the table share an entry.

    Attributes:
        low: load below which a server counts as underused.
        high: load above which a server counts as overloaded.
        targets: size of the table of targets.
    """

    low: Annotated[float, Field(ge=0)] = 25.0
    high: Annotated[float, Field(gt=0)] = 65.0
    targets: Annotated[int, Field(ge=1, le=2**24)] = 65_536

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """A table without any targets."""
        return Wiring(route, par=[self.low, self.high], box=np.full(self.targets, -1.0))
