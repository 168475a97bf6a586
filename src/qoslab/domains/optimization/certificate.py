"""A step size that certainly works for row-stochastic gradient tracking, and why it is so small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.graphs.spectra import perron

__all__ = ["Certificate", "certified_step"]

_ILL = 1e6
"""Eigenvectors of a condition beyond this one are those of a matrix that is not diagonalisable, but for rounding."""


@dataclass(frozen=True)
class Certificate:
    """What the bound is made of.

    Attributes:
        step: Every step size below it converges linearly.
        contraction: s, by which one round of mixing shrinks disagreement in the norm of the eigenvectors.
        condition: c d, the condition number of the eigenvectors.
        worst_scaling: Largest 1 / y_ii in any round, the limits 1 / pi_i with them.
    """

    step: float
    contraction: float
    condition: float
    worst_scaling: float


def certified_step(
    matrix: FloatArray, convexity: float, smoothness: float, *, rounds: int = 2000
) -> Certificate | None:
    """The step size below which the linear system of errors of row-stochastic tracking is stable.

    With A = V D V^-1, c = ||V^-1||, d = ||V||, s = |l_2|, t = ||A - I||, K = c ||I - A_oo|| l max 1 / y_ii, the
    errors (disagreement, distance of the weighted mean, disagreement of the trackers) are bounded by a
    nonnegative 3 x 3 system whose radius is below 1 for steps below the positive root of a quadratic. Derived
    here in the form of the published proofs. It is conservative: by a thousand on our digraph A1, by 3 to 16 on small
    undirected networks (`studies/optimization/steps.toml`).

    Args:
        matrix: A, row-stochastic, shape (n, n).
        convexity: Smallest m of the costs.
        smoothness: Largest l of the costs.
        rounds: Over which the largest 1 / y_ii is taken, beside its limit.

    Returns:
        None where A is not diagonalisable, or so nearly that its eigenvectors are rounding; and for one agent, who has
        nobody to disagree with.
    """
    n = len(matrix)
    if n < 2:
        return None
    # Of a symmetric matrix an eigenvalue may be there several times, and its eigenvectors be chosen badly.
    symmetric = np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-15)
    values, vectors = np.linalg.eigh(matrix) if symmetric else np.linalg.eig(matrix)
    if not np.linalg.cond(vectors) <= _ILL:
        return None
    s = float(np.sort(np.abs(values))[-2])
    c, d = float(np.linalg.norm(np.linalg.inv(vectors), 2)), float(np.linalg.norm(vectors, 2))
    weights = perron(matrix)
    limit = np.outer(np.ones(n), weights)
    # On undirected networks y_ii falls towards pi_i for ever: no round has the largest 1 / y_ii.
    worst = max(_worst_scaling(matrix, rounds), float(1.0 / weights.min()))
    k = c * float(np.linalg.norm(np.eye(n) - limit, 2)) * smoothness * worst
    t = float(np.linalg.norm(matrix - np.eye(n), 2))
    linear = convexity * k * d * (1 - s + t)
    square = k * n * smoothness * d * (smoothness + convexity)
    root = np.sqrt(linear**2 + 4 * square * convexity * (1 - s) ** 2)
    step = min((root - linear) / (2 * square), 1 / (n * smoothness))
    return Certificate(float(step), s, c * d, worst)


def _worst_scaling(matrix: FloatArray, rounds: int) -> float:
    power, worst = np.eye(len(matrix)), 1.0
    for _ in range(rounds):
        power = matrix @ power
        worst = max(worst, float((1.0 / np.diag(power)).max()))
    return worst
