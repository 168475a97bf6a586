"""Light graph convolution on the user-service graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.learning.session import deterministic
from qoslab.learning.sparse import Operator, sparse_operator
from qoslab.learning.training import Schedule, fit

__all__ = ["LightGCN", "layer_mean", "symmetric_adjacency"]

CITATION = """@inproceedings{he2020lightgcn,
  author = {He, Xiangnan and Deng, Kuan and Wang, Xiang and Li, Yan and Zhang, Yongdong and Wang, Meng},
  title = {{LightGCN}: Simplifying and Powering Graph Convolution Network for Recommendation},
  booktitle = {Proceedings of the 43rd International ACM SIGIR Conference},
  pages = {639--648},
  year = {2020}
}"""

_HELD_OUT = 0.1
_STEPS_PER_CHECK = 5


@method(
    "prediction",
    "lightgcn",
    summary="embeddings averaged over the user-service graph, in Euclidean space (LightGCN)",
    citation=CITATION,
    extra="learn",
    origin="reference instance",
    example={"width": 4, "steps": 10},
)
@dataclass(frozen=True)
class LightGCN:
    """LightGCN of He et al. (SIGIR 2020, section 3), for values in place of clicks: the Euclidean graph model.

    Embeddings spread over D^-1/2 A D^-1/2 without weights or activations, and the layers are averaged; a prediction is
    their product plus offsets of user and service (ours: values have levels that clicks have not). Absolute error; all
    known cells are one step; a tenth of them is kept out of graph and training and decides when to stop.

    Attributes:
        width: Width of the embeddings.
        layers: Number of convolutions.
        steps: Steps at most.
        learning_rate: Step size of Adam.
        weight_decay: Decay of the embeddings.
        patience: Steps without improvement on the cells kept out before training stops.
    """

    width: Annotated[int, Field(ge=1)] = 64
    layers: Annotated[int, Field(ge=0, le=8)] = 2
    steps: Annotated[int, Field(ge=1)] = 400
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    patience: Annotated[int, Field(ge=1)] = 30

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Train on each parameter's table and complete it; within what was seen."""
        return by_parameter(known, seed, lambda table, child: self._one(table, child, context))

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        users, services = np.nonzero(np.isfinite(table))
        with deterministic(seed, "prediction/lightgcn") as torch:
            order = torch.randperm(len(users)).numpy()
            users, services = users[order], services[order]
            y = torch.from_numpy(table[users, services]).float()
            u, s = torch.from_numpy(users), torch.from_numpy(services)
            held = max(1, round(_HELD_OUT * len(y))) if len(y) > 1 else 0
            cut = len(y) - held
            shape = (int(table.shape[0]), int(table.shape[1]))
            graph = symmetric_adjacency(users[:cut], services[:cut], shape, y)
            weights = _weights(torch, sum(shape), self.width)

            def off(part: slice) -> Any:
                x = layer_mean(weights["embedding"], graph, self.layers)
                found = (x[u[part]] * x[shape[0] + s[part]]).sum(dim=1)
                offsets = weights["offset"][u[part]] + weights["offset"][shape[0] + s[part]]
                return (1.0 + found + offsets - y[part]).abs().mean()

            schedule = Schedule(
                max(1, self.steps // _STEPS_PER_CHECK),
                1,
                self.learning_rate,
                self.weight_decay,
                max(1, self.patience // _STEPS_PER_CHECK),
            )
            rest = slice(cut, None) if held else slice(None)
            fit(
                weights,
                lambda _: off(slice(cut)),
                _STEPS_PER_CHECK,
                lambda: float(off(rest)),
                schedule,
                context,
            )
            with torch.no_grad():
                x = layer_mean(weights["embedding"], graph, self.layers)
                offset = weights["offset"]
                found = x[: shape[0]] @ x[shape[0] :].T + offset[: shape[0], None] + offset[None, shape[0] :]
            return np.asarray(1.0 + found.double().numpy())


def symmetric_adjacency(
    users: np.ndarray, services: np.ndarray, shape: tuple[int, int], like: Any
) -> Operator:
    """D^-1/2 A D^-1/2 of the user-service graph, users first; nodes without edges get zero.

    Args:
        users: User of each edge.
        services: Service of each edge.
        shape: Users and services.
        like: A tensor whose device and type the operator has.
    """
    count = sum(shape)
    rows = np.concatenate([users, services + shape[0]])
    columns = np.concatenate([services + shape[0], users])
    degree = np.maximum(np.bincount(rows, minlength=count), 1.0)
    return sparse_operator(rows, columns, (degree[rows] * degree[columns]) ** -0.5, (count, count), like)


def layer_mean(embedding: Any, graph: Operator, layers: int) -> Any:
    """The mean of the embeddings and of their 1st to last convolutions, shape (nodes, width)."""
    total = x = embedding
    for _ in range(layers):
        x = graph(x)
        total = total + x
    return total / (layers + 1)


def _weights(torch: Any, nodes: int, width: int) -> Any:
    made = {"embedding": 0.1 * torch.randn(nodes, width), "offset": torch.zeros(nodes)}
    return torch.nn.ParameterDict({name: torch.nn.Parameter(value) for name, value in made.items()})
