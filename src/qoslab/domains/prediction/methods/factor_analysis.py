"""Factor analysis of the logarithms of all parameters together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.factor_analysis import factorise, scale_of

__all__ = ["FactorAnalysis"]


@method(
    "prediction",
    "factor_analysis",
    summary="factor analysis of the logarithms of all parameters together, by EM",
    origin="ours",
)
@dataclass(frozen=True)
class FactorAnalysis:
    """Each service has a few latent factors, shared by all parameters; each user and parameter a noisy line in them.

    Predictions are posterior medians, bounded by the smallest and largest known value of their parameter.

    Attributes:
        rank: Number of factors.
        sweeps: EM steps.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 8
    sweeps: Annotated[int, Field(ge=1)] = 25

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Fit all parameters at once and complete their tables."""
        scale = scale_of(known.values)
        logs = scale.forward(known.values)
        table = logs.reshape(-1, known.services)
        fit = factorise(table, self.rank, self.sweeps, np.random.default_rng(seed), context)
        bounds = [f(known.values, axis=(1, 2), keepdims=True) for f in (np.nanmin, np.nanmax)]
        lowest, highest = (scale.forward(bound) for bound in bounds)
        bounded = np.clip(fit.predict().reshape(logs.shape), lowest, highest)
        return np.asarray(np.clip(scale.backward(bounded), *bounds))
