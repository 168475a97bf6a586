"""Boltzmann choice over expected delays seen some time ago."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import weighted
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Boltzmann"]

CHANCE = 0
"""Row of `mem`, for the chances of one decision."""
TEMPERATURE, MEAN = range(2)
"""Entries of `par`."""


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """Any server, with probability in proportion to weight * exp(-delay / temperature)."""
    chance, mean = view.mem[CHANCE], view.par[MEAN]
    shortest = math.inf
    for j in range(view.up.shape[0]):
        chance[j] = (view.seen_queue[j] + 1.0) * mean / view.weight[j]
        if view.up[j] == 1 and chance[j] < shortest:
            shortest = chance[j]
    for j in range(view.up.shape[0]):
        longer = chance[j] - shortest if chance[j] > shortest else 0.0
        chance[j] = view.weight[j] * math.exp(-longer / view.par[TEMPERATURE])
    return weighted(chance, view.up, stream)


@balancer(
    "boltzmann",
    summary="any server with probability falling in its expected delay when it last reported",
    information="probing",
    origin="ours",
)
@dataclass(frozen=True)
class Boltzmann(Policy):
    """Boltzmann choice: server j with probability in proportion to w_j exp(-D_j / temperature).

    D_j = (q_j + 1) / w_j is the expected delay at the server's last report, in mean service times of a server of mean
    weight. Temperature infinity is the weighted lot; towards 0 it is shortest expected delay on old reports.

    Attributes:
        temperature: spread of delays that still counts as equal, in mean service times.
        period_s: time between reports of all servers, s.
    """

    temperature: Annotated[float, Field(gt=1e-6)] = 1.0
    period_s: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """Room for the chances."""
        return Wiring(
            route,
            par=[self.temperature, float(site.weight.mean())],
            mem=np.zeros((1, site.servers)),
            probing=Probing(every_s=self.period_s),
        )
