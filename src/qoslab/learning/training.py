"""The training loop: shuffled mini-batches, early stopping on held-out data, the best weights kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

from qoslab.core.context import Context
from qoslab.core.errors import QoslabError

__all__ = ["DivergedTraining", "History", "Schedule", "batches", "fit"]

Loss = Callable[[Any], Any]
"""From the indices of a mini-batch (an int64 tensor) to the loss, a scalar tensor with a gradient."""


class DivergedTraining(QoslabError):
    """The loss is no longer a number."""


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how.

    Attributes:
        epochs: Passes over the training data at most.
        batch: Examples in a mini-batch.
        learning_rate: Step size of Adam.
        weight_decay: Decoupled decay of the weights, per step relative to the learning rate.
        patience: Epochs without a better validation loss before training stops.
        decay: Whether the step size falls to nothing along half a cosine, after a tenth of the epochs in which it
            rises (Loshchilov and Hutter, ICLR 2017, without restarts).
    """

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.0
    patience: int = 10
    decay: bool = False

    def step_size(self, epoch: int) -> float:
        """The step size of an epoch, counted from zero."""
        if not self.decay:
            return self.learning_rate
        rising = max(1, self.epochs // 10)
        if epoch < rising:
            return self.learning_rate * (epoch + 1) / rising
        return self.learning_rate * 0.5 * (1 + cos(pi * (epoch - rising) / max(1, self.epochs - rising)))


@dataclass
class History:
    """What happened during training, one entry per epoch; `best` is the epoch whose weights were kept."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = -1


def fit(
    model: Any,
    loss: Loss,
    examples: int,
    validation: Callable[[], float],
    schedule: Schedule,
    context: Context,
) -> History:
    """Train a module and leave it with the weights of its best epoch.

    Call it inside `deterministic`: the shuffling draws from torch's generator.

    Args:
        model: A `torch.nn.Module`, changed in place.
        loss: Loss of a mini-batch.
        examples: Number of training examples.
        validation: Loss on held-out data, without gradients; lower is better.
        schedule: How long and how.
        context: Its time limit is kept.

    Returns:
        The losses of every epoch.

    Raises:
        DivergedTraining: A loss is infinite or NaN; the message names the epoch.
        TimeLimitExceeded: The trial's time is over.
    """
    import torch

    optimiser = torch.optim.AdamW(
        model.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
    )
    history, kept = History(), _copy(model)
    for epoch in range(schedule.epochs):
        for group in optimiser.param_groups:
            group["lr"] = schedule.step_size(epoch)
        history.training.append(_epoch(model, optimiser, loss, examples, schedule.batch, context))
        model.eval()
        with torch.no_grad():
            history.validation.append(float(validation()))
        _check(history, epoch)
        if history.validation[-1] < min(history.validation[:-1], default=float("inf")):
            history.best, kept = epoch, _copy(model)
        elif epoch - history.best >= schedule.patience:
            break
    model.load_state_dict(kept)
    model.eval()
    return history


def batches(examples: int, size: int) -> Iterator[Any]:
    """The indices 0..examples-1 in a random order, in tensors of at most `size`."""
    import torch

    yield from torch.randperm(examples).split(size)


def _epoch(model: Any, optimiser: Any, loss: Loss, examples: int, size: int, context: Context) -> float:
    model.train()
    total = 0.0
    for indices in batches(examples, size):
        context.check_time()
        optimiser.zero_grad(set_to_none=True)
        value = loss(indices)
        value.backward()
        optimiser.step()
        total += float(value.detach()) * len(indices)
    return total / examples


def _check(history: History, epoch: int) -> None:
    from math import isfinite

    if not (isfinite(history.training[-1]) and isfinite(history.validation[-1])):
        message = f"training diverged in epoch {epoch + 1}: the loss is {history.training[-1]}; lower the learning rate"
        raise DivergedTraining(message)


def _copy(model: Any) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
