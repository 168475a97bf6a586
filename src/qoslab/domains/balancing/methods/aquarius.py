"""Aquarius: weights by softmax of the ages of open requests, smoothed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.methods.sed import route
from qoslab.domains.balancing.view import LocalView, age_of_open
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Aquarius", "softmax_of_minus", "take_ages"]

CITATION = """@article{yao2022aquarius,
  author = {Yao, Zhiyuan and Desmouceaux, Yoann and Cordero-Fuertes, Juan-Antonio and Townsley, Mark and
    Clausen, Thomas},
  title = {Aquarius: Enable Fast, Scalable, Data-Driven Service Management in the Cloud},
  journal = {IEEE Transactions on Network and Service Management},
  year = {2022}
}"""

AGE, TARGET = range(1, 3)
"""Rows of `mem` behind the scores of `sed`: age of open requests, s; the weights that the ages ask for."""
NEW = 0
"""Entry of `par`: the share of the new weights in the smoothed ones."""


@kernel
def take_ages(view: LocalView, ages: NDArray[np.float64], now: float) -> float:
    """Set the mean age of the own requests open on each server, 0 where there are none; their mean over servers."""
    total = 0.0
    for j in range(ages.shape[0]):
        ages[j] = age_of_open(view, j, now)
        total += ages[j]
    return total / ages.shape[0]  # type: ignore[no-any-return]


@kernel
def softmax_of_minus(values: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
    """Set weights to exp(-value), scaled to the sum 1.

    Args:
        values: Shape (n,).
        weights: Shape (n,), overwritten.
    """
    least, total = math.inf, 0.0
    for j in range(values.shape[0]):
        least = values[j] if values[j] < least else least
    for j in range(values.shape[0]):
        shifted = least - values[j]
        weights[j] = math.exp(shifted if shifted > -600.0 else -600.0)  # weights stay positive
        total += weights[j]
    for j in range(values.shape[0]):
        weights[j] /= total


@kernel
def on_tick(view: LocalView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """Weights move towards softmax(-age)."""
    take_ages(view, view.mem[AGE], now)
    softmax_of_minus(view.mem[AGE], view.mem[TARGET])
    for j in range(view.up.shape[0]):
        view.weight[j] = view.par[NEW] * view.mem[TARGET, j] + (1.0 - view.par[NEW]) * view.weight[j]


@balancer(
    "aquarius",
    summary="shortest expected delay with smoothed softmax weights from ages of open requests (Aquarius)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Aquarius(Policy):
    """Aquarius: argmin (active + 1) / w with w <- smoothing softmax(-a) + (1 - smoothing) w each `period_s`.

    a_j is the mean age, in seconds, of the own requests open on server j, 0 where there are none. Weights start equal.
    As the softmax takes plain seconds, it balances little where ages are far below a second. The authors take ages
    from a reservoir of decaying samples; with ages that last, a server that was slow once is starved for good.

    Attributes:
        period_s: time between two steps, s.
        smoothing: share of the new weights.
    """

    period_s: Annotated[float, Field(gt=0)] = 0.5
    smoothing: Annotated[float, Field(gt=0, le=1)] = 0.5

    def wire(self, site: Site) -> Wiring:
        """Equal weights, whatever was configured."""
        return Wiring(
            route,
            on_tick=on_tick,
            par=[self.smoothing],
            weight=np.full(site.servers, 1.0 / site.servers),
            mem=np.zeros((3, site.servers)),
            tick_s=self.period_s,
            stagger=True,
        )
