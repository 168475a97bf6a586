"""Multi-task learning with one network below and a tower for each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.cell_networks import complete_jointly, perceptron, towers
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.model import Prediction
from qoslab.learning.training import Schedule

__all__ = ["SharedBottom"]

CITATION = """@article{caruana1997multitask,
  author = {Caruana, Rich},
  title = {Multitask Learning},
  journal = {Machine Learning},
  volume = {28},
  pages = {41--75},
  year = {1997}
}"""


@method(
    "prediction",
    "shared_bottom",
    summary="one network for all parameters with a tower for each (hard sharing)",
    citation=CITATION,
    extra="learn",
    origin="reference instance",
    example={"factors": 4, "hidden": 8, "epochs": 3},
)
@dataclass(frozen=True)
class SharedBottom:
    """Hard parameter sharing (Caruana 1997): embeddings and a bottom layer for all parameters, a tower for each.

    The bottom sees the user's and the service's embeddings and their product, element by element. Absolute errors in
    units of each parameter's mean, summed.

    Attributes:
        factors: Width of the embeddings.
        hidden: Width of the bottom; towers have half.
        epochs: Passes over the known cells at most.
        batch: Cells in a mini-batch.
        learning_rate: Step size of Adam.
        weight_decay: Decay of the weights.
        patience: Epochs without improvement on a tenth of the known cells before training stops.
    """

    factors: Annotated[int, Field(ge=1)] = 16
    hidden: Annotated[int, Field(ge=2)] = 64
    epochs: Annotated[int, Field(ge=1)] = 40
    batch: Annotated[int, Field(ge=1)] = 1024
    learning_rate: Annotated[float, Field(gt=0)] = 5e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patience: Annotated[int, Field(ge=1)] = 6

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Train on all parameters together and complete their tables; logs losses."""
        schedule = Schedule(self.epochs, self.batch, self.learning_rate, self.weight_decay, self.patience)

        def make(torch: Any) -> Any:
            return _network(torch, known.values.shape, self.factors, self.hidden)

        return complete_jointly("prediction/shared_bottom", known, make, schedule, seed, context)


def _network(torch: Any, shape: tuple[int, ...], factors: int, hidden: int) -> Any:
    """The network; its class is made here because torch must not be loaded to register the method."""
    nn = torch.nn
    tasks, users, services = shape

    class Network(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.users, self.services = nn.Embedding(users, factors), nn.Embedding(services, factors)
            self.bottom = perceptron(torch, (3 * factors, hidden))
            self.towers = towers(torch, hidden, tasks)

        def forward(self, u: Any, s: Any) -> Any:
            a, b = self.users(u), self.services(s)
            shared = self.bottom(torch.cat([a, b, a * b], dim=1))
            return torch.cat([tower(shared) for tower in self.towers], dim=1)

    return Network()
