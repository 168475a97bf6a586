"""Shortest expected delay of d servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.choosing import another
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["SedD", "best_of_some"]

CHOICES = 0
"""Entry of `par`."""


@kernel
def best_of_some(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least (own requests in flight + 1) / weight of d servers drawn without replacement; ties to the first."""
    best = 0
    for k in range(int(view.par[CHOICES])):
        j = another(view.box, k, view.up, stream)
        if j < 0:
            return best
        view.box[k] = j
        if k == 0 or (view.active[j] + 1.0) / view.weight[j] < (view.active[best] + 1.0) / view.weight[best]:
            best = j
    return best


@balancer(
    "sed_d",
    summary="shortest expected delay of d servers drawn by lot",
    origin="ours",
)
@dataclass(frozen=True)
class SedD(Policy):
    """SED(d): the least (own requests in flight + 1) / weight of d servers drawn by lot, ties to the one drawn first.

    Attributes:
        d: how many servers are drawn, without replacement, among those that are up; all of them where there are fewer.
    """

    d: Annotated[int, Field(ge=1)] = 2

    def wire(self, site: Site) -> Wiring:
        """Room for the candidates."""
        d = min(self.d, site.servers)
        return Wiring(best_of_some, par=[d], box=[0.0] * d)
