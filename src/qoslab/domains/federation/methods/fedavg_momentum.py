"""Federated averaging with momentum on the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Plain, Round, State, weighted_mean

__all__ = ["FedAvgMomentum"]

CITATION = """@article{hsu2019measuring,
  author = {Hsu, Tzu-Ming Harry and Qi, Hang and Brown, Matthew},
  title = {Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification},
  journal = {arXiv preprint arXiv:1909.06335},
  year = {2019}
}"""


@method(
    "federation",
    "fedavg_momentum",
    summary="federated averaging with momentum on the server",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class FedAvgMomentum(Plain):
    """v+ = beta v + sum_i p_i Delta_i, x+ = x + eta_g v+.

    Attributes:
        momentum: beta.
        server_rate: eta_g.
    """

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    server_rate: Annotated[float, Field(gt=0)] = 1.0

    def start(self, clients: int, parameters: int) -> State:  # noqa: ARG002
        """No velocity."""
        return {"velocity": np.zeros(parameters)}

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        velocity = self.momentum * state["velocity"] + weighted_mean(seen)
        return seen.model + self.server_rate * velocity, {"velocity": velocity}
