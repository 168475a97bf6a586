"""How far noisy measurements keep the penalty method from where it would end: means and covariances, round by round.

Near the path without noise a round is linear in (x, e), so the covariance of a run's state follows from that path:
C+ = J C J^T + s_k^2 v^2 B B^T, J being the derivative of a round and B what noise of the derivatives moves. For noise
so small that the same constraints stay violated and the same entries inside their boxes this is the distribution of
the last state: a normal one around the last state without noise. Derived here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.agents.program import Own
from qoslab.agents.rounds import Wire, rounds
from qoslab.domains.optimization.problems.coupled import Coupled
from qoslab.domains.optimization.steps import falling
from qoslab.domains.optimization.task import Task

__all__ = ["Spread", "last_state", "spread_of"]

_DRAWS = 40_000


@dataclass(frozen=True)
class Spread:
    """Of a number that a run ends with.

    Attributes:
        mean: Its mean over runs.
        std: Its standard deviation over runs.
    """

    mean: float
    std: float


def last_state(method: Any, task: Task, own: Own, noise: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of the decisions after a number of rounds.

    Args:
        method: A penalty method that measures derivatives, with `pause` 1 and no scaling.
        task: A coupled problem without capacities.
        own: What all agents know; without noise.
        noise: Standard deviation of a measured derivative.
        count: Rounds.

    Returns:
        Shapes (n, d) and (n d, n d).
    """
    coupled = task.coupled
    assert coupled is not None
    n, m, d = coupled.share.shape
    mixing = np.kron(task.weights.doubly.toarray(), np.eye(m))
    share = _blocks(coupled.share)
    covariance = np.zeros((n * (d + m), n * (d + m)))
    first = method.first_step(own)
    states = rounds(method, own, Wire(method.message(own), task.weights), count)
    state = next(states)
    for k, fresh in enumerate(states):
        step = falling(first, method.decay, method.power, k)
        inside = ((fresh["x"] > coupled.low) & (fresh["x"] < coupled.high)).ravel().astype(np.float64)
        kept = np.diag(inside * (1.0 - step * coupled.own.curvature(state["x"]).ravel()))
        moved = -step * method.penalty * n * inside[:, None] * share.T * _counted(coupled, state["e"])
        derivative = np.block([[kept, moved], [share @ (kept - np.eye(n * d)), mixing + share @ moved]])
        shaken = step * noise * np.vstack([np.diag(inside), share * inside])
        covariance = derivative @ covariance @ derivative.T + shaken @ shaken.T
        state = fresh
    return state["x"], covariance[: n * d, : n * d]


def _blocks(share: FloatArray) -> FloatArray:
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*share))


def _counted(coupled: Coupled, estimates: FloatArray) -> FloatArray:
    """1 where an agent believes a constraint to be violated, shape (n m,)."""
    return np.ones(estimates.size) if coupled.equality else (estimates > 0).ravel().astype(np.float64)


def spread_of(
    distance: Callable[[FloatArray], FloatArray], mean: FloatArray, covariance: FloatArray
) -> Spread:
    """Mean and standard deviation of a function of a normal vector, over 40,000 draws that are always the same.

    Args:
        distance: From shape (draws, size) to (draws,).
        mean: Shape (size,).
        covariance: Shape (size, size).
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = distance(mean + np.random.default_rng(0).standard_normal((_DRAWS, len(mean))) @ root.T)
    return Spread(float(drawn.mean()), float(drawn.std(ddof=1)))
