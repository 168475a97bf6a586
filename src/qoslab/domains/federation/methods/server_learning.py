"""Federated learning with server learning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.bases import Base, BaseName, base_of
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.strategy import Guide, Needs, Round, State

__all__ = ["ServerLearning"]

CITATION = """@article{mai2024server,
  author = {Mai, Van Sy and La, Richard J. and Zhang, Tao},
  title = {A Study of Enhancing Federated Learning on Non-{IID} Data with Server Learning},
  journal = {IEEE Transactions on Artificial Intelligence},
  year = {2024},
  doi = {10.1109/TAI.2024.3430250}
}"""


@method(
    "federation",
    "server_learning",
    summary="the server also learns, from a small set of its own, between rounds",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class ServerLearning:
    """Another method's round, and K_0 steps of size gamma_t eta_0 on the server's samples.

    Incremental: the steps start from the merged model. Simultaneous (non-incremental): they start from the round's
    first model x, as if the server were a client of weight gamma_t against the others' weight of one.

    Attributes:
        on: The method that goes before the server's steps: its name, or a table such as `{ id = "fedprox", mu = 1.0 }`.
        variant: Where the server starts.
        gamma: Weight of the server's learning in the first round; 0 gives the other method, bit for bit.
        schedule: How the weight goes on: constant, or down a half cosine to `gamma_last` in the last round.
        gamma_last: The weight in the last round, for `cosine`; where it is above `gamma` the weight stays `gamma`.
    """

    on: BaseName | Base = "fedavg"
    variant: Literal["incremental", "simultaneous"] = "incremental"
    gamma: Annotated[float, Field(ge=0)] = 1.0
    schedule: Literal["constant", "cosine"] = "constant"
    gamma_last: Annotated[float, Field(ge=0)] = 0.1

    def needs(self) -> Needs:
        """What the other method needs."""
        return base_of(self.on).needs()

    def start(self, clients: int, parameters: int) -> State:
        """The other method's memory."""
        return base_of(self.on).start(clients, parameters)

    def guide(self, state: State, clients: IntArray) -> Guide:
        """The other method's guidance."""
        return base_of(self.on).guide(state, clients)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """The other method's round, then the server's steps."""
        merged, state = base_of(self.on).merge(state, seen)
        weight = self.weight(seen.number, seen.rounds)
        if weight == 0.0:
            # Asking a server that counts for nothing could only bring in numbers that are not finite.
            return merged, state
        if self.variant == "incremental":
            return seen.learn(merged, weight), state
        return (merged + weight * seen.learn(seen.model, 1.0)) / (1.0 + weight), state

    def weight(self, number: int, rounds: int) -> float:
        """gamma_t of round t = 0 .. T - 1; it never rises."""
        if self.schedule == "constant":
            return self.gamma
        fallen = 0.5 * (1.0 - math.cos(math.pi * number / max(rounds - 1, 1)))
        return self.gamma + (min(self.gamma_last, self.gamma) - self.gamma) * fallen
