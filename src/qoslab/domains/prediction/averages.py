"""Means and medians of a user or a service, with the overall one where there is no data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from qoslab.domains.prediction.data import FloatArray

__all__ = ["mean_along", "median_along"]


def mean_along(known: FloatArray, axis: int) -> FloatArray:
    """The mean over users (axis 1) or services (axis 2) in every cell; the overall mean where there is no data.

    Args:
        known: Shape (P, users, services), NaN where nothing is known.
        axis: The axis that is averaged out.
    """
    return _along(known, axis, np.nanmean)


def median_along(known: FloatArray, axis: int) -> FloatArray:
    """The same with medians."""
    return _along(known, axis, np.nanmedian)


def _along(known: FloatArray, axis: int, average: Callable[..., Any]) -> FloatArray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN for a user or service without data, filled below
        found = average(known, axis=axis, keepdims=True)
    overall = average(known, axis=(1, 2), keepdims=True)
    return np.ascontiguousarray(np.broadcast_to(np.where(np.isfinite(found), found, overall), known.shape))
