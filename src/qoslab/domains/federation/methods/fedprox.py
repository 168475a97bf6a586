"""FedProx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray, IntArray
from qoslab.domains.federation.strategy import Guide, Plain, Round, State, weighted_mean

__all__ = ["FedProx"]

CITATION = """@inproceedings{li2020federated,
  author = {Li, Tian and Sahu, Anit Kumar and Zaheer, Manzil and Sanjabi, Maziar and
    Talwalkar, Ameet and Smith, Virginia},
  title = {Federated Optimization in Heterogeneous Networks},
  booktitle = {Proceedings of Machine Learning and Systems},
  year = {2020}
}"""


@method(
    "federation",
    "fedprox",
    summary="federated averaging whose clients are held near the model that they started from",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class FedProx(Plain):
    """Clients minimise F_i(x_i) + (mu / 2) |x_i - x|^2; the server averages as federated averaging does.

    Attributes:
        mu: Weight of the proximal term; 0 gives federated averaging, bit for bit.
    """

    mu: Annotated[float, Field(ge=0)] = 0.1

    def guide(self, state: State, clients: IntArray) -> Guide:  # noqa: ARG002
        """A pull of mu towards x."""
        return Guide(pull=self.mu)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        return seen.model + weighted_mean(seen), state
