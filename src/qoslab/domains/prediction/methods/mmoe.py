"""Multi-gate mixture of experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.cell_networks import complete_jointly, towers
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.model import Prediction
from qoslab.learning.training import Schedule

__all__ = ["MMoE", "mixture"]

CITATION = """@inproceedings{ma2018modeling,
  author = {Ma, Jiaqi and Zhao, Zhe and Yi, Xinyang and Chen, Jilin and Hong, Lichan and Chi, Ed H.},
  title = {Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts},
  booktitle = {Proceedings of the 24th ACM SIGKDD International Conference on Knowledge Discovery and Data Mining},
  pages = {1930--1939},
  year = {2018}
}"""


@method(
    "prediction",
    "mmoe",
    summary="experts that all parameters share, mixed by a gate of each parameter (MMoE)",
    citation=CITATION,
    extra="learn",
    origin="reference instance",
    example={"factors": 4, "hidden": 8, "experts": 2, "epochs": 3},
)
@dataclass(frozen=True)
class MMoE:
    """MMoE of Ma et al. (KDD 2018, section 4.2) over embeddings of user and service.

    Experts and gates see the two embeddings and their product, element by element; each parameter's softmax gate mixes
    the experts for its tower. Absolute errors in units of each parameter's mean, summed.

    Attributes:
        factors: Width of the embeddings.
        experts: Number of experts.
        hidden: Width of an expert; towers have half.
        epochs: Passes over the known cells at most.
        batch: Cells in a mini-batch.
        learning_rate: Step size of Adam.
        weight_decay: Decay of the weights.
        patience: Epochs without improvement on a tenth of the known cells before training stops.
    """

    factors: Annotated[int, Field(ge=1)] = 16
    experts: Annotated[int, Field(ge=1)] = 4
    hidden: Annotated[int, Field(ge=2)] = 32
    epochs: Annotated[int, Field(ge=1)] = 40
    batch: Annotated[int, Field(ge=1)] = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patience: Annotated[int, Field(ge=1)] = 6

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Train on all parameters together and complete their tables; logs losses."""
        schedule = Schedule(self.epochs, self.batch, self.learning_rate, self.weight_decay, self.patience)

        def make(torch: Any) -> Any:
            return _network(torch, known.values.shape, self.factors, self.experts, self.hidden)

        return complete_jointly("prediction/mmoe", known, make, schedule, seed, context)


def mixture(gate: Any, experts: Any) -> Any:
    """sum_i softmax(gate)_i expert_i.

    Args:
        gate: Logits, shape (n, experts).
        experts: Outputs, shape (n, experts, hidden).

    Returns:
        Shape (n, hidden).
    """
    return (gate.softmax(dim=1)[:, :, None] * experts).sum(dim=1)


def _network(torch: Any, shape: tuple[int, ...], factors: int, experts: int, hidden: int) -> Any:
    """The network; its class is made here because torch must not be loaded to register the method."""
    nn = torch.nn
    tasks, users, services = shape

    class Network(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.users, self.services = nn.Embedding(users, factors), nn.Embedding(services, factors)
            self.experts = nn.Linear(3 * factors, experts * hidden)  # all experts side by side
            self.gates = nn.ModuleList(nn.Linear(3 * factors, experts, bias=False) for _ in range(tasks))
            self.towers = towers(torch, hidden, tasks)

        def forward(self, u: Any, s: Any) -> Any:
            a, b = self.users(u), self.services(s)
            x = torch.cat([a, b, a * b], dim=1)
            seen = self.experts(x).relu().reshape(-1, experts, hidden)
            found = [
                tower(mixture(gate(x), seen)) for gate, tower in zip(self.gates, self.towers, strict=True)
            ]
            return torch.cat(found, dim=1)

    return Network()
