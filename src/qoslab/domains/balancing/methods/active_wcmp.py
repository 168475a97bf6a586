"""Active WCMP: weights from polled queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.choosing import weighted
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["ActiveWcmp"]

CITATION = """@inproceedings{yao2021reinforced,
  author = {Yao, Zhiyuan and Ding, Zihan and Clausen, Thomas},
  title = {Reinforced Workload Distribution Fairness},
  booktitle = {Workshop on Machine Learning for Systems at NeurIPS},
  year = {2021}
}"""

NEW = 0
"""Entry of `par`: the share of the new weights."""
ANSWERS = 0
"""Entry of `box`: answers since the weights were set."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """A server drawn by weight."""
    return weighted(view.weight, view.up, stream)


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """Weights move, once as many answers came as servers are up."""
    view.box[ANSWERS] += 1.0
    up, longest = 0, 0.0
    for j in range(view.up.shape[0]):
        up += view.up[j]
        if view.up[j] == 1 and view.seen_queue[j] > longest:
            longest = view.seen_queue[j]
    if view.box[ANSWERS] < up:
        return
    view.box[ANSWERS] = 0.0
    for j in range(view.up.shape[0]):
        room = longest - view.seen_queue[j]
        room = room if room > 0.0 else 0.0
        view.weight[j] = view.par[NEW] * room + (1.0 - view.par[NEW]) * view.weight[j]


@balancer(
    "active_wcmp",
    summary="weighted lot with smoothed weights, longest queue - own queue, polled",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class ActiveWcmp(Policy):
    """Active WCMP of the SimLB simulator: a weighted lot with w <- smoothing (max q - q) + (1 - smoothing) w.

    Queues q are polled from all servers each `period_s` and arrive after a uniform delay; weights move when the round
    is complete and start as configured.

    Attributes:
        period_s: time between two polls, s.
        delay_low_s: least delay of an answer, s.
        delay_high_s: largest delay of an answer, s; at least `delay_low_s`.
        smoothing: share of the new weights.
    """

    period_s: Annotated[float, Field(gt=0)] = 0.5
    delay_low_s: Annotated[float, Field(ge=0)] = 0.05
    delay_high_s: Annotated[float, Field(ge=0)] = 0.2
    smoothing: Annotated[float, Field(gt=0, le=1)] = 0.5

    def wire(self, site: Site) -> Wiring:  # noqa: ARG002
        """The configured weights at first."""
        delay = (self.delay_low_s, max(self.delay_low_s, self.delay_high_s))
        return Wiring(
            route,
            on_reply=on_reply,
            par=[self.smoothing],
            box=[0.0],
            probing=Probing(every_s=self.period_s, delay_s=delay),
        )
