"""Neural matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.learning.session import deterministic
from qoslab.learning.training import Schedule, fit

__all__ = ["NeuMF"]

_VALIDATION = 0.1

CITATION = """@inproceedings{he2017neural,
  author = {He, Xiangnan and Liao, Lizi and Zhang, Hanwang and Nie, Liqiang and Hu, Xia and Chua, Tat-Seng},
  title = {Neural Collaborative Filtering},
  booktitle = {Proceedings of the 26th International Conference on World Wide Web},
  pages = {173--182},
  year = {2017}
}"""


@method(
    "prediction",
    "neumf",
    summary="neural matrix factorisation: a product and a perceptron over embeddings",
    citation=CITATION,
    extra="learn",
    origin="paper",
)
@dataclass(frozen=True)
class NeuMF:
    """NeuMF of He et al. (WWW 2017, section 3.4), with absolute error in place of their ranking loss.

    One path multiplies user and service embeddings element by element (GMF); the other feeds their concatenation
    to a perceptron whose layers halve (MLP); each has its own embeddings, and a linear layer joins the two paths.
    Every parameter of the table has a network of its own; values are divided by their known mean.

    Attributes:
        factors: Width of the GMF embeddings and of the perceptron's last layer.
        layers: Hidden layers of the perceptron; layer k from the end is `factors * 2^k` wide.
        epochs: Passes over the known cells at most.
        batch: Cells in a mini-batch.
        learning_rate: Step size of Adam.
        weight_decay: Decay of the weights.
        patience: Epochs without improvement on a tenth of the known cells before training stops.
    """

    factors: Annotated[int, Field(ge=1)] = 8
    layers: Annotated[int, Field(ge=1, le=8)] = 3
    epochs: Annotated[int, Field(ge=1)] = 60
    batch: Annotated[int, Field(ge=1)] = 256
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    patience: Annotated[int, Field(ge=1)] = 8

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Train one network per parameter and complete its table; predictions are not negative."""
        children = np.random.SeedSequence(seed.entropy, spawn_key=seed.spawn_key).spawn(len(known.values))
        return np.stack(
            [self._one(table, s, context) for table, s in zip(known.values, children, strict=True)]
        )

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        users, services = np.nonzero(np.isfinite(table))
        scale = float(np.abs(table[users, services]).mean()) or 1.0
        with deterministic(seed, "prediction/neumf") as torch:
            order = torch.randperm(len(users)).numpy()
            u = torch.from_numpy(users[order])
            s = torch.from_numpy(services[order])
            y = torch.from_numpy(table[users, services][order] / scale).float()
            model = _network(torch, table.shape, self.factors, self.layers)
            held = max(1, round(_VALIDATION * len(y))) if len(y) > 1 else 0
            cut = len(y) - held

            def loss(indices: Any) -> Any:
                return (model(u[indices], s[indices]) - y[indices]).abs().mean()

            def validation() -> float:
                return float((model(u[cut:], s[cut:]) - y[cut:]).abs().mean()) if held else 0.0

            schedule = Schedule(self.epochs, self.batch, self.learning_rate, self.weight_decay, self.patience)
            fit(model, loss, cut, validation, schedule, context)
            with torch.no_grad():
                everyone = torch.arange(table.shape[0])[:, None].expand(table.shape)
                everything = torch.arange(table.shape[1])[None, :].expand(table.shape)
                completed = model(everyone.reshape(-1), everything.reshape(-1)).clamp_min(0)
            return np.asarray(completed.numpy().reshape(table.shape), np.float64) * scale


def _network(torch: Any, shape: tuple[int, ...], factors: int, layers: int) -> Any:
    """The network; its class is made here because torch must not be loaded to register the method."""
    nn = torch.nn

    class Network(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            widths = [factors * 2**k for k in range(layers, -1, -1)]
            self.gmf = nn.ModuleList(nn.Embedding(count, factors) for count in shape)
            self.mlp = nn.ModuleList(nn.Embedding(count, widths[0] // 2) for count in shape)
            hidden = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
            self.hidden = nn.Sequential(*hidden)
            self.out = nn.Linear(2 * factors, 1)
            for table in (*self.gmf, *self.mlp):
                nn.init.normal_(table.weight, std=0.1)
            # Values are scaled to mean 1: starting there saves the epochs that would only learn the level.
            nn.init.ones_(self.out.bias)

        def forward(self, u: Any, s: Any) -> Any:
            product = self.gmf[0](u) * self.gmf[1](s)
            perceptron = self.hidden(torch.cat([self.mlp[0](u), self.mlp[1](s)], dim=-1))
            return self.out(torch.cat([product, perceptron], dim=-1)).squeeze(-1)

    return Network()
