"""The median of a user's measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import median_along
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["UserMedian"]


@method("prediction", "user_median", summary="the median of what the user measured", origin="ours")
@dataclass(frozen=True)
class UserMedian:
    """Ignores the service; the overall median for a user without data. No parameters."""

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> FloatArray:
        """The user's median in every cell of its row."""
        return median_along(known.values, axis=2)
