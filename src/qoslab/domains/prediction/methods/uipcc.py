"""A mixture of the neighbourhood predictions of users and of services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.methods.ipcc import IPCC
from qoslab.domains.prediction.methods.upcc import UPCC

__all__ = ["UIPCC"]


@method(
    "prediction",
    "uipcc",
    summary="a fixed mixture of UPCC and IPCC (without confidence weights)",
    origin="reference instance",
)
@dataclass(frozen=True)
class UIPCC:
    """UIPCC with one share for all cells: `share * UPCC + (1 - share) * IPCC`.

    Attributes:
        share: Share of UPCC.
        users: Number of most correlated users.
        services: Number of most correlated services.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.1
    users: Annotated[int, Field(ge=1)] = 10
    services: Annotated[int, Field(ge=1)] = 50

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Mix the two completed tables."""
        by_user = UPCC(self.users).predict(known, seed, context)
        by_service = IPCC(self.services).predict(known, seed, context)
        return self.share * by_user + (1 - self.share) * by_service
