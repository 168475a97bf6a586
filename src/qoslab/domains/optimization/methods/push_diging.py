"""ADD-OPT / Push-DIGing: gradient tracking over column-stochastic weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.steps import Share, natural

__all__ = ["CITATION", "PushDiging"]

CITATION = """@article{xi2018addopt,
  author = {Xi, Chenguang and Xin, Ran and Khan, Usman A.},
  title = {{ADD-OPT}: Accelerated Distributed Directed Optimization},
  journal = {IEEE Transactions on Automatic Control},
  year = {2018}
}
@article{nedic2017achieving,
  author = {Nedic, Angelia and Olshevsky, Alex and Shi, Wei},
  title = {Achieving Geometric Convergence for Distributed Optimization Over Time-Varying Graphs},
  journal = {SIAM Journal on Optimization},
  year = {2017}
}"""


@method(
    "optimization",
    "push_diging",
    summary="gradient tracking with column-stochastic weights (ADD-OPT, Push-DIGing)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PushDiging:
    """Gradient tracking over column-stochastic weights: push-sum corrects what they distort.

    x+ = B x - s z, y+ = B y, w = x / y, z+ = B z + g(w+) - g(w), y(0) = 1, z(0) = g(x(0)). This is ADD-OPT; an
    agent must know how many hear it. Push-DIGing (Nedic, Olshevsky and Shi 2017) is the same method in the order
    "step, then mix", and like it works on links that come and go.

    Attributes:
        step: s; 0 takes 0.1 / l, l being the largest Lipschitz constant: the mean moves by the mean gradient.
    """

    step: Share = 0.0

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    needs_smoothness: ClassVar[bool] = True
    divisor: ClassVar[str] = "y"
    averages: ClassVar[tuple[Mixing, ...]] = ("column",)

    def message(self, own: Own) -> MessageType:
        """x, y and z: 2 p + 1 numbers."""
        p = own.data.costs.dimension
        return MessageType((Part("x", (p,), "column"), Part("y", (), "column"), Part("z", (p,), "column")))

    def start(self, own: Own) -> State:
        """X where the agents start, y = 1, z the gradients."""
        slope = own.data.gradient(own.data.start, 0)
        start = own.data.start
        return {"x": start, "sum": start, "y": np.ones(len(start)), "z": slope, "slope": slope}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """What others may see: not the gradients."""
        return {"x": state["sum"], "y": state["y"], "z": state["z"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        total = heard["x"] - natural(self.step, 0.1, own.data.smoothness) * state["z"]
        x = total / heard["y"][:, None]
        slope = own.data.gradient(x, k + 1)
        z = heard["z"] + slope - state["slope"]
        return {"x": x, "sum": total, "y": heard["y"], "z": z, "slope": slope}

    def scale(self, near: Asymptotics) -> float:
        """The step size."""
        return natural(self.step, 0.1, near.smoothness)

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[B, -s I], [Q / (n v) (B - I), B - s Q / (n v)]] on (x, z), v the right Perron vector of B."""
        b, s = near.column, self.scale(near)
        eye, bent = np.eye(len(b)), near.curvature / (near.n * near.right)[None, :]
        return np.block([[b, -s * eye], [bent @ (b - eye), b - s * bent]])
