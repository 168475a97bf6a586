"""Gradient tracking over row-stochastic weights with eigenvector estimation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.asymptotics import Asymptotics
from qoslab.domains.optimization.eigenvector import first_estimate, next_estimate, own_share
from qoslab.domains.optimization.rowsteps import row_round
from qoslab.domains.optimization.steps import Share

__all__ = ["CITATION", "RowStochasticTracking"]

CITATION = """@article{xi2018linear,
  author = {Xi, Chenguang and Mai, Van Sy and Xin, Ran and Abed, Eyad H. and Khan, Usman A.},
  title = {Linear Convergence in Optimization Over Directed Graphs With Row-Stochastic Matrices},
  journal = {IEEE Transactions on Automatic Control},
  year = {2018},
  note = {arXiv:1611.06160}
}"""


@method(
    "optimization",
    "row_stochastic_tracking",
    summary="gradient tracking with row-stochastic weights and an estimated Perron vector",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class RowStochasticTracking:
    """Gradient tracking when agents know only whom they hear, with an estimate of the Perron vector.

    x+ = A x - s z, y+ = A y, z+ = A z + g(x+) / y_ii+ - g(x) / y_ii, y_i(0) = e_i, z(0) = g(x(0)). A is
    row-stochastic: every agent chooses its own row. Without the division by y_ii it would go to the minimiser
    of sum pi_i f_i.

    Attributes:
        step: s; 0 takes what a scan of a model finds best.
            In the model every gradient is l_i x, l_i being the Lipschitz constants. Past 64 agents it takes
            0.1 min(1 / n, least pi_i) / l, l being the largest of them.
    """

    step: Share = 0.0

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    needs_smoothness: ClassVar[bool] = True
    averages: ClassVar[tuple[Mixing, ...]] = ("row",)

    def message(self, own: Own) -> MessageType:
        """x, y and z: 2 p + n numbers."""
        p = own.data.costs.dimension
        return MessageType((Part("x", (p,), "row"), Part("y", (own.n,), "row"), Part("z", (p,), "row")))

    def start(self, own: Own) -> State:
        """X where the agents start, y_i = e_i, z the gradients."""
        slope = own.data.gradient(own.data.start, 0)
        return {"x": own.data.start, **first_estimate(own), "z": slope, "scaled": slope}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """What others may see: not the gradients."""
        return {"x": state["x"], "y": state["y"], "z": state["z"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        x = heard["x"] - self._steps(own)[:, None] * state["z"]
        estimate = next_estimate(state, heard, own)
        scaled = own.data.gradient(x, k + 1) / own_share(estimate["y"], own)[:, None]
        return {"x": x, **estimate, "z": heard["z"] + scaled - state["scaled"], "scaled": scaled}

    def _steps(self, own: Own) -> FloatArray:
        return np.full(len(own.agents), self.step or own.data.row_step)

    def scale(self, near: Asymptotics) -> float:
        """The step size."""
        return self.step or near.row_step

    def iteration(self, near: Asymptotics) -> FloatArray:
        """[[A, -s I], [Q / pi (A - I), A - s Q / pi]] on (x, z)."""
        return row_round(near.row, near.curvature / near.left[:, None], self._each(near))

    def _each(self, near: Asymptotics) -> FloatArray:
        return np.full(near.n * near.dimension, self.scale(near))
