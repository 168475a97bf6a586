"""Neighbourhood prediction by Pearson correlation between users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.neighbourhood import neighbours

__all__ = ["UPCC"]


@method(
    "prediction",
    "upcc",
    summary="means of the most correlated users' deviations (UPCC)",
    origin="reference instance",
)
@dataclass(frozen=True)
class UPCC:
    """UPCC of the QoS literature: the user's mean and the weighted deviations of the most correlated users.

    Attributes:
        neighbours: Number of most correlated users, among those that know the service, that are asked; only positive
            correlations count.
    """

    neighbours: Annotated[int, Field(ge=1)] = 10

    def predict(
        self,
        known: Known,
        seed: np.random.SeedSequence,  # noqa: ARG002
        context: Context,
    ) -> FloatArray:
        """Complete each parameter's table from its own known cells, within what was seen."""
        fallback = mean_along(known.values, axis=2)
        out = np.empty_like(known.values)
        for target, table, rest in zip(out, known.values, fallback, strict=True):
            context.check_time()
            found = neighbours(table, self.neighbours, context)
            bounded = np.clip(found, np.nanmin(table), np.nanmax(table))
            target[...] = np.where(np.isfinite(found), bounded, rest)
        return out
