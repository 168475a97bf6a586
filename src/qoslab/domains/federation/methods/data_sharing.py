"""Data sharing."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Needs, Plain, Round, State, weighted_mean

__all__ = ["DataSharing"]

CITATION = """@article{zhao2018federated,
  author = {Zhao, Yue and Li, Meng and Lai, Liangzhen and Suda, Naveen and Civin, Damon and Chandra, Vikas},
  title = {Federated Learning with Non-{IID} Data},
  journal = {arXiv preprint arXiv:1806.00582},
  year = {2018}
}"""


@method(
    "federation",
    "data_sharing",
    summary="federated averaging after every client got a copy of the server's samples",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class DataSharing(Plain):
    """The server's samples join every client's, once, before the first round. No parameters."""

    def needs(self) -> Needs:
        """A copy of the server's samples at every client."""
        return Needs(server_data_at_clients=True)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        return seen.model + weighted_mean(seen), state
