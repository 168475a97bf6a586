"""Federated learning with server learning."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedavg_momentum import FedAvgMomentum
from qoslab.domains.federation.methods.feddyn import FedDyn
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.krum import Krum
from qoslab.domains.federation.methods.median import Median
from qoslab.domains.federation.methods.scaffold import Scaffold
from qoslab.domains.federation.methods.trimmed_mean import TrimmedMean
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.strategy import Guide, Needs, Round, State, Strategy

__all__ = ["ServerLearning"]

CITATION = """@article{mai2024server,
  author = {Mai, Van Sy and La, Richard J. and Zhang, Tao},
  title = {A Study of Enhancing Federated Learning on Non-{IID} Data with Server Learning},
  journal = {IEEE Transactions on Artificial Intelligence},
  year = {2024},
  doi = {10.1109/TAI.2024.3430250}
}"""

_BASES: dict[str, Callable[[], Any]] = {
    "fedavg": FedAvg,
    "fedavg_momentum": FedAvgMomentum,
    "fedprox": FedProx,
    "scaffold": Scaffold,
    "feddyn": FedDyn,
    "median": Median,
    "trimmed_mean": TrimmedMean,
    "krum": Krum,
}


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
        on: The method whose rounds are followed by the server's steps, with its default parameters.
        variant: Where the server starts.
        gamma: Weight of the server's learning in the first round; 0 gives the other method, bit for bit.
        schedule: How the weight goes on: constant, or down a half cosine to `gamma_last` in the last round.
        gamma_last: The weight in the last round, for `cosine`; where it is above `gamma` the weight stays `gamma`.
    """

    on: Literal[
        "fedavg", "fedavg_momentum", "fedprox", "scaffold", "feddyn", "median", "trimmed_mean", "krum"
    ] = "fedavg"
    variant: Literal["incremental", "simultaneous"] = "incremental"
    gamma: Annotated[float, Field(ge=0)] = 1.0
    schedule: Literal["constant", "cosine"] = "constant"
    gamma_last: Annotated[float, Field(ge=0)] = 0.1

    def needs(self) -> Needs:
        """What the other method needs."""
        return self._base().needs()

    def start(self, clients: int, parameters: int) -> State:
        """The other method's memory."""
        return self._base().start(clients, parameters)

    def guide(self, state: State, clients: IntArray) -> Guide:
        """The other method's guidance."""
        return self._base().guide(state, clients)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """The other method's round, then the server's steps."""
        merged, state = self._base().merge(state, seen)
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

    def _base(self) -> Strategy:
        base: Strategy = _BASES[self.on]()
        return base
