"""Softmin of d queues seen some time ago."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.choosing import another
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["Softmin"]

CITATION = """@inproceedings{tahir2022learning,
  author = {Tahir, Anam and Cui, Kai and Koeppl, Heinz},
  title = {Learning Mean-Field Control for Delayed Information Load Balancing in Large Queuing Systems},
  booktitle = {Proceedings of the 51st International Conference on Parallel Processing},
  year = {2022}
}"""

BETA, CHOICES = range(2)
"""Entries of `par`."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """One of d servers drawn by lot, with probability in proportion to exp(-beta * queue seen)."""
    count, shortest = 0, math.inf
    for _ in range(int(view.par[CHOICES])):
        j = another(view.box, count, view.up, stream)
        if j < 0:
            break
        view.box[count] = j
        count += 1
        shortest = view.seen_queue[j] if view.seen_queue[j] < shortest else shortest
    if count == 0:
        return 0
    total = 0.0
    for k in range(count):
        total += math.exp(-view.par[BETA] * (view.seen_queue[int(view.box[k])] - shortest))
    mark = uniform(stream) * total
    for k in range(count):
        mark -= math.exp(-view.par[BETA] * (view.seen_queue[int(view.box[k])] - shortest))
        if mark < 0.0:
            return int(view.box[k])
    return int(view.box[count - 1])


@balancer(
    "softmin",
    summary="one of d servers with probability falling in the queue last reported",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class Softmin(Policy):
    """Softmin: of d servers drawn by lot, one with probability proportional to exp(-beta q), q the queue last reported.

    Between the lot (beta 0) and JSQ(d) on old information (large beta): the older the reports, the smaller the best
    beta, since all balancers herd to queues that were short. The paper learns a policy for this setting and compares
    with the two ends; a tuned softmin is the bar to pass.

    Attributes:
        beta: inverse temperature, per request in the queue.
        d: how many servers are drawn, without replacement, among those that are up.
        period_s: time between reports of all servers, s.
    """

    beta: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    d: Annotated[int, Field(ge=1)] = 2
    period_s: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """Room for the candidates."""
        d = min(self.d, site.servers)
        return Wiring(route, par=[self.beta, d], box=[0.0] * d, probing=Probing(every_s=self.period_s))
