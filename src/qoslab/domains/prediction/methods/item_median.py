"""The median of what was measured of a service."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import median_along
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["ItemMedian"]


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
