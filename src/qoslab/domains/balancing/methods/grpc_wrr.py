"""Client-side weighted round robin of gRPC (A58) and Envoy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.methods.edf_wrr import CLOCK, COUNT, DEADLINE, ORDER, earliest, put_back
from qoslab.domains.balancing.methods.round_robin import next_in_turn
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["GrpcWrr", "reported_weight"]

CITATION = """@misc{grpc_a58,
  author = {{The gRPC authors}},
  title = {{A58}: Client-Side Weighted Round Robin {LB} Policy},
  howpublished = {gRPC proposals},
  url = {https://github.com/grpc/proposal/blob/master/A58-client-side-weighted-round-robin-lb-policy.md}
}"""

WEIGHT, SINCE, UPDATED, LOST, ENDED = range(2, 7)
"""Rows of `mem` behind deadline and order: weight by the last report, since when reports are usable, when it came, own
requests lost and ended since."""
ROWS = 7
USABLE, LAST = range(2, 4)
"""Entries of `box` behind clock and count: how many weights are usable, and the server chosen last in turn."""
PENALTY, BLACKOUT, EXPIRY = range(3)
"""Entries of `par`."""


@kernel
def reported_weight(rate: float, usage: float, errors: float, penalty: float) -> float:
    """Weight = rate / (usage + errors * penalty), errors per request; 0 for a report that cannot be used."""
    if rate <= 0.0 or usage <= 0.0:
        return 0.0
    return rate / (usage + errors * penalty)


@kernel
def usable_weight(view: ProbeView, server: int, now: float) -> float:
    """A server's weight, 0 during the blackout and after it has expired; an expired one starts a new blackout."""
    mem = view.mem
    if now - mem[UPDATED, server] >= view.par[EXPIRY]:
        mem[SINCE, server] = math.inf
        return 0.0
    if view.par[BLACKOUT] > 0.0 and now - mem[SINCE, server] < view.par[BLACKOUT]:
        return 0.0
    return mem[WEIGHT, server]  # type: ignore[no-any-return]


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The earliest deadline; servers in turn while fewer than two weights are usable."""
    if view.box[USABLE] < 2.0:
        j = next_in_turn(view, int(view.box[LAST]))
        view.box[LAST] = j
        return j
    j = earliest(view.mem[DEADLINE], view.mem[ORDER], view.up, view.box[CLOCK])
    put_back(view.mem[DEADLINE], view.mem[ORDER], view.box, j, view.weight[j])
    return j


@kernel
def on_tick(view: ProbeView, stream: Stream, now: float) -> None:
    """A new scheduler: usable weights, the others at the mean of these, deadlines by lot in the first period."""
    n = view.up.shape[0]
    usable, total = 0, 0.0
    for j in range(n):
        view.weight[j] = usable_weight(view, j, now)
        if view.weight[j] > 0.0:
            usable += 1
            total += view.weight[j]
    view.box[USABLE] = usable
    view.box[CLOCK] = 0.0
    view.box[COUNT] = 0.0
    for j in range(n):
        if view.weight[j] == 0.0:
            view.weight[j] = total / usable if usable > 0 else 1.0
        view.mem[DEADLINE, j] = uniform(stream) / view.weight[j]
        view.mem[ORDER, j] = j - n


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A report is turned into a weight."""
    mem = view.mem
    ended = mem[ENDED, server]
    errors = mem[LOST, server] / ended if ended > 0.0 else 0.0
    weight = reported_weight(view.seen_rate[server], view.seen_usage[server], errors, view.par[PENALTY])
    if weight == 0.0:
        return
    mem[LOST, server] = 0.0
    mem[ENDED, server] = 0.0
    if mem[SINCE, server] == math.inf:
        mem[SINCE, server] = now
    mem[UPDATED, server] = now
    mem[WEIGHT, server] = weight


@kernel
def on_complete(view: ProbeView, stream: Stream, server: int, duration: float, now: float) -> None:  # noqa: ARG001
    """A request that went well."""
    view.mem[ENDED, server] += 1.0


@kernel
def on_loss(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A request that did not."""
    view.mem[LOST, server] += 1.0
    view.mem[ENDED, server] += 1.0


@balancer(
    "grpc_wrr",
    summary="round robin with weights from the servers' reported rate and utilisation (gRPC A58)",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class GrpcWrr(Policy):
    """Client-side weighted round robin, gRFC A58 and Envoy's extension of the same name.

    Servers report requests per second q and utilisation u, and weight = q / (u + e * penalty) with e the share of own
    requests since the report before that were rejected or timed out. Each `update_s` a new earliest-deadline scheduler
    is made of the weights that are usable: not within `blackout_s` of the first report, nor `expiry_s` old. A server
    without one gets the mean of the usable ones; with fewer than two, servers are taken in turn.

    Attributes:
        update_s: time between two schedulers, s; below 0.1 it is taken as 0.1.
        blackout_s: time after a server's first report, or first after expiry, in which its weight is not used, s.
        expiry_s: age at which a weight is no longer used, s.
        penalty: weight of the error rate against utilisation.
        report_s: period of out-of-band reports, s; 0 for a report with every response (gRPC's default), which here
            measures only the time since the response before, where real servers average over seconds.
    """

    update_s: Annotated[float, Field(gt=0)] = 1.0
    blackout_s: Annotated[float, Field(ge=0)] = 10.0
    expiry_s: Annotated[float, Field(gt=0)] = 180.0
    penalty: Annotated[float, Field(ge=0)] = 1.0
    report_s: Annotated[float, Field(ge=0)] = 10.0

    def wire(self, site: Site) -> Wiring:
        """No weights yet; turns start at a server by lot."""
        mem = np.zeros((ROWS, site.servers))
        mem[SINCE], mem[UPDATED] = math.inf, -math.inf
        box = np.zeros((site.balancers, 4))
        box[:, LAST] = site.generator("start").integers(site.servers, size=site.balancers)
        return Wiring(
            route,
            on_complete=on_complete,
            on_tick=on_tick,
            on_reply=on_reply,
            on_loss=on_loss,
            par=[self.penalty, self.blackout_s, self.expiry_s],
            mem=mem,
            box=box,
            tick_s=max(self.update_s, 0.1),
            stagger=True,
            probing=Probing(every_s=self.report_s, piggyback=self.report_s == 0.0),
        )
