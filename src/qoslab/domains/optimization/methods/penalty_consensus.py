"""Penalty method with consensus on global constraint estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from qoslab.agents.message import FloatArray, Message, MessageType, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.steps import Positive, Share, falling, natural

__all__ = ["CITATION", "PenaltyConsensus"]

CITATION = """@article{mai2024distributed,
  author = {Mai, Van Sy and La, Richard J. and Zhang, Tao and Battou, Abdella},
  title = {Distributed Optimization with Global Constraints Using Noisy Measurements},
  journal = {IEEE Transactions on Automatic Control},
  year = {2024},
  doi = {10.1109/TAC.2023.3277312}
}"""


@method(
    "optimization",
    "penalty_consensus",
    summary="penalised shared constraints, estimated by consensus under noisy measurements",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PenaltyConsensus:
    """A penalty on shared constraints, which agents estimate by consensus; decisions are never sent.

    x+ = P_i[x - s_k (f'(x) + noise + G_i^T r phi'(n e))], e+ = W e + g_i(x+) - g_i(x), e(0) = g_i(x(0)), with
    phi(u) = [u]_+^2 / 2 (u^2 / 2 for equalities) and s_k = s / (1 + k / decay)^power. The sum of the e_i is the
    sum of the g_i in every round. It ends at the penalty approximation, whose violation is price / r. W:
    Metropolis weights. A neighbour that hears e_i and all that i hears can compute the change of g_i: decisions
    are not disclosed, constraint shares are not private.

    Attributes:
        penalty: r; what is violated in the end is price / r.
            5 suits prices near 1; those of delay budgets are tens, and need some 100.
        step: s; 0 takes 0.1 / (l + r n ||G||^2).
            l is the largest own second derivative at equal parts of the goals.
        decay: Rounds after which the step starts to fall.
        power: How fast it falls.
            For convergence with noise above 1/2, up to 1; above 0.7 where costs are measured at two points, for s_k
            over the width must be square summable.
        measure: `first` order: derivatives are measured; `zeroth`: costs at two points, at a falling distance.
        width: First distance of the two points from their middle.
            The middle is the decision, or the nearest point that keeps both in the box; it falls as
            (1 + k / decay)^-0.2.
        pause: Rounds from one step of the decisions to the next; in between only the estimates travel.
        scaling: `curvature` divides an entry's step by f'' + r c.
            c is the number of shared constraints that it counts in, times `lag`; s = 0 then takes 0.5. It needs own
            second derivatives, which the others do not see.
        lag: How many times over an agent sees a change of its own before it has spread.
            0 takes n, right for pause = 1.
    """

    penalty: Positive = 5.0
    step: Share = 0.0
    decay: Positive = 1000.0
    power: Share = 0.75
    measure: Literal["first", "zeroth"] = "first"
    width: Positive = 0.1
    pause: Annotated[int, Field(ge=1)] = 1
    scaling: Literal["none", "curvature"] = "none"
    lag: Share = 0.0

    decision: ClassVar[str] = "own"
    projects: ClassVar[bool] = True

    def message(self, own: Own) -> MessageType:
        """e: as many numbers as there are shared constraints."""
        return MessageType((Part("e", (own.data.coupled.offset.shape[1],), "doubly"),))

    def start(self, own: Own) -> State:
        """X where the agents start, e their own shares of the constraints."""
        x = own.data.coupled.project(own.data.start)
        return {"x": x, "e": own.data.coupled.constraint(x)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """The estimates, not the decisions."""
        return {"e": state["e"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        if k % self.pause:
            return {"x": state["x"], "e": heard["e"]}
        coupled, x = own.data.coupled_in(k), state["x"]
        over = own.n * state["e"]
        price = self.penalty * (over if coupled.equality else np.maximum(over, 0.0))
        slope = self._slope(x, own, k) + coupled.pull(price)
        scale = self.weights_at(coupled, x, own.n)
        step = falling(self.first_step(own), self.decay, self.power, k) * scale
        fresh = coupled.project(x - step * slope, 1.0 / scale)
        return {"x": fresh, "e": heard["e"] + coupled.constraint(fresh) - coupled.constraint(x)}

    def _slope(self, x: FloatArray, own: Own, k: int) -> FloatArray:
        if self.measure == "first":
            return np.asarray(own.data.own_gradient(x, k))
        # Both points stay in the box: a cost need not be defined beyond it, as 1 / x is not below 0.
        low, high = own.data.coupled.low, own.data.coupled.high
        width = np.minimum(falling(self.width, self.decay, 0.2, k), 0.5 * (high - low))
        middle = np.clip(x, low + width, high - width)
        up, down = own.data.own_values(middle + width, k), own.data.own_values(middle - width, k)
        return np.asarray((up - down) / (2.0 * width))

    def weights_at(self, coupled: Coupled, x: FloatArray, n: int = 0) -> FloatArray:
        """What the step is multiplied by in each entry, shape of x; `n` agents, as many as rows where 0."""
        if self.scaling == "none":
            return np.ones_like(x)
        reach = (coupled.share**2).sum(axis=1) * self.penalty * (self.lag or n or len(x))
        return np.asarray(1.0 / (coupled.own.curvature(x) + reach))

    def first_step(self, own: Own) -> float:
        """S."""
        if self.scaling == "curvature":
            return self.step or 0.5
        reach = own.n * self.penalty * own.data.share_norm**2
        return natural(self.step, 0.1, own.data.own_smoothness + reach)
