"""HLB: a Kalman filter per server on the ages of open requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.aquarius import softmax_of_minus, take_ages
from qoslab.domains.balancing.methods.sed import route as route_all
from qoslab.domains.balancing.methods.sed_d import best_of_some
from qoslab.domains.balancing.view import LocalView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Hlb", "filtered"]

CITATION = """@article{yao2022hlb,
  author = {Yao, Zhiyuan and Desmouceaux, Yoann and Cordero-Fuertes, Juan-Antonio and Townsley, Mark and
    Clausen, Thomas},
  title = {{HLB}: Toward Load-Aware Load Balancing},
  journal = {IEEE/ACM Transactions on Networking},
  year = {2022}
}"""

AGE, MEAN, VARIANCE = range(1, 4)
"""Rows of `mem` behind the scores of `sed`: age of open requests, s; mean and variance of the state."""
SYSTEM, SENSOR = range(1, 3)
"""Entries of `par` behind the number of choices: variances of the state's step and of a measurement."""


@kernel
def filtered(view: LocalView, sensor: float, now: float) -> float:
    """One step of every server's filter on its age over the mean age; then weights are softmax(-state).

    Args:
        view: The view.
        sensor: Variance of a measurement.
        now: Time, s.

    Returns:
        Variance of the measurements over servers; 0 where there is nothing to measure.
    """
    mem, n = view.mem, view.up.shape[0]
    average = take_ages(view, mem[AGE], now)
    if average <= 0.0:
        return 0.0
    spread = 0.0
    for j in range(n):
        measured = mem[AGE, j] / average
        prior = mem[VARIANCE, j] + view.par[SYSTEM]
        gain = prior / (prior + sensor)
        mem[MEAN, j] += gain * (measured - mem[MEAN, j])
        mem[VARIANCE, j] = (1.0 - gain) * prior
        spread += (measured - 1.0) * (measured - 1.0)
    softmax_of_minus(mem[MEAN], view.weight)
    return spread / n  # type: ignore[no-any-return]


@kernel
def on_tick(view: LocalView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """One step of the filters."""
    filtered(view, view.par[SENSOR], now)


@balancer(
    "hlb",
    summary="shortest expected delay with weights from a Kalman filter on ages of open requests (HLB)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Hlb(Policy):
    """HLB: argmin (active + 1) / w with w = softmax(-x), x_j a scalar Kalman filter for each server.

    Each `period_s` the measurement z_j, the mean age of the own requests open on server j over its mean over servers,
    enters the filter: P' = P + system^2, K = P' / (P' + sensor^2), x <- x + K (z - x), P <- (1 - K) P'. The age is 0
    where no request is open; if it is 0 everywhere the step is left out. x starts at 1 with variance sensor^2, so
    weights start equal. The authors' simulator takes ages from a reservoir of decaying samples instead, and applies
    the score twice.

    Attributes:
        d: 0 compares all servers; d compares d drawn by lot (2 is the authors' hlb2).
        period_s: time between two steps, s.
        system: standard deviation of the state's step.
        sensor: standard deviation of a measurement.
    """

    d: Annotated[int, Field(ge=0)] = 0
    period_s: Annotated[float, Field(gt=0)] = 0.5
    system: Annotated[float, Field(gt=0)] = 0.01
    sensor: Annotated[float, Field(gt=0)] = 0.4

    def wire(self, site: Site) -> Wiring:
        """Equal weights, whatever was configured."""
        d = min(self.d, site.servers)
        mem = np.zeros((4, site.servers))
        mem[MEAN], mem[VARIANCE] = 1.0, self.sensor**2
        return Wiring(
            best_of_some if d else route_all,
            on_tick=on_tick,
            par=[d, self.system**2, self.sensor**2],
            weight=np.full(site.servers, 1.0 / site.servers),
            mem=mem,
            box=[0.0] * d,
            tick_s=self.period_s,
            stagger=True,
        )
