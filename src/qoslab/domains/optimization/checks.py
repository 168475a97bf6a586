"""How a figure is held to a digit that was given, and to what noise leaves of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.instances import known_to, work
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.noisefloor import Spread, last_state, spread_of
from qoslab.domains.optimization.task import Task

__all__ = ["DERIVED", "OURS", "Noisy", "near"]

OURS = "our reference instance"
DERIVED = "closed form, derived"

_PROTOTYPE = 5
"""Noisy runs that the prototype's digits are the mean of."""

_RUNS = ((1_000, 40), (20_000, 20))
"""Noisy runs of ours, up to so many rounds; longer ones take seconds each, and are predicted alone."""


def near(name: str, expected: float, got: float, half: float, source: str = OURS, note: str = "") -> Check:
    """A check that passes within half a unit of the last digit given.

    Args:
        name: What is checked.
        expected: The digits.
        got: Our figure.
        half: Half a unit of the last digit.
        source: Where the digits come from.
        note: Anything a reader must know.
    """
    # The last digit given was rounded: half a unit of it, and a hair for the rounding of both numbers.
    hair = 1e-9 * max(1.0, abs(expected))
    low, high = expected - half - hair, expected + half + hair
    return Check.within(name, source, expected=expected, got=got, low=low, high=high, note=note)


@dataclass(frozen=True)
class Noisy:
    """Distances from x_r that noise leaves, of an instance whose prototype's five runs we have the means of.

    Attributes:
        name: What it is called.
        task: The instance.
        method: The penalty method.
        target: x_r, shape (n, d).
        start: Where all agents start.
        distance: From x - x_r, shape (draws, n d), to (draws,).
    """

    name: str
    task: Task
    method: PenaltyConsensus
    target: FloatArray
    start: float
    distance: Callable[[FloatArray], FloatArray]

    def checks(
        self, noise: float, count: int, expected: float, context: Context, *, quick: bool = False
    ) -> Iterator[Check]:
        """The digits against what noise must leave, and our own runs against the same.

        Args:
            noise: Standard deviation of a measured derivative.
            count: Rounds.
            expected: The prototype's mean.
            context: Where the time is checked.
            quick: Whether a quarter of our own runs will do.
        """
        name = f"{self.name} distance from x_r after {count} rounds, noise {noise:g}"
        spread = self._spread(noise, count)
        # Means of so many runs are nearly normal: 4.4 standard errors are passed by chance once in 10^5.
        half = 4.4 * spread.std / np.sqrt(_PROTOTYPE)
        low, high = expected - half, expected + half
        yield Check.within(name, OURS, expected=expected, got=spread.mean, low=low, high=high)
        runs = next((runs for rounds, runs in _RUNS if count <= rounds), 0)
        if not runs:
            return
        runs = runs // 4 if quick else runs
        got = np.mean([self._run(noise, count, k, context) for k in range(runs)])
        # A hundredth for what is not linear.
        half = 4.4 * spread.std / np.sqrt(runs) + 0.01 * spread.mean
        low, high = spread.mean - half, spread.mean + half
        source = "covariance of linear rounds, derived"
        yield Check.within(
            f"{name}, {runs} runs", source, expected=spread.mean, got=float(got), low=low, high=high
        )

    def _spread(self, noise: float, count: int) -> Spread:
        own = known_to(self.task, self.method, start=self.start)
        mean, covariance = last_state(self.method, self.task, own, noise, count)
        return spread_of(self.distance, (mean - self.target).ravel(), covariance)

    def _run(self, noise: float, count: int, seed: int, context: Context) -> float:
        more: dict[str, Any] = {"start": self.start, "noise": noise, "seed": Seed(replication=seed)}
        trace = work(self.task, self.method, count, context, **more)
        return float(self.distance((trace.x - self.target).reshape(1, -1))[0])
