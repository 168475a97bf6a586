"""Policies for tests: one that uses every hook and every field of its view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.domains.balancing.hooks import Policy, Probing, Wiring
from qoslab.domains.balancing.view import age_of_open, area_of_open, busy_time
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import integers, uniform


@kernel
def route_by_all(view, stream, now):
    """The least of a mixture of everything that a probing policy sees."""
    best, least = 0, 1e300
    for j in range(view.active.shape[0]):
        score = view.active[j] + 0.1 * view.seen_queue[j] + 0.01 * age_of_open(view, j, now) + view.mem[0, j]
        score += 0.001 * busy_time(view, j, now) - 0.001 * area_of_open(view, j, now) / (1.0 + now)
        score += (
            0.1 * view.seen_latency[j] + view.seen_usage[j] + 0.1 * view.seen_rate[j] + view.seen_service[j]
        )
        score = score / view.weight[j] + 0.05 * uniform(stream) + 0.001 * (view.flow % 7)
        if view.up[j] == 1 and score < least:
            best, least = j, score
    return best


@kernel
def remember(view, stream, server, duration, now):
    view.mem[0, server] += view.par[0] * (duration - view.mem[0, server])


@kernel
def spread_weights(view, stream, now):
    for j in range(view.weight.shape[0]):
        view.weight[j] = 1.0 + 0.5 * uniform(stream)


@kernel
def hear(view, stream, server, now):
    view.box[0] += view.seen_queue[server] + now - view.seen_at[server]


@kernel
def regret(view, stream, server, now):
    view.mem[0, server] += 1.0
    view.box[1] += integers(stream, 3)


@dataclass(frozen=True)
class UsesAll(Policy):
    """Everything at once."""

    probes: float = 1.5
    every_s: float = 2.0
    delay_s: tuple[float, float] = (0.0, 0.0)
    information = "probing"

    def wire(self, site):
        return Wiring(
            route_by_all,
            remember,
            spread_weights,
            hear,
            regret,
            par=[0.2],
            mem=np.zeros((1, site.servers)),
            box=[0.0, 0.0],
            tick_s=1.7,
            stagger=True,
            probing=Probing(self.probes, self.every_s, self.delay_s, idle=True, piggyback=True, latency=True),
        )
