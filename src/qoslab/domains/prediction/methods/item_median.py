"""The median of what was measured of a service."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["ItemMedian", "median_along"]


@method("prediction", "item_median", summary="the median of what was measured of the service", origin="ours")
@dataclass(frozen=True)
class ItemMedian:
    """Ignores the user; the overall median for a service without data. No parameters."""

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> FloatArray:
        """The service's median in every cell of its column."""
        return median_along(known.values, axis=1)


def median_along(known: FloatArray, axis: int) -> FloatArray:
    """The median over users (axis 1) or services (axis 2) in every cell; the overall median where there is no data.

    Args:
        known: Shape (P, users, services), NaN where nothing is known.
        axis: The axis that is reduced.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NaN for a user or service without data, filled below
        median = np.nanmedian(known, axis=axis, keepdims=True)
    overall = np.nanmedian(known, axis=(1, 2), keepdims=True)
    found = np.where(np.isfinite(median), median, overall)
    return np.ascontiguousarray(np.broadcast_to(found, known.shape))
