"""Decentralised consensus by the alternating direction method of multipliers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.problems.proximal import minimise_with
from qoslab.domains.optimization.steps import Share

__all__ = ["CITATION", "Admm"]

CITATION = """@article{shi2014linear,
  author = {Shi, Wei and Ling, Qing and Yuan, Kun and Wu, Gang and Yin, Wotao},
  title = {On the Linear Convergence of the {ADMM} in Decentralized Consensus Optimization},
  journal = {IEEE Transactions on Signal Processing},
  year = {2014}
}"""


@method(
    "optimization",
    "admm",
    summary="each agent minimises its own cost, multipliers bring them together",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Admm:
    """Decentralised consensus ADMM, each agent minimising its own cost in every round.

    a+ = a + c (x - W x), x+ = argmin f(x) + a+^T x + c sum_j w_ij ||x - (x_i + x_j) / 2||^2, a(0) = 0. W:
    Metropolis weights, which stand for the links' weights; the term j = i, which holds an agent back at its own
    value, is ours and makes the sum computable from W x alone. The gradients need no step size.

    Attributes:
        penalty: c; 0 takes l / 4 for smooth costs and 1 for others.
    """

    penalty: Share = 0.0

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    averages: ClassVar[tuple[Mixing, ...]] = ()

    def message(self, own: Own) -> MessageType:
        """x: p numbers."""
        return MessageType((Part("x", (own.data.costs.dimension,), "doubly"),))

    def start(self, own: Own) -> State:
        """X where the agents start, multipliers 0.

        Raises:
            BadInput: Derivatives are measured with noise, while this method minimises exactly.
        """
        if own.data.measurements is not None:
            message = "admm minimises each agent's cost exactly: it takes no noisy measurements"
            raise BadInput(
                Problem(field="scenario.measurement_noise", message=message, hint="measurement_noise = 0")
            )
        return {"x": own.data.start, "a": np.zeros_like(own.data.start)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """X."""
        return {"x": state["x"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        c, x = self.scale(own.data), state["x"]
        a = state["a"] + c * (x - heard["x"])
        return {"x": minimise_with(own.data.costs_in(k), a - c * (x + heard["x"]), 2.0 * c, x), "a": a}

    def scale(self, near: Asymptotics) -> float:
        """The penalty."""
        if self.penalty > 0:
            return self.penalty
        return near.smoothness / 4.0 if np.isfinite(near.smoothness) else 1.0

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[2 c H W, -H], [c (I - W), I]] on (x, a), H = (Q + 2 c I)^-1."""
        w, c = near.doubly, self.scale(near)
        eye = np.eye(len(w))
        bent = np.linalg.inv(near.curvature + 2.0 * c * eye)
        return np.block([[2.0 * c * bent @ w, -bent], [c * (eye - w), eye]])
