"""The step that row-stochastic gradient tracking takes where none is given: a scan over the radius of a linear model.

In the model agent i's gradient is l_i x, l_i being its Lipschitz constant, and the Perron vector is known: a round is
then a matrix that everybody's constants and the weights give, without the optimum. The scan halves the step, from half
of where the radius reaches 1, as long as the radius falls: networks that mix slowly want steps far below their limit.
"""

from __future__ import annotations

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.agents.weights import Weights
from qoslab.graphs.spectra import perron

__all__ = ["row_round", "row_step"]

_LARGEST = 64
"""Beyond, eigenvalues cost more than the rounds that a better step saves."""

_PRECISION = 0.01


def row_round(mixing: FloatArray, bent: FloatArray, steps: FloatArray) -> FloatArray:
    """[[A, -S], [Q / pi (A - I), A - Q / pi S]] on (x, z): a round of row-stochastic tracking near the optimum.

    Args:
        mixing: A, shape (m, m).
        bent: Q / pi, second derivatives over the Perron vector row by row, shape (m, m).
        steps: The diagonal of S, shape (m,).
    """
    eye = np.eye(len(mixing))
    return np.block([[mixing, -np.diag(steps)], [bent @ (mixing - eye), mixing - bent * steps]])


def row_step(weights: Weights, lipschitz: FloatArray) -> float:
    """The step of least radius among half, a quarter, .. of the model's limit; 0.1 min(1 / n, least pi_i) / l past 64.

    Args:
        weights: The mixing matrices.
        lipschitz: l_i, shape (n,); where all are 0 the step is 0.1, where one is infinite 0.
    """
    shares, largest = perron(weights.row), float(lipschitz.max(initial=0.0))
    n = len(shares)
    if largest == 0:
        return 0.1
    if not 1 < n <= _LARGEST or np.isinf(largest):
        return 0.1 * min(1.0 / n, float(shares.min())) / largest
    mixing, bent = weights.row.toarray(), np.diag(lipschitz / shares)
    step = 0.5 * _limit(mixing, bent)
    radius, slower = (_radius(mixing, bent, factor * step) for factor in (1.0, 0.5))
    while slower < radius:
        step, radius, slower = 0.5 * step, slower, _radius(mixing, bent, 0.25 * step)
    return step


def _radius(mixing: FloatArray, bent: FloatArray, step: float) -> float:
    values = np.linalg.eigvals(row_round(mixing, bent, np.full(len(mixing), step)))
    # The start takes care of one eigenvalue 1: pi^T z is the sum of all gradients.
    return float(np.delete(np.abs(values), np.argmin(np.abs(values - 1.0))).max())


def _limit(mixing: FloatArray, bent: FloatArray) -> float:
    """The step at which the radius reaches 1, to 1 %."""
    # 1 / max (l_i / pi_i) is how far the most easily moved agent's gradient reaches; no limit was seen past twice that.
    high = 2.0 / float(bent.max())
    low = high
    while _radius(mixing, bent, low) >= 1.0 and low > 1e-12 * high:
        low /= 2.0
    high = 2.0 * low
    while high - low > _PRECISION * high:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _radius(mixing, bent, middle) < 1.0 else (low, middle)
    return low
