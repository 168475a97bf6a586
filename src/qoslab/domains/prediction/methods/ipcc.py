"""Neighbourhood prediction by Pearson correlation between services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.methods.upcc import UPCC

__all__ = ["IPCC"]


@method(
    "prediction",
    "ipcc",
    summary="means of the most correlated services' deviations (IPCC)",
    origin="reference instance",
)
@dataclass(frozen=True)
class IPCC:
    """IPCC of the QoS literature: UPCC with users and services exchanged.

    Attributes:
        neighbours: Number of most correlated services, among those that the user knows, that are asked; only positive
            correlations count.
    """

    neighbours: Annotated[int, Field(ge=1)] = 50

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Complete each parameter's table from its own known cells, within what was seen."""
        turned = Known(known.parameters, np.ascontiguousarray(known.values.transpose(0, 2, 1)))
        return np.ascontiguousarray(UPCC(self.neighbours).predict(turned, seed, context).transpose(0, 2, 1))
