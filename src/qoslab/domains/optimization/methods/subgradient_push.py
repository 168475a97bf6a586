"""Subgradient-push."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qoslab.agents.message import Message, MessageType, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.steps import Positive, Share, falling, natural_subgradient

__all__ = ["CITATION", "SubgradientPush"]

CITATION = """@article{nedic2015distributed,
  author = {Nedic, Angelia and Olshevsky, Alex},
  title = {Distributed Optimization Over Time-Varying Directed Graphs},
  journal = {IEEE Transactions on Automatic Control},
  year = {2015}
}"""


@method(
    "optimization",
    "subgradient_push",
    summary="subgradient steps on push-sum over directed networks",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class SubgradientPush:
    """Subgradient steps on push-sum: column-stochastic weights, no tracking.

    w = B x, y+ = B y, z = w / y+, x+ = w - s_k g(z), s_k = s / (1 + k / decay)^power.

    Attributes:
        step: s; 0 takes 0.5 / l for smooth costs and 0.1 for others.
        decay: Rounds after which the step starts to fall.
        power: How fast it falls; above 1/2 up to 1 for convergence with noise.
    """

    step: Share = 0.0
    decay: Positive = 10.0
    power: Share = 0.5

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    divisor: ClassVar[str] = "y"

    def message(self, own: Own) -> MessageType:
        """X and y: p + 1 numbers."""
        return MessageType((Part("x", (own.data.costs.dimension,), "column"), Part("y", (), "column")))

    def start(self, own: Own) -> State:
        """X where the agents start, y = 1."""
        start = own.data.start
        return {"x": start, "sum": start, "y": np.ones(len(start))}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """The sums, not the ratio."""
        return {"x": state["sum"], "y": state["y"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:  # noqa: ARG002
        """One round."""
        x = heard["x"] / heard["y"][:, None]
        step = falling(self.scale(own.data), self.decay, self.power, k)
        return {"x": x, "sum": heard["x"] - step * own.data.gradient(x, k), "y": heard["y"]}

    def scale(self, near: Any) -> float:
        """The first step size."""
        return natural_subgradient(self.step, 0.5, near.smoothness)
