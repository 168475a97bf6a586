"""HLB whose measurement error adapts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.hlb import CITATION, MEAN, SENSOR, SYSTEM, VARIANCE, filtered
from qoslab.domains.balancing.methods.sed import route
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["HlbAda"]

KEEP = SENSOR + 1
"""Entry of `par`: how much of the variance of a measurement is kept at each step."""


@kernel
def on_tick(view: LocalView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """One step of the filters, then of the variance of a measurement."""
    spread = filtered(view, view.box[0], now)
    view.box[0] = view.par[KEEP] * view.box[0] + (1.0 - view.par[KEEP]) * spread + view.par[SYSTEM]


@balancer(
    "hlb_ada",
    summary="HLB whose measurement error follows the spread of the measurements",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class HlbAda(Policy):
    """HLB (see `hlb`) with an adaptive sensor: after each step sensor^2 <- keep sensor^2 + (1 - keep) V + system^2.

    V is the variance over servers of the step's measurements z. As the authors' simulator has it, system^2 is added
    at each step, so that sensor^2 settles at V + system^2 / (1 - keep).

    Attributes:
        period_s: time between two steps, s.
        system: standard deviation of the state's step.
        sensor: first standard deviation of a measurement.
        keep: share of sensor^2 that a step keeps.
    """

    period_s: Annotated[float, Field(gt=0)] = 0.5
    system: Annotated[float, Field(gt=0)] = 0.01
    sensor: Annotated[float, Field(gt=0)] = 0.4
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.99

    def wire(self, site: Site) -> Wiring:
        """Equal weights, whatever was configured."""
        mem = np.zeros((4, site.servers))
        mem[MEAN], mem[VARIANCE] = 1.0, self.sensor**2
        return Wiring(
            route,
            on_tick=on_tick,
            par=[0.0, self.system**2, self.sensor**2, self.keep],
            weight=np.full(site.servers, 1.0 / site.servers),
            mem=mem,
            box=[self.sensor**2],
            tick_s=self.period_s,
            stagger=True,
        )
