"""Estimators of relative capacity from windows of a balancer's own counters: what a controller's policy is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.learned.memories import INPUTS, MEMORIES, ROWS
from qoslab.domains.balancing.learned.network import POOLED, ROOM, flat, step
from qoslab.domains.balancing.learned.weights import read_weights
from qoslab.engine.kernel import compiled

__all__ = [
    "POLICIES",
    "BlindCapacity",
    "Configured",
    "Estimator",
    "InverseResponseTime",
    "LearnedCapacity",
    "LittlesLaw",
    "Window",
]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """What happened between two observations, for n servers.

    Attributes:
        length_s: Its length, s.
        done: Answers, shape (n,).
        busy_s: Time with requests in flight, s, shape (n,).
        area_s: Request-seconds in flight, s, shape (n,).
        up: Whether a server took requests, shape (n,).
    """

    length_s: float
    done: Reals
    busy_s: Reals
    area_s: Reals
    up: NDArray[np.bool_]


class Estimator(Protocol):
    """Turns windows into weights; learned policies that ship their weights take this place, too."""

    def update(self, window: Window) -> Reals | None:
        """Take one window in; the weights wanted, positive, shape (n,), or None for equal ones (uncertain)."""
        ...


class Configured:
    """The weights that the operator configured, as SED uses them.

    Args:
        weights: Positive, shape (n,).
    """

    def __init__(self, weights: Reals) -> None:
        self._weights = np.array(weights, np.float64)

    def update(self, window: Window) -> Reals:  # noqa: ARG002
        """The configured weights."""
        return self._weights


class LittlesLaw:
    """Completions per busy time, both discounted; the same estimate as the method `little`.

    Args:
        weights: Configured weights, not used but for their number, shape (n,).
        memory_s: Time constant of the discount, s.
        prior: Completions that the mean capacity counts for.
    """

    def __init__(self, weights: Reals, memory_s: float = 100.0, prior: float = 1.0) -> None:
        self._done, self._busy = np.zeros(len(weights)), np.zeros(len(weights))
        self._memory_s, self._prior = memory_s, prior

    def update(self, window: Window) -> Reals | None:
        """Completions per busy time of each server; None before the first completion."""
        keep = math.exp(-window.length_s / self._memory_s)
        self._done = keep * self._done + window.done
        self._busy = keep * self._busy + window.busy_s
        done, busy = float(self._done.sum()), float(self._busy.sum())
        if done <= 0.0 or busy <= 0.0:
            return None
        return (self._done + self._prior) / (self._busy + self._prior * busy / done)


class InverseResponseTime:
    """The inverse of smoothed response times; servers never heard of count as the mean of the others.

    Args:
        weights: Configured weights, not used but for their number, shape (n,).
        memory_s: Time constant of the smoothing, s.
    """

    def __init__(self, weights: Reals, memory_s: float = 10.0) -> None:
        self._mean_s = np.full(len(weights), math.nan)
        self._memory_s = memory_s

    def update(self, window: Window) -> Reals | None:
        """One over the mean response time of each server; None before the first completion."""
        new = 1.0 - math.exp(-window.length_s / self._memory_s)
        heard = (window.done > 0) & (window.area_s > 0)
        mean = np.divide(window.area_s, window.done, out=np.zeros_like(window.done), where=heard)
        first = heard & np.isnan(self._mean_s)
        self._mean_s[first] = mean[first]
        self._mean_s[heard] += new * (mean - self._mean_s)[heard]
        known = ~np.isnan(self._mean_s)
        if not known.any():
            return None
        rates = 1.0 / self._mean_s
        rates[~known] = rates[known].mean()
        return rates


class BlindCapacity:
    """Completions per busy time with a memory as long as nothing changes: long for precision, cut when a server drifts.

    Two discounted pairs of completions and busy time are kept per server, a slow one that is believed and a fast one
    that watches it. Under no change the logarithms of both rates differ by little more than sqrt(1 / D_f + 1 / D_s) for
    D completions; beyond `alarm` such deviations, `confirm` windows in a row, the server has changed and the slow pair
    starts anew from the fast one. A server that holds requests and answers none adds busy time and no completions, so
    its rate falls by itself.

    Each rate is drawn to the common one as if `prior` completions had come at it; before `enough` completions on the
    mean server it says nothing (equal weights).

    Args:
        weights: Configured weights, not used but for their number, shape (n,).
        slow_s: Time constant of the slow pair, s.
        fast_s: Time constant of the fast pair, s.
        alarm: Deviations beyond which the two disagree.
        confirm: Windows in a row that they must disagree.
        prior: Completions that the common rate counts for.
        enough: Completions per server before anything is said.
    """

    def __init__(
        self,
        weights: Reals,
        slow_s: float = 200.0,
        fast_s: float = 5.0,
        alarm: float = 4.0,
        confirm: int = 3,
        prior: float = 4.0,
        enough: float = 5.0,
    ) -> None:
        n = len(weights)
        self._slow, self._fast = np.zeros((2, n)), np.zeros((2, n))
        self._streak = np.zeros(n, np.int64)
        self._slow_s, self._fast_s, self._alarm, self._confirm = slow_s, fast_s, alarm, confirm
        self._prior, self._enough = prior, enough
        self.changes = 0
        """How often a server was found to have changed."""

    def update(self, window: Window) -> Reals | None:
        """Rates of completion while busy, drawn to the common one; None while too little is known."""
        new = np.stack([window.done, window.busy_s])
        self._slow = math.exp(-window.length_s / self._slow_s) * self._slow + new
        self._fast = math.exp(-window.length_s / self._fast_s) * self._fast + new
        self._forget_changed()
        done, busy = self._slow[:, window.up].sum(axis=1)
        if done < self._enough * max(int(window.up.sum()), 1) or busy <= 0.0:
            return None
        return np.asarray((self._slow[0] + self._prior) / (self._slow[1] + self._prior * busy / done))

    def _forget_changed(self) -> None:
        """Let the slow pair start anew where the fast one disagrees for long enough."""
        common = self._slow.sum(axis=1)
        if common[0] <= 0.0 or common[1] <= 0.0:
            return
        spare = np.array([[0.5], [0.5 * common[1] / common[0]]])  # half a completion keeps logarithms finite
        fast, slow = self._fast + spare, self._slow + spare
        distance = np.abs(np.log(fast[0] / fast[1]) - np.log(slow[0] / slow[1]))
        # A server that falls silent has few completions by its own fault: what it should have had counts, too.
        expected = np.maximum(fast[0], fast[1] * slow[0] / slow[1])
        far = distance > self._alarm * np.sqrt(1.0 / expected + 1.0 / slow[0])
        self._streak = np.where(far, self._streak + 1, 0)
        changed = self._streak >= self._confirm
        self._slow[:, changed] = self._fast[:, changed]
        self._streak[changed] = 0
        self.changes += int(changed.sum())


class LearnedCapacity:
    """The network of the method `blind_sed`, on windows of counters; equal weights while it is in doubt.

    Weights are the capacities as they are inferred: the widening of `blind_sed` belongs to its own rule of routing, and
    a proxy routes by its own. As there, what is not told apart from noise counts less, down to equal weights.

    Args:
        weights: Configured weights, not used but for their number, shape (n,).
        doubt: Mean standard deviation of log capacities above which nothing is said.
        apart: Spread of inferred log capacities over their standard deviation below which they count in proportion.
    """

    def __init__(self, weights: Reals, doubt: float = 0.8, apart: float = 0.2) -> None:
        n = len(weights)
        self._network, self._doubt, self._apart = flat(read_weights("builtin")), doubt, apart
        self._memories, self._lengths = np.zeros((ROWS, n)), np.zeros(MEMORIES)
        self._inputs, self._out = np.zeros((INPUTS, n)), np.zeros((2, n))
        self._room, self._pooled, self._step = np.zeros((ROOM, n)), np.zeros(POOLED), compiled(step)

    def update(self, window: Window) -> Reals | None:
        """Capacities as the network infers them; None before every memory has a completion, and in doubt."""
        up = window.up.astype(np.int64)
        if not up.any():
            return None
        seen = self._step(
            self._network,
            self._memories,
            self._lengths,
            np.stack([window.done, window.busy_s, window.area_s]),
            up,
            window.length_s,
            self._inputs,
            self._pooled,
            self._room,
            self._out,
        )
        if seen <= 0.0:
            return None
        mu, sigma = self._out[0], np.exp(self._out[1, window.up])
        if sigma.mean() > self._doubt:
            return None
        told = mu[window.up].std() / math.sqrt(float((sigma * sigma).mean()))
        believed = min(1.0, told / self._apart)
        return np.asarray(np.exp(np.clip(believed * (mu - mu[window.up].mean()), -6.0, 6.0)))


POLICIES: Mapping[str, Callable[[Reals], Estimator]] = {
    "ours": LearnedCapacity,
    "two_memories": BlindCapacity,
    "littles_law": LittlesLaw,
    "ewma": InverseResponseTime,
    "sed": Configured,
}
"""Policies by the name that `--policy` takes; each is made from the configured weights."""
