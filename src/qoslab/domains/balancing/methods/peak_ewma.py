"""Peak-EWMA with two choices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import drawn
from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["PeakEwma"]

CITATION = """@misc{linkerd_peak_ewma,
  author = {{The Linkerd authors}},
  title = {Beyond Round Robin: Load Balancing for Latency},
  howpublished = {Linkerd blog},
  year = {2016},
  url = {https://linkerd.io/2016/03/16/beyond-round-robin-load-balancing-for-latency}
}"""

COST, STAMP = range(2)
"""Rows of `mem`: the average, s, and when it was brought up to date, s."""
TAU, PENALTY = range(2)
"""Entries of `par`."""


@kernel
def observe(view: LocalView, server: int, duration: float, now: float) -> None:
    """Let the average jump up to a longer duration, or decay towards a shorter one."""
    keep = math.exp(-(now - view.mem[STAMP, server]) / view.par[TAU])
    cost = view.mem[COST, server]
    view.mem[STAMP, server] = now
    view.mem[COST, server] = duration if duration > cost else cost * keep + duration * (1.0 - keep)


@kernel
def load(view: LocalView, server: int, now: float) -> float:
    """The average, decayed to the present, times the own requests with the one to come."""
    observe(view, server, 0.0, now)
    cost, pending = view.mem[COST, server], view.active[server]
    if cost == 0.0 and pending > 0:
        return view.par[PENALTY] + pending  # type: ignore[no-any-return]
    return cost * (pending + 1.0)  # type: ignore[no-any-return]


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:
    """The lower load of two servers drawn by lot; ties to the one drawn first."""
    first = drawn(view.up, stream, -1)
    second = drawn(view.up, stream, first)
    return second if load(view, second, now) < load(view, first, now) else first


@kernel
def on_complete(view: LocalView, stream: Stream, server: int, duration: float, now: float) -> None:  # noqa: ARG001
    """A duration is observed."""
    observe(view, server, duration, now)


@balancer(
    "peak_ewma",
    summary="the lower peak-sensitive latency average times pending requests, of two (Finagle, Linkerd)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PeakEwma(Policy):
    """Peak-EWMA with the power of two choices, as in Finagle (`Balancers.p2cPeakEwma`) and Linkerd.

    A server's average duration rises at once to a longer observation, and is else e * d + x * (1 - e) with
    d the average, x the observation and e = exp(-elapsed / tau); reading it observes x = 0, so that it decays while
    nothing is heard. Load = average * (own requests in flight + 1); a server that has requests and was never heard of
    counts `penalty` + requests instead. Weights do not count.

    Attributes:
        tau_s: time constant of the decay, s.
        penalty: load of a server with requests in flight and without any observation, s; large.
    """

    tau_s: Annotated[float, Field(gt=0)] = 10.0
    penalty: Annotated[float, Field(gt=0)] = 1e9

    def wire(self, site: Site) -> Wiring:
        """Nothing observed yet."""
        return Wiring(
            route, on_complete=on_complete, par=[self.tau_s, self.penalty], mem=np.zeros((2, site.servers))
        )
