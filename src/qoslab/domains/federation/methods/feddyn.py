"""FedDyn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.strategy import Guide, Plain, Round, State

__all__ = ["FedDyn"]

CITATION = """@inproceedings{acar2021federated,
  author = {Acar, Durmus Alp Emre and Zhao, Yue and Navarro, Ramon Matas and
    Mattina, Matthew and Whatmough, Paul N. and Saligrama, Venkatesh},
  title = {Federated Learning Based on Dynamic Regularization},
  booktitle = {ICLR},
  year = {2021}
}"""


@method(
    "federation",
    "feddyn",
    summary="dynamic regularisation makes clients' optima agree with everyone's",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class FedDyn(Plain):
    """Clients minimise F_i(x_i) - l_i . x_i + (alpha / 2) |x_i - x|^2 and remember l_i.

    l_i+ = l_i - alpha Delta_i; h+ = h - (alpha / N) sum_i Delta_i; x+ = x + mean_i Delta_i - h+ / alpha.

    Attributes:
        alpha: Weight of the regularisation.
    """

    alpha: Annotated[float, Field(gt=0)] = 0.1

    def start(self, clients: int, parameters: int) -> State:
        """Nothing learned: `own` holds l_i, shape (N, P), `common` h, shape (P,)."""
        return {"own": np.zeros((clients, parameters)), "common": np.zeros(parameters)}

    def guide(self, state: State, clients: IntArray) -> Guide:
        """-l_i + alpha (x_i - x)."""
        return Guide(shift=-state["own"][clients], pull=self.alpha)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round; without answers the model stays."""
        if not len(seen.clients):
            return seen.model, state
        state["own"][seen.clients] -= self.alpha * seen.updates
        state["common"] = state["common"] - self.alpha / seen.everyone * seen.updates.sum(axis=0)
        return seen.model + seen.updates.mean(axis=0) - state["common"] / self.alpha, state
