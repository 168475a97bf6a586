"""Training of SHARP-QoS: all cells at each step, the best weights kept by held-out cells where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.outcome import Series
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.sharp.balance import Balance, Balancer
from qoslab.domains.prediction.sharp.network import Architecture, Noise, Routed, forward, initial_weights
from qoslab.domains.prediction.sharp.structure import Structure, make_structure
from qoslab.learning.training import Schedule, fit

__all__ = ["Recipe", "Trained", "complete", "train"]

STEPS_PER_CHECK = 5
"""Steps between two looks at the held-out cells; the length of a training and its patience are counted in looks."""


@dataclass(frozen=True)
class Recipe:
    """Everything of a training that is not the network; see the attributes of the method `sharp_qos`."""

    balance: Balance
    beta: float
    l0: float
    scaling: str
    context: str
    self_loops: str
    steps: int
    learning_rate: float
    decay: bool
    weight_decay: float
    dropout: float
    held_out: float
    patience: int
    device: str


@dataclass(frozen=True)
class _Cells:
    """Cells of one parameter: users, services, values in scaled units, and in these the mean that is learned from."""

    users: Any
    services: Any
    values: Any
    mean: float

    def loss(self, table: Any) -> Any:
        """Mean absolute error of a completed table at these cells; zero where there are none."""
        if not len(self.values):
            return table.new_zeros(())
        return (table[self.users, self.services] - self.values).abs().mean()


@dataclass
class _Log:
    """What is written down at every check."""

    losses: list[NDArray[np.float64]] = field(default_factory=list)
    weights: list[NDArray[np.float64]] = field(default_factory=list)
    gates: list[list[NDArray[np.float64]]] = field(default_factory=list)
    checked: list[NDArray[np.float64]] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """A trained network with all that it predicts from.

    Attributes:
        weights: Its weights, and those of the losses where these are learned.
        architecture: What they are the weights of.
        structure: Features and graphs of what was known.
        scales: What each parameter was divided by.
        floor: Least prediction of each parameter: zero where nothing known is below.
        series: The series `training`.
    """

    weights: Any
    architecture: Architecture
    structure: Structure
    scales: Sequence[float]
    floor: Sequence[float]
    series: Series

    def tables(self) -> FloatArray:
        """Predictions of every cell in raw units, shape (P, users, services), within one pass and without gradients.

        Everybody is encoded once, and a table is one product of all users' and all services' outputs.
        """
        import torch

        out = np.empty((len(self.scales), *self.structure.count))
        with torch.no_grad():
            found = forward(self.weights, self.architecture, self.structure).predictions
        for target, table, scale, least in zip(out, found, self.scales, self.floor, strict=True):
            np.multiply(table.cpu().numpy(), scale, out=target, dtype=np.float64)
            np.maximum(target, least, out=target)
        return out


def complete(
    torch: Any, known: Known, architecture: Architecture, recipe: Recipe, context: Context
) -> tuple[FloatArray, dict[str, Series]]:
    """Train on what is known and predict every cell.

    Args:
        torch: The torch module of a deterministic session.
        known: The table and its context.
        architecture: The network.
        recipe: How it is trained.
        context: Time limit.

    Returns:
        Predictions in raw units, shape (P, users, services), not below zero where nothing known is; and the series
        `training`.
    """
    trained = train(torch, known, architecture, recipe, context)
    return trained.tables(), {"training": trained.series}


def train(torch: Any, known: Known, architecture: Architecture, recipe: Recipe, context: Context) -> Trained:
    """Train on what is known.

    Args:
        torch: The torch module of a deterministic session.
        known: The table and its context.
        architecture: The network.
        recipe: How it is trained.
        context: Time limit.
    """
    held = _held_out(torch, known, recipe.held_out)
    kept = Known(
        known.parameters, np.where(held, np.nan, known.values), known.user_context, known.service_context
    )
    device = _device(torch, recipe.device)
    structure = make_structure(
        torch,
        kept,
        architecture.rank,
        renormalised=recipe.self_loops == "renormalised",
        merged=recipe.context == "merged",
        contexts=recipe.context != "none" and architecture.snr,
        device=device,
        context=context,
    )
    means = _means(kept)
    scales = means if recipe.scaling == "mean" else [1.0 for _ in means]
    learned = _cells(torch, kept, scales, means, device)
    validation = _cells(torch, known, scales, means, device, held)
    weights = initial_weights(torch, architecture, structure)
    asked_of = np.array([len(cells.values) > 0 for cells in learned])
    balancer = Balancer(recipe.balance, len(scales), recipe.beta, learned=asked_of)
    if recipe.balance == "huw":
        weights["log_variance"] = torch.nn.Parameter(torch.zeros(len(scales)))
    weights = weights.to(device)
    balancer.log_variance = weights["log_variance"] if recipe.balance == "huw" else None
    asked = validation if held.any() else learned
    log = _train(torch, weights, architecture, structure, learned, asked, balancer, recipe, context)
    lowest = [np.nanmin(table, initial=np.inf) for table in kept.values]
    floor = [0.0 if least >= 0 else -np.inf for least in lowest]
    return Trained(
        weights,
        architecture,
        structure,
        scales,
        floor,
        _series(known.parameters, log, "held_out" if held.any() else "fitted"),
    )


def _train(
    torch: Any,
    weights: Any,
    architecture: Architecture,
    structure: Structure,
    train: Sequence[_Cells],
    asked: Sequence[_Cells],
    balancer: Balancer,
    recipe: Recipe,
    context: Context,
) -> _Log:
    log = _Log()

    def loss(_: Any) -> Any:
        routed = forward(weights, architecture, structure, _noise(torch, weights, len(train), recipe.dropout))
        losses = torch.stack([cells.loss(t) for cells, t in zip(train, routed.predictions, strict=True)])
        log.losses.append(losses.detach().double().cpu().numpy())
        total = balancer.total(losses) + recipe.l0 * routed.l0
        log.weights.append(balancer.weights.copy())
        return total

    def look() -> float:
        routed = forward(weights, architecture, structure)
        log.gates.append(_open(routed))
        losses = [float(cells.loss(t)) for cells, t in zip(asked, routed.predictions, strict=True)]
        log.checked.append(np.array(losses))
        # Whatever the losses are counted in, no parameter has more say in which weights are kept than another.
        return sum(loss / cells.mean for loss, cells in zip(losses, asked, strict=True))

    checks = max(1, recipe.steps // STEPS_PER_CHECK)
    patience = max(1, recipe.patience // STEPS_PER_CHECK)
    schedule = Schedule(checks, 1, recipe.learning_rate, recipe.weight_decay, patience, recipe.decay)
    fit(weights, loss, STEPS_PER_CHECK, look, schedule, context)
    return log


def _noise(torch: Any, weights: Any, tasks: int, dropout: float) -> Noise:
    """What a step draws, on the CPU so that every device gets the same numbers."""

    def drop(x: Any) -> Any:
        kept = (torch.rand(x.shape) >= dropout).to(x.device)
        return x * kept.to(x.dtype).div_(1 - dropout)

    routed = "task0/log_alpha" in weights
    places = [weights[f"task{p}/log_alpha"] for p in range(tasks if routed else 0)]
    gates = [torch.rand(place.shape).to(place.device) for place in places]
    return Noise(gates, drop) if dropout else Noise(gates)


def _open(routed: Routed) -> list[NDArray[np.float64]]:
    return [gates.double().cpu().numpy() for gates in routed.gates]


def _held_out(torch: Any, known: Known, share: float) -> NDArray[np.bool_]:
    """A share of the cells where anything is known, the same for all parameters, shape (P, users, services).

    At least one and never all of them; none of fewer than two, and none if a parameter lost its last cell.
    """
    measured = np.isfinite(known.values)
    anywhere = np.flatnonzero(measured.any(axis=0))
    most = max(0, len(anywhere) - 1) if share else 0
    count = min(max(1, round(share * len(anywhere))), most)
    chosen = np.zeros(known.users * known.services, bool)
    chosen[anywhere[torch.randperm(len(anywhere)).numpy()[:count]]] = True
    held = np.broadcast_to(chosen.reshape(known.users, known.services), known.values.shape)
    lost = measured.any(axis=(1, 2)) & ~(measured & ~held).any(axis=(1, 2))
    return np.zeros_like(measured) if lost.any() else held


def _device(torch: Any, name: str) -> Any:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _means(known: Known) -> list[float]:
    """Mean size of each parameter's values; one where nothing is known, or only zeros are."""
    cells = [known.cells(p)[2] for p in range(len(known.values))]
    return [float(np.abs(values).mean()) or 1.0 if len(values) else 1.0 for values in cells]


def _cells(
    torch: Any,
    known: Known,
    scales: Sequence[float],
    means: Sequence[float],
    device: Any,
    only: NDArray[np.bool_] | None = None,
) -> list[_Cells]:
    found = []
    for p, (scale, mean) in enumerate(zip(scales, means, strict=True)):
        users, services, values = known.cells(p)
        if only is not None:
            inside = only[p, users, services]
            users, services, values = users[inside], services[inside], values[inside]
        rows, columns = (torch.from_numpy(x).to(device) for x in (users, services))
        found.append(_Cells(rows, columns, torch.from_numpy(values / scale).float().to(device), mean / scale))
    return found


def _series(parameters: Sequence[str], log: _Log, checked: str) -> Series:
    """One row per check: scaled losses and weights of its last step, losses without dropout, and how each task routes.

    These are called `held_out`, of cells that are; where all cells are learned from, `fitted`, of those.

    `open` is the share of a task's gates that are not shut, `entropy` that of its gates as shares of their sum, over
    its largest possible value: one when all blocks are used alike, zero when routing has collapsed onto one.
    """
    rows = len(log.gates)
    last = [min(len(log.losses), (row + 1) * STEPS_PER_CHECK) - 1 for row in range(rows)]
    columns: dict[str, NDArray[Any]] = {"step": np.array(last, np.int64) + 1}
    for p, name in enumerate(parameters):
        columns[f"loss[{name}]"] = np.array([log.losses[k][p] for k in last])
        columns[f"weight[{name}]"] = np.array([log.weights[k][p] for k in last])
        columns[f"{checked}[{name}]"] = np.array([losses[p] for losses in log.checked])
        if log.gates and log.gates[0]:
            columns[f"open[{name}]"] = np.array([float((g[p] > 0).mean()) for g in log.gates])
            columns[f"entropy[{name}]"] = np.array([_entropy(g[p]) for g in log.gates])
    return columns


def _entropy(gates: NDArray[np.float64]) -> float:
    total = gates.sum()
    if total <= 0 or len(gates) < 2:
        return 0.0
    shares = gates[gates > 0] / total
    return float(-(shares * np.log(shares)).sum() / np.log(len(gates)))
