"""Intervals of promised coverage around another method's predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.intervals import Complete, calibrate, child, out_of_fold
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.methods.item_median import ItemMedian
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.methods.sharp_qos import SharpQos
from qoslab.domains.prediction.methods.uipcc import UIPCC
from qoslab.domains.prediction.model import Prediction, completed

__all__ = ["Conformal", "completing"]

_BASES: dict[str, Callable[[], Any]] = {
    "boosted_factors": BoostedFactors,
    "factor_analysis": FactorAnalysis,
    "item_median": ItemMedian,
    "robust_factorisation": RobustFactorisation,
    "sharp_qos": SharpQos,
    "uipcc": UIPCC,
}


@method(
    "prediction",
    "conformal",
    summary="another method's predictions with split or cross-conformal intervals",
    origin="ours",
    example={"base": "item_median", "folds": 3, "rounds": 3},
)
@dataclass(frozen=True)
class Conformal:
    """Hides known cells from a method, measures what it misses, and puts intervals around its predictions.

    Predictions are those of the method on all that is known; intervals hold a cell that was measured like the known
    ones with the probability `level`. The method is run `rounds` + 1 times.

    Attributes:
        base: The method, with its default parameters.
        level: Probability that an interval promises.
        folds: Number of folds that the known cells are dealt into.
        rounds: How many folds are hidden, at most `folds`; 1 is split conformal prediction.
    """

    base: Literal[
        "boosted_factors", "factor_analysis", "item_median", "robust_factorisation", "sharp_qos", "uipcc"
    ] = "factor_analysis"
    level: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    folds: Annotated[int, Field(ge=2, le=50)] = 20
    rounds: Annotated[int, Field(ge=1, le=50)] = 4

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Calibrate on hidden cells, then complete the tables from all cells."""
        complete = completing(_BASES[self.base](), context)
        hidden, whole, drawn = (child(seed, i) for i in range(3))
        rounds = min(self.rounds, self.folds)
        residuals = out_of_fold(complete, known, self.folds, rounds, hidden, context, level=self.level)
        values = complete(known, whole)
        lower, upper = calibrate(residuals, known, drawn).around(values, self.level)
        return Prediction(values, np.minimum(lower, values), np.maximum(upper, values), self.level)


def completing(base: Any, context: Context) -> Complete:
    """A method as a function that completes a table."""

    def complete(known: Known, seed: np.random.SeedSequence) -> FloatArray:
        return completed(base, known, seed, context).values

    return complete
