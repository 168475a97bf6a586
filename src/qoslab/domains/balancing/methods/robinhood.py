"""Robinhood: a PID controller of utilisation for each server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.methods.smooth_wrr import CURRENT, smooth_pick
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Robinhood", "controlled"]

CITATION = """@misc{dropbox_robinhood,
  author = {{Dropbox}},
  title = {What's new with {Robinhood}, our in-house load balancing service},
  howpublished = {Dropbox engineering blog},
  year = {2024},
  url = {https://dropbox.tech/infrastructure/robinhood-in-house-load-balancing-service}
}"""

SUM, BEFORE, WEIGHT = range(1, 4)
"""Rows of `mem` behind the current weights: integral of the error, error before, weight."""
ROWS = 4
PROPORTIONAL, INTEGRAL, DERIVATIVE, PERIOD, LEAST = range(5)
"""Entries of `par`."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The next server in a weighted round."""
    return smooth_pick(view.mem[CURRENT], view.mem[WEIGHT], view.up)


@kernel
def controlled(view: ProbeView, server: int, error: float) -> float:
    """The PID controller's answer to an error, which it remembers."""
    mem, par = view.mem, view.par
    mem[SUM, server] += error * par[PERIOD]
    slope = (error - mem[BEFORE, server]) / par[PERIOD]
    mem[BEFORE, server] = error
    return (  # type: ignore[no-any-return]
        par[PROPORTIONAL] * error + par[INTEGRAL] * mem[SUM, server] + par[DERIVATIVE] * slope
    )


@kernel
def on_tick(view: ProbeView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """Every weight moves by its controller's answer; the mean weight stays 1."""
    n, weight = view.up.shape[0], view.mem[WEIGHT]
    mean, up = 0.0, 0
    for j in range(n):
        if view.up[j] == 1 and view.seen_at[j] >= 0.0:
            mean += view.seen_usage[j]
            up += 1
    if up == 0:
        return
    mean /= up
    total = 0.0
    for j in range(n):
        if view.up[j] == 1 and view.seen_at[j] >= 0.0:
            moved = weight[j] + controlled(view, j, mean - view.seen_usage[j])
            weight[j] = moved if moved > view.par[LEAST] else view.par[LEAST]
        total += weight[j]
    for j in range(n):
        weight[j] *= n / total


@balancer(
    "robinhood",
    summary="round robin with weights moved by a PID controller towards equal utilisation (Robinhood)",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class Robinhood(Policy):
    """Robinhood, Dropbox' balancer as its engineering blog of October 2024 describes it.

    Each server has a PID controller whose set point is the mean utilisation of all servers and whose output is added to
    the server's weight; weights are normalised (mean 1) and served by weighted round robin. The gains are ours.

    Attributes:
        period_s: time between two steps of the controllers, s; servers report as often.
        proportional: gain on the error, mean utilisation minus own.
        integral: gain on the error's integral, 1/s.
        derivative: gain on the error's slope, s.
        least: least weight, relative to the mean.
    """

    period_s: Annotated[float, Field(gt=0)] = 1.0
    proportional: Annotated[float, Field(ge=0)] = 0.2
    integral: Annotated[float, Field(ge=0)] = 0.0
    derivative: Annotated[float, Field(ge=0)] = 0.05
    least: Annotated[float, Field(gt=0, lt=1)] = 0.01

    def wire(self, site: Site) -> Wiring:
        """Equal weights at first, whatever was configured."""
        mem = np.zeros((ROWS, site.servers))
        mem[WEIGHT] = 1.0
        return Wiring(
            route,
            on_tick=on_tick,
            par=[self.proportional, self.integral, self.derivative, self.period_s, self.least],
            mem=mem,
            tick_s=self.period_s,
            stagger=True,
            probing=Probing(every_s=self.period_s),
        )
