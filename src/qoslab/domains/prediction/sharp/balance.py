"""Weights of the tasks' losses: moving averages (EMA), uncertainty (HUW), dynamic averages (DWA), or equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Balance", "Balancer"]

Balance = Literal["ema", "huw", "dwa", "equal"]

_TEMPERATURE = 2.0


@dataclass
class Balancer:
    """Turns the losses of a step into one, and remembers what it needs for the next step.

    Attributes:
        kind: How the weights are found.
        tasks: Number of tasks P.
        beta: Memory of the moving average.
        log_variance: s of HUW, a trainable tensor of shape (P,); unused elsewhere.
        learned: Which tasks have cells to learn from, shape (P,); empty for all. The others weigh nothing: their loss
            is zero because nothing is asked, not because it is learned.
        weights: The weights of the last step, shape (P,).
    """

    kind: Balance
    tasks: int
    beta: float = 0.99
    log_variance: Any = None
    learned: NDArray[np.bool_] = field(default_factory=lambda: np.ones(0, bool))
    weights: NDArray[np.float64] = field(default_factory=lambda: np.ones(0))
    _average: NDArray[np.float64] | None = None
    _history: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not len(self.learned):
            self.learned = np.ones(self.tasks, bool)

    def total(self, losses: Any) -> Any:
        """The weighted sum of one step's losses, shape (P,); call it once per step.

        EMA: w_p = (1 / L~_p) / sum_q (1 / L~_q) with L~ = beta L~ + (1 - beta) L, scaled by P so that the learning rate
        means the same as for equal weights. DWA: P softmax((L(t-1) / L(t-2)) / 2), one in the first two steps. HUW:
        sum_p exp(-s_p) L_p + s_p. P counts, and the sums run over, the tasks that have cells to learn from.
        """
        now = losses.detach().double().cpu().numpy()
        if self.kind == "huw":
            self.weights = self.learned * np.exp(-self.log_variance.detach().double().cpu().numpy())
            terms = (-self.log_variance).exp() * losses + self.log_variance
            return (losses.new_tensor(self.learned) * terms).sum()
        self.weights = self._ema(now) if self.kind == "ema" else self._dwa(now)
        return (losses.new_tensor(self.weights) * losses).sum()

    def _ema(self, now: NDArray[np.float64]) -> NDArray[np.float64]:
        self._average = now if self._average is None else self.beta * self._average + (1 - self.beta) * now
        return self._shares(1 / np.maximum(self._average, 1e-12))

    def _dwa(self, now: NDArray[np.float64]) -> NDArray[np.float64]:
        past, self._history = self._history, [*self._history, now][-2:]
        if self.kind == "equal" or len(past) < 2:
            return self.learned.astype(np.float64)
        ratio = past[1] / np.maximum(past[0], 1e-12) / _TEMPERATURE
        return self._shares(np.exp(ratio - ratio.max()))

    def _shares(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights in proportion to the sizes of the tasks that are learned, whose number they sum to."""
        sizes = sizes * self.learned
        return np.asarray(self.learned.sum() * sizes / (sizes.sum() or 1.0))
