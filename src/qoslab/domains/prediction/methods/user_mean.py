"""The mean of a user's measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["UserMean"]


@method("prediction", "user_mean", summary="the mean of what the user measured (UMEAN)", origin="ours")
@dataclass(frozen=True)
class UserMean:
    """UMEAN of the QoS literature: ignores the service; the overall mean for a user without data. No parameters."""

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> FloatArray:
        """The user's mean in every cell of its row."""
        return mean_along(known.values, axis=2)
