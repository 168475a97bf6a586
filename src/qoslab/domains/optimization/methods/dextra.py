"""DEXTRA: EXTRA over column-stochastic weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from qoslab.agents.message import Message, MessageType, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.steps import Share, natural

__all__ = ["CITATION", "Dextra"]

CITATION = """@article{xi2017dextra,
  author = {Xi, Chenguang and Khan, Usman A.},
  title = {{DEXTRA}: A Fast Algorithm for Optimization Over Directed Graphs},
  journal = {IEEE Transactions on Automatic Control},
  year = {2017}
}"""


@method(
    "optimization",
    "dextra",
    summary="EXTRA on directed networks, corrected by push-sum",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Dextra:
    """EXTRA over column-stochastic weights B, with push-sum's correction.

    u+ = u + B u - (t u' + (1 - t) B u') - s (g(x) - g(x')), y+ = B y, x+ = u+ / y+, with the round before in
    dashes; the first round is u+ = B u - s g(x), y(0) = 1. It converges for step sizes in an interval only, which
    need not begin at 0. No rate is predicted; of quadratic costs a step outside is refused before the run.

    Attributes:
        step: s; 0 takes 0.1 / l.
        inertia: t, the weight of an agent's own past, above 0 up to 1/2.
    """

    step: Share = 0.0
    inertia: Annotated[float, Field(gt=0, le=0.5)] = 0.1

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = False
    needs_smoothness: ClassVar[bool] = True
    divisor: ClassVar[str] = "y"

    def message(self, own: Own) -> MessageType:
        """U and y: p + 1 numbers."""
        return MessageType((Part("u", (own.data.costs.dimension,), "column"), Part("y", (), "column")))

    def start(self, own: Own) -> State:
        """X where the agents start, y = 1; `past` holds (t u + (1 - t) B u) - s g(x) of the round before."""
        start = own.data.start
        return {"x": start, "u": start, "y": np.ones(len(start)), "past": np.zeros_like(start)}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """What push-sum carries, not the estimates."""
        return {"u": state["u"], "y": state["y"]}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        u = state["u"]
        move = self.scale(own.data) * own.data.gradient(state["x"], k)
        past = self.inertia * u + (1.0 - self.inertia) * heard["u"] - move
        fresh = heard["u"] - move if k == 0 else u + heard["u"] - move - state["past"]
        return {"x": fresh / heard["y"][:, None], "u": fresh, "y": heard["y"], "past": past}

    def scale(self, near: Any) -> float:
        """The step size."""
        return natural(self.step, 0.1, near.smoothness)
