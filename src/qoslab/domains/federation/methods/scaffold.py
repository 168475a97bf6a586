"""SCAFFOLD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.strategy import Guide, Needs, Plain, Round, State

__all__ = ["Scaffold"]

CITATION = """@inproceedings{karimireddy2020scaffold,
  author = {Karimireddy, Sai Praneeth and Kale, Satyen and Mohri, Mehryar and Reddi, Sashank and
    Stich, Sebastian and Suresh, Ananda Theertha},
  title = {{SCAFFOLD}: Stochastic Controlled Averaging for Federated Learning},
  booktitle = {ICML},
  year = {2020}
}"""


@method(
    "federation",
    "scaffold",
    summary="control variates take out what makes clients' gradients differ",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class Scaffold(Plain):
    """Clients step along g_i - c_i + c; the server averages uniformly (option II of the control variates).

    c_i+ = c_i - c - Delta_i / (K eta_l), c+ = c + (1 / N) sum_i (c_i+ - c_i), x+ = x + eta_g mean_i Delta_i.

    Attributes:
        server_rate: eta_g.
    """

    server_rate: Annotated[float, Field(gt=0)] = 1.0

    def needs(self) -> Needs:
        """Model and control variate travel in both directions."""
        return Needs(vectors_down=2, vectors_up=2)

    def start(self, clients: int, parameters: int) -> State:
        """All control variates are zero: `own` has shape (N, P), `common` (P,)."""
        return {"own": np.zeros((clients, parameters)), "common": np.zeros(parameters)}

    def guide(self, state: State, clients: IntArray) -> Guide:
        """C - c_i."""
        return Guide(shift=state["common"] - state["own"][clients])

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        if not len(seen.clients):
            return seen.model, state
        change = -state["common"] - seen.updates / (seen.steps * seen.rate)
        state["own"][seen.clients] += change
        state["common"] = state["common"] + change.sum(axis=0) / seen.everyone
        return seen.model + self.server_rate * seen.updates.mean(axis=0), state
