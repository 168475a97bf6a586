"""Errors of predictions, per parameter and over all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["errors"]


def errors(
    parameters: Sequence[str], predicted: NDArray[np.float64], truth: NDArray[np.float64]
) -> dict[str, float]:
    """MAE, RMSE and NMAE of each parameter, and each averaged over the parameters.

    Args:
        parameters: Names, length P.
        predicted: Predictions at the test cells, shape (P, cells).
        truth: Measurements at the test cells, shape (P, cells).

    Returns:
        `mae[NAME]`, `rmse[NAME]`, `nmae[NAME]` and the plain averages `mae`, `rmse`, `nmae`.
    """
    mae = np.abs(predicted - truth).mean(axis=1)
    rmse = np.sqrt(((predicted - truth) ** 2).mean(axis=1))
    values = {"mae": mae, "rmse": rmse, "nmae": mae / np.abs(truth).mean(axis=1)}
    found = {name: float(column.mean()) for name, column in values.items()}
    for name, column in values.items():
        found |= {f"{name}[{parameter}]": float(x) for parameter, x in zip(parameters, column, strict=True)}
    return found
