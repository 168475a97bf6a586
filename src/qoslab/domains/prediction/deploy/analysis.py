"""The factor analysis that serves what is new, as the arrays of a kept model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction import online
from qoslab.domains.prediction.data import FloatArray
from qoslab.domains.prediction.factor_analysis import factorise

__all__ = ["analyse"]


def analyse(
    logs: FloatArray, rank: int, sweeps: int, rng: np.random.Generator, context: Context
) -> dict[str, NDArray[Any]]:
    """Factors of a table.

    Args:
        logs: Standardised logarithms, shape (P, users, services), NaN where unknown.
        rank: Number of factors, at most.
        sweeps: EM steps.
        rng: Draws the start.
        context: Its time limit is kept.
    """
    table = logs.reshape(-1, logs.shape[2])
    fit = factorise(table, min(rank, *table.shape), sweeps, rng, context)
    state = online.start(fit, table, len(logs), online.Memory())
    return {
        "factors/rows": state.rows,
        "factors/row_covariances": state.row_covariances,
        "factors/points": state.points,
        "factors/point_covariances": state.point_covariances,
        "factors/noise": state.noise,
    }
