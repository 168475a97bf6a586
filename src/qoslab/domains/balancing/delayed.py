"""The mean field of load balancing with delayed information: many queues, each client sees two of them, late.

M queues with B places and service rate 1; at the start of each epoch of length dt everybody learns the lengths of all
queues, and nothing after. A client looks at d = 2 uniformly drawn queues and picks one of them by what it knows. As M
and the number of clients grow, a queue shown at length z gets Poisson arrivals of rate lam g(z) for the whole epoch,

    g(z) = 2 sum_y nu(y) h(z, y),

where nu is the law of lengths at the start of the epoch and h(z, y) the probability that of queues shown at z and y the
first is picked. Within an epoch each queue is then an M/M/1/B chain, solved exactly with one more entry that counts
drops. The arrival rate follows a two-state Markov chain over epochs. The model is that of Tahir, Cui and
Koeppl, "Learning mean-field control for delayed information load balancing in large queuing systems" (ICPP 2022,
arXiv 2208.04777); its published figures were not at hand, so reference values are our own computation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Epochs", "Preference", "drops", "epoch", "epoch_rates", "random_choice", "shortest", "softmin"]

FloatArray = NDArray[np.float64]
Preference = Callable[[FloatArray], FloatArray]
"""From the lengths 0..B to h, shape (B + 1, B + 1): the probability that the first of two queues is picked."""


@dataclass(frozen=True)
class Epochs:
    """The world.

    Attributes:
        dt: Length of an epoch, in mean service times.
        horizon: Length of a run.
        places: B, places of a queue, the one in service included.
        high: Arrival rate per queue in the busy state.
        low: Arrival rate per queue in the quiet state.
        to_low: Probability that the busy state ends with an epoch.
        to_high: Probability that the quiet state ends with an epoch.
    """

    dt: float
    horizon: float = 500.0
    places: int = 5
    high: float = 0.9
    low: float = 0.6
    to_low: float = 0.2
    to_high: float = 0.5

    @property
    def count(self) -> int:
        """Number of epochs."""
        return round(self.horizon / self.dt)


def random_choice(lengths: FloatArray) -> FloatArray:
    """RND: each of the two queues with probability one half."""
    return np.full((len(lengths), len(lengths)), 0.5)


def shortest(lengths: FloatArray) -> FloatArray:
    """JSQ(2): the shorter queue, ties by a coin."""
    return 0.5 * (1.0 + np.sign(lengths[None, :] - lengths[:, None]))


def softmin(beta: float) -> Preference:
    """Boltzmann choice: queue i with probability proportional to exp(-beta length_i); 0 is RND, infinity JSQ(2)."""

    def preference(lengths: FloatArray) -> FloatArray:
        return np.asarray(1.0 / (1.0 + np.exp(beta * (lengths[:, None] - lengths[None, :]))))

    return preference


def epoch_rates(world: Epochs, rng: np.random.Generator) -> FloatArray:
    """Arrival rates per queue, one for each epoch, shape (count,); the first state is drawn by a coin."""
    busy = rng.random() < 0.5
    rates = np.empty(world.count)
    for epoch in range(world.count):
        rates[epoch] = world.high if busy else world.low
        busy = rng.random() >= world.to_low if busy else rng.random() < world.to_high
    return rates


def drops(world: Epochs, prefers: Preference, rates: FloatArray) -> float:
    """Dropped requests per queue over a run that starts empty, for a given sequence of arrival rates.

    Args:
        world: The world.
        prefers: How clients choose.
        rates: Arrival rate per queue in each epoch, shape (count,).
    """
    lengths = np.arange(world.places + 1.0)
    chosen = prefers(lengths)
    law = np.zeros(world.places + 1)
    law[0] = 1.0
    total = 0.0
    for rate in rates:
        law, lost = epoch(world, law, rate * 2.0 * (chosen @ law))
        total += lost
    return total


def epoch(world: Epochs, law: FloatArray, arrivals: FloatArray) -> tuple[FloatArray, float]:
    """The law of lengths after an epoch and the mean number of drops in it, given arrival rates by shown length."""
    size = world.places + 1
    chains = np.zeros((size, size + 1, size + 1))
    for z in range(size):
        # From length z: up (or lost, in the last row) at the rate of the shown length, down at rate 1.
        chains[:, z + 1, z] = arrivals
        chains[:, z, z] -= arrivals if z + 1 < size else 0.0
        if z > 0:
            chains[:, z - 1, z] += 1.0
            chains[:, z, z] -= 1.0
    after = law @ _grown(chains, world.dt)
    return after[:size], float(after[size])


def _grown(chains: FloatArray, dt: float) -> FloatArray:
    """exp(chains dt) applied to the unit vector of each chain's own length, shape (B + 1, B + 2).

    By uniformisation, exp(Q t) = sum_k Poisson(k; r t) (I + Q / r)^k with r no less than any rate: all terms are
    positive, so nothing cancels; it is cut where the Poisson weights left are below 1e-14.
    """
    size = len(chains)
    rate = float(-chains.diagonal(axis1=1, axis2=2).min()) or 1.0
    step = np.eye(size + 1) + chains / rate
    vectors = np.eye(size, size + 1)[:, :, None]
    weight = math.exp(-rate * dt)
    total, covered, k = weight * vectors, weight, 0
    while covered < 1.0 - 1e-14 and k < 10_000:
        k += 1
        vectors = step @ vectors
        weight *= rate * dt / k
        total, covered = total + weight * vectors, covered + weight
    return np.asarray(total[:, :, 0])
