"""Variational factorisation of logarithms with noise of heavy tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.factor_analysis import scale_of
from qoslab.domains.prediction.variational import variational

__all__ = ["RobustFactorisation"]


@method(
    "prediction",
    "robust_factorisation",
    summary="variational factorisation of the logarithms of all parameters together, with Student's t noise",
    origin="ours",
    example={"rank": 3, "sweeps": 5},
)
@dataclass(frozen=True)
class RobustFactorisation:
    """Factors of services shared by all parameters, as in `factor_analysis`, with heavy-tailed noise and posteriors.

    Loadings have posteriors, too, so that a user with few measurements leans on the prior; the prior variance of each
    factor is learned, so that needless factors cost little; a cell far from its prediction loses weight.
    Predictions are posterior medians, bounded by the smallest and largest known value.

    Attributes:
        rank: Number of factors at most.
        freedom: Degrees of freedom of the noise; large values make it Gaussian.
        sweeps: Rounds of updates.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 16
    freedom: Annotated[float, Field(gt=0)] = 3.0
    sweeps: Annotated[int, Field(ge=1)] = 50

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Fit all parameters at once and complete their tables."""
        scale = scale_of(known.values)
        logs = scale.forward(known.values)
        table = logs.reshape(-1, known.services)
        rng = np.random.default_rng(seed)
        found = variational(table, self.rank, self.freedom, self.sweeps, rng, context).mean()
        bounds = [f(known.values, axis=(1, 2), keepdims=True) for f in (np.nanmin, np.nanmax)]
        lowest, highest = (scale.forward(bound) for bound in bounds)
        bounded = np.clip(found.reshape(logs.shape), lowest, highest)
        return np.asarray(np.clip(scale.backward(bounded), *bounds))
