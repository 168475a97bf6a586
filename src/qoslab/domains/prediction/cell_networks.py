"""Training of networks that look at one cell at a time, for all parameters together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Series
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.model import Prediction
from qoslab.learning.session import deterministic
from qoslab.learning.training import Schedule, fit

__all__ = ["Trained", "complete_jointly", "perceptron", "towers", "train_on_cells"]

_HELD_OUT = 0.1
_USERS_AT_A_TIME = 32


@dataclass(frozen=True)
class Trained:
    """Predictions of every cell, shape (P, users, services), and the losses by epoch, for figures."""

    values: FloatArray
    series: Mapping[str, Series]


def perceptron(torch: Any, widths: tuple[int, ...]) -> Any:
    """Linear layers with ReLU after each."""
    layers: list[Any] = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers)


def towers(torch: Any, hidden: int, tasks: int) -> Any:
    """For each task a perceptron of one layer, half as wide as its input, and a linear output."""
    made = [
        torch.nn.Sequential(perceptron(torch, (hidden, hidden // 2)), torch.nn.Linear(hidden // 2, 1))
        for _ in range(tasks)
    ]
    return torch.nn.ModuleList(made)


def complete_jointly(
    name: str,
    known: Known,
    make: Callable[[Any], Any],
    schedule: Schedule,
    seed: np.random.SeedSequence,
    context: Context,
) -> Prediction:
    """Train one network on all parameters together and complete their tables; logs losses.

    Args:
        name: Whose network it is, `DOMAIN/METHOD`.
        known: The table and its context.
        make: From the torch module to the network, see `train_on_cells`.
        schedule: How long and how.
        seed: Where torch's random numbers come from.
        context: Its time limit is kept.
    """
    with deterministic(seed, name) as torch:
        found = train_on_cells(torch, known, make(torch), schedule, context)
    return Prediction(found.values, series=found.series)


def train_on_cells(
    torch: Any,
    known: Known,
    network: Any,
    schedule: Schedule,
    context: Context,
    error: Callable[[Any], Any] | None = None,
) -> Trained:
    """Train a network on the known cells; a tenth of them decides when to stop.

    The loss is the sum over parameters of the mean error of the cells in which the parameter is known, in units of the
    parameter's known mean.

    Args:
        torch: The torch module of a deterministic session.
        known: The table and its context.
        network: A module from users and services, int64 tensors of shape (n,), to predictions, shape (n, P).
        schedule: How long and how.
        context: Its time limit is kept.
        error: From differences to losses, elementwise; absolute values where None.

    Returns:
        Predictions, not below zero where nothing known is, and the series `training`.
    """
    scales = np.array([float(np.nanmean(np.abs(table))) or 1.0 for table in known.values])
    users, services = np.nonzero(np.isfinite(known.values).any(axis=0))
    order = torch.randperm(len(users)).numpy()
    users, services = users[order], services[order]
    u, s = torch.from_numpy(users), torch.from_numpy(services)
    table = known.values[:, users, services].T / scales
    has = torch.from_numpy(np.isfinite(table)).float()
    y = torch.from_numpy(np.nan_to_num(table)).float()
    held = max(1, round(_HELD_OUT * len(y))) if len(y) > 1 else 0
    cut = len(y) - held
    measure = error or torch.abs

    def off(chosen: Any) -> Any:
        each = measure(network(u[chosen], s[chosen]) - y[chosen]) * has[chosen]
        return (each.sum(dim=0) / has[chosen].sum(dim=0).clamp_min(1.0)).sum()

    def validation() -> float:
        return float(off(torch.arange(cut if held else 0, len(y))))

    history = fit(network, off, cut, validation, schedule, context)
    values = _everywhere(torch, network, known) * scales[:, None, None]
    lowest = np.array([np.nanmin(table) for table in known.values])
    floor = np.where(lowest >= 0, 0.0, -np.inf)
    training = {
        "epoch": np.arange(1, len(history.training) + 1),
        "loss": np.array(history.training),
        "held_out": np.array(history.validation),
    }
    return Trained(np.maximum(values, floor[:, None, None]), {"training": training})


def _everywhere(torch: Any, network: Any, known: Known) -> FloatArray:
    out = np.empty(known.values.shape)
    services = torch.arange(known.services)
    with torch.no_grad():
        for start in range(0, known.users, _USERS_AT_A_TIME):
            users = torch.arange(start, min(start + _USERS_AT_A_TIME, known.users))
            u = users.repeat_interleave(known.services)
            found = network(u, services.repeat(len(users))).double().numpy()
            out[:, start : start + len(users)] = found.T.reshape(len(out), len(users), -1)
    return out
