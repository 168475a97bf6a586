"""Projected subgradient over row-stochastic digraphs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from qoslab.agents.message import Message, MessageType, Part
from qoslab.agents.program import Own, State
from qoslab.core.method import method
from qoslab.domains.optimization.eigenvector import first_estimate, next_estimate, own_share
from qoslab.domains.optimization.steps import Positive, Share, falling, natural_subgradient

__all__ = ["CITATION", "ProjectedSubgradient"]

CITATION = """@article{mai2019distributed,
  author = {Mai, Van Sy and Abed, Eyad H.},
  title = {Distributed optimization over directed graphs with row stochasticity and constraint regularity},
  journal = {Automatica},
  year = {2019}
}"""


@method(
    "optimization",
    "projected_subgradient",
    summary="projected subgradient steps over row-stochastic weights, with local sets",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ProjectedSubgradient:
    """Projected subgradient steps over row-stochastic weights, agents with sets of their own.

    v = A x, y+ = A y, x+ = P_i[v - s_k g(.) / y_ii], s_k = s / (1 + k / decay)^power, y_i(0) = e_i. The
    subgradient is taken at v, or at x where it may be computed while messages travel.

    Attributes:
        step: s; 0 takes 0.1 / l for smooth costs and 0.1 for others.
        decay: Rounds after which the step starts to fall; 1 gives s / sqrt(k + 1).
        power: How fast it falls.
        at: Where the subgradient is taken: `mixed` (v) or `own` (x).
        eigenvector: `estimated` by y, or `known`: pi_i is given to each agent.
    """

    step: Share = 0.0
    decay: Positive = 1.0
    power: Share = 0.5
    at: Literal["mixed", "own"] = "mixed"
    eigenvector: Literal["estimated", "known"] = "estimated"

    decision: ClassVar[str] = "shared"
    projects: ClassVar[bool] = True

    def message(self, own: Own) -> MessageType:
        """x, and y where the eigenvector is estimated: p + n numbers."""
        x = Part("x", (own.data.costs.dimension,), "row")
        return MessageType((x, Part("y", (own.n,), "row")) if self.eigenvector == "estimated" else (x,))

    def start(self, own: Own) -> State:
        """X where the agents start, y_i = e_i."""
        state = {"x": own.data.start}
        return state | first_estimate(own) if self.eigenvector == "estimated" else state

    def say(self, state: State, own: Own) -> Message:
        """X and y."""
        return {part.name: state[part.name] for part in self.message(own).parts}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """One round."""
        estimated = self.eigenvector == "estimated"
        share = own_share(state["y"], own) if estimated else own.data.perron
        step = falling(self.scale(own.data), self.decay, self.power, k)
        slope = own.data.gradient(heard["x"] if self.at == "mixed" else state["x"], k)
        x = own.data.costs.project(heard["x"] - step * slope / share[:, None])
        return {"x": x, **(next_estimate(state, heard, own) if estimated else {})}

    def scale(self, near: Any) -> float:
        """The first step size."""
        return natural_subgradient(self.step, 0.1, near.smoothness)
