"""AB / Push-Pull gradient tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.steps import Share, natural

__all__ = ["CITATION", "PushPull"]

CITATION = """@article{xin2018linear,
  author = {Xin, Ran and Khan, Usman A.},
  title = {A Linear Algorithm for Optimization Over Directed Graphs With Geometric Convergence},
  journal = {IEEE Control Systems Letters},
  year = {2018}
}
@article{pu2021push,
  author = {Pu, Shi and Shi, Wei and Xu, Jinming and Nedic, Angelia},
  title = {Push-Pull Gradient Methods for Distributed Optimization in Networks},
  journal = {IEEE Transactions on Automatic Control},
  year = {2021}
}"""


@method(
    "optimization",
    "push_pull",
    summary="gradient tracking with row weights for decisions, column weights for gradients (AB)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PushPull:
    """AB, also called Push-Pull: decisions mix over row-stochastic, gradients over column-stochastic weights.

    x+ = A x - s z, z+ = B z + g(x+) - g(x), z(0) = g(x(0)).

    Attributes:
        step: s; 0 takes 0.1 / l, l being the largest Lipschitz constant: the mean moves by the mean gradient.
    """

    step: Share = 0.0

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    needs_smoothness: ClassVar[bool] = True
    averages: ClassVar[tuple[Mixing, ...]] = ()

    def message(self, own: Own) -> MessageType:
        """X and z: 2 p numbers."""
        p = own.data.costs.dimension
        return MessageType((Part("x", (p,), "row"), Part("z", (p,), "column")))

    def start(self, own: Own) -> State:
        """X where the agents start, z the gradients."""
        slope = own.data.gradient(own.data.start, 0)
        return {"x": own.data.start, "z": slope, "slope": slope}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """What others may see: not the gradients."""
        return {"x": state["x"], "z": state["z"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        x = heard["x"] - natural(self.step, 0.1, own.data.smoothness) * state["z"]
        slope = own.data.gradient(x, k + 1)
        return {"x": x, "z": heard["z"] + slope - state["slope"], "slope": slope}

    def scale(self, near: Asymptotics) -> float:
        """The step size."""
        return natural(self.step, 0.1, near.smoothness)

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[A, -s I], [Q (A - I), B - s Q]] on (x, z)."""
        a, s, bent = near.row, self.scale(near), near.curvature
        eye = np.eye(len(a))
        return np.block([[a, -s * eye], [bent @ (a - eye), near.column - s * bent]])
