"""The neighbourhood method of the library Surprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.methods.surprise_svd import CITATION
from qoslab.domains.prediction.surprise_adapter import each_side, require_surprise, trainset

__all__ = ["SurpriseKNN"]


@method(
    "prediction",
    "surprise_knn",
    summary="KNNBaseline of the library Surprise, as an outside reference",
    citation=CITATION,
    extra="bench",
    origin="reference instance",
    example={"neighbours": 3},
)
@dataclass(frozen=True)
class SurpriseKNN:
    """`surprise.KNNBaseline`: offsets, and deviations of the users with the largest shrunk Pearson correlation.

    Every cell is asked of Surprise one by one, as its users do.

    Attributes:
        neighbours: Number of users that are asked (`k`).
        shrinkage: Shrinkage of correlations (`shrinkage` of `pearson_baseline`).
    """

    neighbours: Annotated[int, Field(ge=1)] = 40
    shrinkage: Annotated[float, Field(ge=0)] = 100.0

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Let Surprise fit each table and ask it for every cell; within what was seen."""

        def complete(table: FloatArray, _: np.random.SeedSequence) -> FloatArray:
            surprise = require_surprise("prediction/surprise_knn")
            data = trainset(table, "prediction/surprise_knn")
            if np.nanmin(table) == np.nanmax(table):  # Surprise's correlations divide by the spread
                return np.full(table.shape, np.nanmin(table))

            options = {"name": "pearson_baseline", "user_based": True, "shrinkage": self.shrinkage}
            model = surprise.KNNBaseline(
                k=self.neighbours, sim_options=options, bsl_options={"method": "als"}, verbose=False
            ).fit(data)
            users, services = each_side(data, table.shape)
            out = np.empty(table.shape)
            for u, row in enumerate(out):
                context.check_time()
                row[:] = [_ask(model, int(users[u]), int(s)) for s in services]
            return out

        return by_parameter(known, seed, complete)


def _ask(model: object, user: int, service: int) -> float:
    inner = (user if user >= 0 else "UKN__user", service if service >= 0 else "UKN__service")
    found = model.estimate(*inner)  # type: ignore[attr-defined]
    return float(found[0] if isinstance(found, tuple) else found)
