"""Envoy's LEAST_REQUEST."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.choosing import drawn
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.edf_wrr import (
    CLOCK,
    DEADLINE,
    ORDER,
    earliest,
    first_deadlines,
    put_back,
)
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["EnvoyLeastRequest"]

CITATION = """@misc{envoy_lb,
  author = {{The Envoy project authors}},
  title = {Supported load balancers},
  howpublished = {documentation of Envoy},
  url = {https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/load_balancers}
}"""

CHOICES, BIAS = range(2)
"""Entries of `par`."""


@kernel
def route_equal(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The fewest own requests in flight of some servers drawn with replacement; ties to the one drawn first."""
    best = drawn(view.up, stream, -1)
    for _ in range(1, int(view.par[CHOICES])):
        j = drawn(view.up, stream, -1)
        if view.active[j] < view.active[best]:
            best = j
    return best


@kernel
def route_weighted(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The earliest deadline; the next one follows from the weight and the requests in flight at this moment."""
    j = earliest(view.mem[DEADLINE], view.mem[ORDER], view.up, view.box[CLOCK])
    share = view.weight[j] / math.pow(view.active[j] + 1.0, view.par[BIAS])
    put_back(view.mem[DEADLINE], view.mem[ORDER], view.box, j, share)
    return j


@balancer(
    "envoy_least_request",
    summary="best of two where weights are equal, else round robin by weight per request in flight (Envoy)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class EnvoyLeastRequest(Policy):
    """Envoy's LEAST_REQUEST, as its documentation of `least_request` describes it.

    With equal weights: the fewest own requests in flight of `choice_count` servers drawn by lot, with replacement.
    With unequal weights: round robin by earliest deadline with the dynamic weight weight / (active + 1)^bias, which is
    brought up to date for a server when it is picked, and only then.

    Attributes:
        choice_count: servers that are drawn where weights are equal.
        active_request_bias: exponent by which requests in flight count where weights are unequal; 0 is `edf_wrr`.
        random_start: whether deadlines start anywhere in the first period, by each balancer's own lot.
    """

    choice_count: Annotated[int, Field(ge=2)] = 2
    active_request_bias: Annotated[float, Field(ge=0)] = 1.0
    random_start: bool = True

    def wire(self, site: Site) -> Wiring:
        """The regime that the weights ask for."""
        par = [self.choice_count, self.active_request_bias]
        if site.weight.min() == site.weight.max():
            return Wiring(route_equal, par=par)
        mem = first_deadlines(site, random_start=self.random_start)
        return Wiring(route_weighted, par=par, mem=mem, box=[0.0, 0.0])
