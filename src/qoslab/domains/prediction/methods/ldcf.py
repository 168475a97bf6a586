"""Location-aware deep collaborative filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.cell_networks import perceptron, train_on_cells
from qoslab.domains.prediction.data import Codes, Known
from qoslab.domains.prediction.model import Prediction
from qoslab.learning.session import deterministic
from qoslab.learning.training import Schedule

__all__ = ["LDCF"]

CITATION = """@article{zhang2019location,
  author = {Zhang, Yiwen and Yin, Chunhui and Wu, Qilin and He, Qiang and Zhu, Haibin},
  title = {Location-Aware Deep Collaborative Filtering for Service Recommendation},
  journal = {IEEE Transactions on Systems, Man, and Cybernetics: Systems},
  year = {2019}
}"""


@method(
    "prediction",
    "ldcf",
    summary="a perceptron over embeddings of ids and places, corrected by how close the places are (LDCF)",
    citation=CITATION,
    extra="learn",
    origin="reference instance",
    example={"factors": 4, "layers": 2, "epochs": 3},
)
@dataclass(frozen=True)
class LDCF:
    """A location-aware deep model after LDCF of Zhang et al. (2019); its text was not at hand.

    Embeddings of user, service and every kind of context of both (country, AS) go through a perceptron whose layers
    halve; before the last layer the cosine between the user's and the service's embedding of each kind of place joins
    in (their similarity correction). Huber loss in units of the mean. One network per parameter; without context it
    is a perceptron over ids.

    Attributes:
        factors: Width of each embedding.
        layers: Hidden layers; the first is `factors * 2^layers` wide.
        epochs: Passes over the known cells at most.
        batch: Cells in a mini-batch.
        learning_rate: Step size of Adam.
        weight_decay: Decay of the weights.
        patience: Epochs without improvement on a tenth of the known cells before training stops.
    """

    factors: Annotated[int, Field(ge=1)] = 12
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    epochs: Annotated[int, Field(ge=1)] = 40
    batch: Annotated[int, Field(ge=1)] = 512
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patience: Annotated[int, Field(ge=1)] = 6

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Train one network per parameter and complete its table."""
        children = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key).spawn(len(known.values))
        schedule = Schedule(self.epochs, self.batch, self.learning_rate, self.weight_decay, self.patience)
        tables, series = [], {}
        for p, child in enumerate(children):
            one = Known(
                known.parameters[p : p + 1],
                known.values[p : p + 1],
                known.user_context,
                known.service_context,
            )
            with deterministic(child, "prediction/ldcf") as torch:
                network = _network(torch, one, self.factors, self.layers)
                found = train_on_cells(torch, one, network, schedule, context, _huber)
            tables.append(found.values[0])
            series[f"training_{known.parameters[p]}"] = found.series["training"]
        return Prediction(np.stack(tables), series=series)


def _huber(off: Any) -> Any:
    import torch

    return torch.nn.functional.huber_loss(off, torch.zeros_like(off), reduction="none")


def _network(torch: Any, known: Known, factors: int, layers: int) -> Any:
    """The network; its class is made here because torch must not be loaded to register the method."""
    nn = torch.nn
    kinds = sorted(set(known.user_context) & set(known.service_context))
    sides = [
        _codes(known.user_context, known.users, kinds),
        _codes(known.service_context, known.services, kinds),
    ]

    class Network(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.codes = [torch.from_numpy(side) for side in sides]
            sizes = [[int(column.max()) + 1 for column in side.T] for side in sides]
            self.tables = nn.ModuleList(
                nn.ModuleList(nn.Embedding(size, factors) for size in side) for side in sizes
            )
            widths = [factors * 2**k for k in range(layers, 0, -1)]
            self.hidden = perceptron(torch, (2 * (1 + len(kinds)) * factors, *widths))
            self.out = nn.Linear(widths[-1] + len(kinds), 1)
            nn.init.ones_(self.out.bias)  # values have mean 1

        def forward(self, u: Any, s: Any) -> Any:
            seen = [
                [table(codes[index, k]) for k, table in enumerate(tables)]
                for index, codes, tables in zip((u, s), self.codes, self.tables, strict=True)
            ]
            hidden = self.hidden(torch.cat([*seen[0], *seen[1]], dim=1))
            near = [
                nn.functional.cosine_similarity(a, b)[:, None]
                for a, b in zip(seen[0][1:], seen[1][1:], strict=True)
            ]
            return self.out(torch.cat([hidden, *near], dim=1))

    return Network()


def _codes(context: Any, count: int, kinds: list[str]) -> Codes:
    """Columns of numbers from zero: the id, and each kind of place, 0 where it is unknown; shape (count, 1 + kinds)."""
    return np.stack([np.arange(count), *(np.asarray(context[kind], np.int64) + 1 for kind in kinds)], axis=1)
