"""The mean of what was measured of a service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["ItemMean"]


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
