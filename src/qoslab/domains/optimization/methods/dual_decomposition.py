"""Dual decomposition: agents minimise alone at prices, of disagreement or of shared constraints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.problems.proximal import minimise_with
from qoslab.domains.optimization.steps import Positive, Share, falling, natural

__all__ = ["CITATION", "DualDecomposition"]

CITATION = """@article{falsone2017dual,
  author = {Falsone, Alessandro and Margellos, Kostas and Garatti, Simone and Prandini, Maria},
  title = {Dual decomposition for multi-agent distributed optimization with coupling constraints},
  journal = {Automatica},
  year = {2017}
}
@inproceedings{terelius2011decentralized,
  author = {Terelius, H{\\aa}kan and Topcu, Ufuk and Murray, Richard M.},
  title = {Decentralized Multi-Agent Optimization via Dual Decomposition},
  booktitle = {IFAC World Congress},
  year = {2011}
}"""


@method(
    "optimization",
    "dual_decomposition",
    summary="each agent minimises its own cost at prices, of disagreement or of shared constraints",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class DualDecomposition:
    """Dual ascent, each agent minimising its own cost in every round.

    One shared decision: a+ = a + c (x - W x), x+ = argmin f(x) + a+^T x, a(0) = 0. W: Metropolis weights, which
    stand for the links' multipliers. The inner minimum must exist whatever the prices: every agent's cost must be
    strongly convex, with m the least of their constants. It converges for c < 2 m / l_max(I - W).

    Shared constraints: v = W l, l+ = [v + c_k g_i(argmin f_i + v^T g_i)]_+, c_k = c / (1 + k / decay)^power; prices
    of equalities have any sign. Decisions lie in boxes, so that the inner minimum always exists.

    Attributes:
        step: c; 0 takes m / 2, and 0.5 / l for prices, l being the largest Lipschitz constant of a dual gradient.
        decay: Rounds after which the step starts to fall; for prices only.
        power: How fast it falls.
    """

    step: Share = 0.0
    decay: Positive = 100.0
    power: Share = 0.5

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    projects_prices: ClassVar[bool] = True
    predicts_prices: ClassVar[bool] = False
    needs_convexity: ClassVar[bool] = True
    averages: ClassVar[tuple[Mixing, ...]] = ()

    def message(self, own: Own) -> MessageType:
        """x: p numbers."""
        return MessageType((Part("x", (own.data.costs.dimension,), "doubly"),))

    def start(self, own: Own) -> State:
        """X where the agents start, prices 0.

        Raises:
            BadInput: Derivatives are measured with noise, while this method minimises exactly.
        """
        if own.data.coupled is None and own.data.measurements is not None:
            message = "dual_decomposition minimises each agent's cost exactly: it takes no noisy measurements"
            raise BadInput(
                Problem(field="scenario.measurement_noise", message=message, hint="measurement_noise = 0")
            )
        if own.data.coupled is not None:
            return {"x": own.data.costs.project(own.data.start)}
        return {"x": own.data.start, "a": np.zeros_like(own.data.start)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """X."""
        return {"x": state["x"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        x = state["x"]
        if own.data.coupled is not None:
            step = falling(natural(self.step, 0.5, own.data.smoothness), self.decay, self.power, k)
            return {"x": own.data.costs.project(heard["x"] - step * own.data.gradient(heard["x"], k))}
        a = state["a"] + self.scale(own.data) * (x - heard["x"])
        return {"x": minimise_with(own.data.costs_in(k), a, 0.0, x), "a": a}

    def scale(self, near: Any) -> float:
        """The step size."""
        return float(self.step) if self.step > 0 else 0.5 * float(near.convexity)

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[-c H (I - W), -H], [c (I - W), I]] on (x, a), H = Q^-1."""
        w, c = near.doubly, self.scale(near)
        eye = np.eye(len(w))
        bent = np.linalg.inv(near.curvature)
        return np.block([[-c * bent @ (eye - w), -bent], [c * (eye - w), eye]])
