"""Federated averaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Plain, Round, State, weighted_mean

__all__ = ["FedAvg"]

CITATION = """@inproceedings{mcmahan2017communication,
  author = {McMahan, Brendan and Moore, Eider and Ramage, Daniel and Hampson, Seth and {Ag{\\"u}era y Arcas}, Blaise},
  title = {Communication-Efficient Learning of Deep Networks from Decentralized Data},
  booktitle = {AISTATS},
  year = {2017}
}"""


@method(
    "federation",
    "fedavg",
    summary="the mean of the clients' models, weighted by their samples",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class FedAvg(Plain):
    """x+ = x + eta_g sum_i p_i Delta_i with p_i proportional to client i's samples.

    Attributes:
        server_rate: eta_g.
    """

    server_rate: Annotated[float, Field(gt=0)] = 1.0

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        return seen.model + self.server_rate * weighted_mean(seen), state
