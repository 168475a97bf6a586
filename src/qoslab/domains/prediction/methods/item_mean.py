"""The mean of what was measured of a service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["ItemMean", "mean_along"]


@method(
    "prediction", "item_mean", summary="the mean of what was measured of the service (IMEAN)", origin="ours"
)
@dataclass(frozen=True)
class ItemMean:
    """IMEAN of the QoS literature: ignores the user; the overall mean for a service without data. No parameters."""

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> FloatArray:
        """The service's mean in every cell of its column."""
        return mean_along(known.values, axis=1)


def mean_along(known: FloatArray, axis: int) -> FloatArray:
    """The mean over users (axis 1) or services (axis 2) in every cell; the overall mean where there is no data.

    Args:
        known: Shape (P, users, services), NaN where nothing is known.
        axis: The axis that is averaged out.
    """
    count = np.isfinite(known).sum(axis=axis, keepdims=True)
    total = np.nansum(known, axis=axis, keepdims=True)
    overall = np.nanmean(known, axis=(1, 2), keepdims=True)
    mean = np.where(count > 0, total / np.maximum(count, 1), overall)
    return np.ascontiguousarray(np.broadcast_to(mean, known.shape))
