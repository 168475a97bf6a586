"""Shortest expected delay with capacities estimated from completions and busy time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.sed import route
from qoslab.domains.balancing.view import LocalView, busy_time
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Little"]

DONE, BUSY, DONE_BEFORE, BUSY_BEFORE = range(1, 5)
"""Rows of `mem` behind the scores of `sed`: discounted completions and busy time, s; totals at the step before."""
KEEP, PRIOR = range(2)
"""Entries of `par`: share kept per step, and completions that the mean capacity counts for."""


@kernel
def on_tick(view: LocalView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """Weights become completions per busy time, both discounted."""
    mem, n = view.mem, view.up.shape[0]
    done, busy = 0.0, 0.0
    for j in range(n):
        running = busy_time(view, j, now)
        mem[DONE, j] = view.par[KEEP] * mem[DONE, j] + view.done[j] - mem[DONE_BEFORE, j]
        mem[BUSY, j] = view.par[KEEP] * mem[BUSY, j] + running - mem[BUSY_BEFORE, j]
        mem[DONE_BEFORE, j] = view.done[j]
        mem[BUSY_BEFORE, j] = running
        done += mem[DONE, j]
        busy += mem[BUSY, j]
    if done <= 0.0 or busy <= 0.0:
        return
    prior = view.par[PRIOR]
    for j in range(n):
        view.weight[j] = (mem[DONE, j] + prior) / (mem[BUSY, j] + prior * busy / done)


@balancer(
    "little",
    summary="shortest expected delay with capacities from completions per busy time",
    origin="ours",
)
@dataclass(frozen=True)
class Little(Policy):
    """Blind SED: argmin (active + 1) / c, c_j the own completions of server j per time in which it had own requests.

    By Little's law a server of one core that is busy completes at its capacity. Completions and busy time are
    discounted exponentially, so that c follows drift; `prior` completions at the mean rate of all servers stand in
    while a server has few. Weights start equal. With several balancers a busy time is shared with others, so c
    measures the part of the capacity that this balancer gets.

    Attributes:
        memory_s: time constant of the discount, s.
        period_s: time between two steps, s.
        prior: completions that the mean capacity counts for.
    """

    memory_s: Annotated[float, Field(gt=0)] = 100.0
    period_s: Annotated[float, Field(gt=0)] = 0.5
    prior: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """Equal weights, whatever was configured."""
        return Wiring(
            route,
            on_tick=on_tick,
            par=[math.exp(-self.period_s / self.memory_s), self.prior],
            weight=np.ones(site.servers),
            mem=np.zeros((5, site.servers)),
            tick_s=self.period_s,
            stagger=True,
        )
