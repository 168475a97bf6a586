"""C3: cubic replica ranking and cubic rate control."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import least_of
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["C3", "cubic_rate", "score"]

CITATION = """@inproceedings{suresh2015c3,
  author = {Suresh, Lalith and Canini, Marco and Schmid, Stefan and Feldmann, Anja},
  title = {{C3}: Cutting Tail Latency in Cloud Data Stores via Adaptive Replica Selection},
  booktitle = {12th USENIX Symposium on Networked Systems Design and Implementation},
  pages = {513--527},
  year = {2015}
}"""

SCORE, RESPONSE, SERVICE, QUEUE = range(4)
"""Rows of `mem`: the score; averages of response time, service time and queue."""
RATE, BEFORE, LOWERED, RAISED, TOKENS, FILLED, GOT, WINDOW, ARRIVING = range(4, 13)
"""Rows of `mem` for rate control: rates per window, instants in s."""
ROWS = 13
CLIENTS, SMOOTHING, CONTROL, DELTA, BETA, GAMMA, STEP, HYSTERESIS = range(8)
"""Entries of `par`."""
LEAST_RATE = 0.1


@kernel
def score(response: float, service: float, queue: float, own: float, clients: float) -> float:
    """Psi = R - 1/mu + q^3 / mu with the estimated queue q = 1 + own * clients + mean queue seen."""
    estimate = 1.0 + own * clients + queue
    return response - service + estimate * estimate * estimate * service


@kernel
def cubic_rate(before: float, elapsed: float, beta: float, gamma: float) -> float:
    """Gamma (elapsed - cbrt(beta before / gamma))^3 + before: steep, flat near the rate before, steep again."""
    distance = elapsed - math.exp(math.log(beta * before / gamma) / 3.0)
    return gamma * distance * distance * distance + before


@kernel
def take_token(view: ProbeView, server: int, now: float) -> bool:
    """Whether the rate limiter of a server lets one more request pass; if so, it counts it."""
    mem = view.mem
    room = mem[RATE, server] if mem[RATE, server] > 1.0 else 1.0
    tokens = mem[TOKENS, server] + (now - mem[FILLED, server]) / view.par[DELTA] * mem[RATE, server]
    tokens = tokens if tokens < room else room
    mem[FILLED, server] = now
    mem[TOKENS, server] = tokens - 1.0 if tokens >= 1.0 else tokens
    return tokens >= 1.0


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:
    """The lowest score among servers whose rate allows another request; where none does, the lowest of all."""
    mem, par = view.mem, view.par
    for j in range(view.up.shape[0]):
        mem[SCORE, j] = score(
            mem[RESPONSE, j], mem[SERVICE, j], mem[QUEUE, j], float(view.active[j]), par[CLIENTS]
        )
    best = least_of(mem[SCORE], view.up, stream)
    if par[CONTROL] == 0.0:
        return best
    j = best
    for _ in range(view.up.shape[0]):
        if view.up[j] == 0 or mem[SCORE, j] == math.inf:
            break
        if take_token(view, j, now):
            return j
        mem[SCORE, j] = math.inf
        j = least_of(mem[SCORE], view.up, stream)
    return best


@kernel
def control(view: ProbeView, server: int, now: float) -> None:
    """Count a response and adapt the sending rate: down by beta where it exceeds the receiving rate, else up."""
    mem, par = view.mem, view.par
    mem[GOT, server] += 1.0
    elapsed = now - mem[WINDOW, server]
    if elapsed >= par[DELTA]:
        mem[ARRIVING, server] = mem[GOT, server] * par[DELTA] / elapsed
        mem[GOT, server] = 0.0
        mem[WINDOW, server] = now
    rate, arriving = mem[RATE, server], mem[ARRIVING, server]
    if rate > arriving and now - mem[RAISED, server] > par[HYSTERESIS]:
        mem[BEFORE, server] = rate
        lowered = rate * par[BETA]
        mem[RATE, server] = lowered if lowered > LEAST_RATE else LEAST_RATE
        mem[LOWERED, server] = now
    elif rate < arriving:
        mem[RAISED, server] = now
        wanted = cubic_rate(mem[BEFORE, server], now - mem[LOWERED, server], par[BETA], par[GAMMA])
        most = rate + par[STEP]
        wanted = wanted if wanted < most else most
        mem[RATE, server] = wanted if wanted > LEAST_RATE else LEAST_RATE


@kernel
def on_complete(view: ProbeView, stream: Stream, server: int, duration: float, now: float) -> None:  # noqa: ARG001
    """Response time and what the response says of its server enter the averages; the rate is adapted."""
    mem, keep = view.mem, 1.0 - view.par[SMOOTHING]
    if mem[SERVICE, server] == 0.0:
        keep = 0.0  # the first observation
    mem[RESPONSE, server] = keep * mem[RESPONSE, server] + (1.0 - keep) * duration
    mem[SERVICE, server] = keep * mem[SERVICE, server] + (1.0 - keep) * view.seen_service[server]
    mem[QUEUE, server] = keep * mem[QUEUE, server] + (1.0 - keep) * view.seen_queue[server]
    if view.par[CONTROL] == 1.0:
        control(view, server, now)


@balancer(
    "c3",
    summary="ranking by response time and cubed queue estimate, with cubic rate control (C3)",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class C3(Policy):
    """C3: argmin of Psi = R - 1/mu + q^3 / mu, under a rate limit for each server.

    R is the balancer's average response time, 1/mu and q_seen are averages of the mean service time and the queue that
    each response reports, and q = 1 + (own requests in flight)(number of balancers) + q_seen. The rate limit is a
    token bucket per server; it falls by the factor beta when it exceeds the rate of responses and rises along a cubic
    curve when it is below. Where all servers are at their limit C3 holds the request back; here the best-ranked gets
    it.

    Attributes:
        smoothing: weight of a new observation in the averages.
        rate_control: whether rates are limited; else ranking alone.
        window_s: window of the rates, s.
        beta: factor by which a rate is lowered.
        saddle_s: time that the cubic curve takes back to the rate before it was lowered from `initial_rate`, s.
        step: most that a rate may rise at one response, requests per window.
        initial_rate: first sending rate, requests per window.
    """

    smoothing: Annotated[float, Field(gt=0, le=1)] = 0.9
    rate_control: bool = True
    window_s: Annotated[float, Field(gt=0)] = 0.02
    beta: Annotated[float, Field(gt=0, lt=1)] = 0.2
    saddle_s: Annotated[float, Field(gt=0)] = 0.1
    step: Annotated[float, Field(gt=0)] = 10.0
    initial_rate: Annotated[float, Field(gt=0)] = 10.0

    def wire(self, site: Site) -> Wiring:
        """Averages of nothing, and the first rates."""
        mem = np.zeros((ROWS, site.servers))
        mem[[RATE, BEFORE, TOKENS]] = self.initial_rate
        gamma = self.beta * self.initial_rate / self.saddle_s**3
        par = [
            float(site.balancers),
            self.smoothing,
            float(self.rate_control),
            self.window_s,
            self.beta,
            gamma,
            self.step,
            2.0 * self.window_s,
        ]
        return Wiring(route, on_complete=on_complete, par=par, mem=mem, probing=Probing(piggyback=True))
