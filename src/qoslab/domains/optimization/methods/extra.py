"""EXTRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.steps import Share, natural

__all__ = ["CITATION", "Extra"]

CITATION = """@article{shi2015extra,
  author = {Shi, Wei and Ling, Qing and Wu, Gang and Yin, Wotao},
  title = {{EXTRA}: An Exact First-Order Algorithm for Decentralized Consensus Optimization},
  journal = {SIAM Journal on Optimization},
  year = {2015}
}"""


@method(
    "optimization",
    "extra",
    summary="exact first-order method on undirected networks",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Extra:
    """EXTRA: exact first-order method on undirected networks.

    x+ = x + W x - (x' + W x') / 2 - s (g(x) - g(x')) with the round before in dashes; the first round is
    x+ = W x - s g(x). W: Metropolis weights.

    Attributes:
        step: s; 0 takes 0.5 / l.
    """

    step: Share = 0.0

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    needs_smoothness: ClassVar[bool] = True
    averages: ClassVar[tuple[Mixing, ...]] = ()

    def message(self, own: Own) -> MessageType:
        """x: p numbers."""
        return MessageType((Part("x", (own.data.costs.dimension,), "doubly"),))

    def start(self, own: Own) -> State:
        """X where the agents start; `past` holds (x + W x) / 2 - s g(x) of the round before."""
        return {"x": own.data.start, "past": np.zeros_like(own.data.start)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """X."""
        return {"x": state["x"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        x = state["x"]
        move = natural(self.step, 0.5, own.data.smoothness) * own.data.gradient(x, k)
        past = 0.5 * (x + heard["x"]) - move
        fresh = heard["x"] - move if k == 0 else x + heard["x"] - move - state["past"]
        return {"x": fresh, "past": past}

    def scale(self, near: Asymptotics) -> float:
        """The step size."""
        return natural(self.step, 0.5, near.smoothness)

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[I + W - s Q, -(I + W) / 2 + s Q], [I, 0]] on (x, x')."""
        w, bent = near.doubly, self.scale(near) * near.curvature
        eye = np.eye(len(w))
        return np.block([[eye + w - bent, bent - 0.5 * (eye + w)], [eye, np.zeros_like(eye)]])
