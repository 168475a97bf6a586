"""Distributed gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from qoslab.agents.message import Message, MessageType, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.steps import Positive, Share, falling, natural_subgradient

__all__ = ["CITATION", "Dgd"]

CITATION = """@article{nedic2009distributed,
  author = {Nedic, Angelia and Ozdaglar, Asuman},
  title = {Distributed Subgradient Methods for Multi-Agent Optimization},
  journal = {IEEE Transactions on Automatic Control},
  year = {2009}
}"""


@method(
    "optimization",
    "dgd",
    summary="mix, then take a gradient step that falls",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Dgd:
    """Distributed (sub)gradient descent: mix, then a step that falls.

    x+ = W x - s_k g(x), s_k = s / (1 + k / decay)^power. With power = 0 the step stays, and agents end near the
    optimum at a distance in proportion to it. W: doubly stochastic on undirected networks; row-stochastic
    weights on directed ones lead to the minimiser of sum pi_i f_i instead.

    Attributes:
        step: s; 0 takes 0.5 / l for smooth costs and 0.1 for others.
        decay: Rounds after which the step starts to fall.
        power: How fast it falls.
        weights: `row` or `doubly`.
    """

    step: Share = 0.0
    decay: Positive = 10.0
    power: Share = 0.5
    weights: Literal["row", "doubly"] = "doubly"

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = True

    def message(self, own: Own) -> MessageType:
        """x: p numbers."""
        return MessageType((Part("x", (own.data.costs.dimension,), self.weights),))

    def start(self, own: Own) -> State:
        """X where the agents start."""
        return {"x": own.data.costs.project(own.data.start)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """X."""
        return {"x": state["x"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        step = falling(self.scale(own.data), self.decay, self.power, k)
        return {"x": own.data.costs.project(heard["x"] - step * own.data.gradient(state["x"], k))}

    def scale(self, near: Any) -> float:
        """The first step size."""
        return natural_subgradient(self.step, 0.5, near.smoothness)
