"""Errors of predictions, per parameter and over all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["errors"]


def errors(
    parameters: Sequence[str],
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    test: NDArray[np.bool_],
) -> dict[str, float]:
    """MAE, RMSE and NMAE of each parameter, and each averaged over the parameters.

    Args:
        parameters: Names, length P.
        predicted: Predictions, shape (P, users, services).
        truth: Measurements, same shape.
        test: Which cells are asked, same shape.

    Returns:
        `mae[NAME]`, `rmse[NAME]`, `nmae[NAME]` and the plain averages `mae`, `rmse`, `nmae`.
    """
    off = [np.abs(p[asked] - t[asked]) for p, t, asked in zip(predicted, truth, test, strict=True)]
    mae = np.array([o.mean() for o in off])
    rmse = np.array([np.sqrt((o**2).mean()) for o in off])
    level = np.array([np.abs(t[asked]).mean() for t, asked in zip(truth, test, strict=True)])
    values = {"mae": mae, "rmse": rmse, "nmae": mae / level}
    found = {name: float(column.mean()) for name, column in values.items()}
    for name, column in values.items():
        found |= {f"{name}[{parameter}]": float(x) for parameter, x in zip(parameters, column, strict=True)}
    return found
