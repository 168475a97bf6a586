"""The biased matrix factorisation of the library Surprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.surprise_adapter import each_side, require_surprise, trainset
from qoslab.learning.training import DivergedTraining

__all__ = ["SurpriseSVD"]

CITATION = """@article{hug2020surprise,
  author = {Hug, Nicolas},
  title = {Surprise: A Python library for recommender systems},
  journal = {Journal of Open Source Software},
  volume = {5},
  number = {52},
  pages = {2174},
  year = {2020}
}"""


@method(
    "prediction",
    "surprise_svd",
    summary="SVD of the library Surprise, as an outside reference",
    citation=CITATION,
    extra="bench",
    origin="reference instance",
    example={"factors": 4, "epochs": 3},
)
@dataclass(frozen=True)
class SurpriseSVD:
    """`surprise.SVD`: offsets and factors by stochastic gradient steps, run on each parameter's table.

    Attributes:
        factors: Number of factors (`n_factors`).
        epochs: Passes over the known cells (`n_epochs`).
        rate: Step size (`lr_all`).
        decay: Penalty of all parameters (`reg_all`).
    """

    factors: Annotated[int, Field(ge=1)] = 20
    epochs: Annotated[int, Field(ge=1)] = 100
    rate: Annotated[float, Field(gt=0)] = 0.001
    decay: Annotated[float, Field(ge=0)] = 0.1

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Let Surprise fit each table and read its offsets and factors; within what was seen."""

        def complete(table: FloatArray, child: np.random.SeedSequence) -> FloatArray:
            context.check_time()
            surprise = require_surprise("prediction/surprise_svd")
            data = trainset(table, "prediction/surprise_svd")
            model = surprise.SVD(
                n_factors=self.factors,
                n_epochs=self.epochs,
                lr_all=self.rate,
                reg_all=self.decay,
                random_state=int(child.generate_state(1)[0]) % 2**31,
            ).fit(data)
            users, services = each_side(data, table.shape)
            offsets = _placed(model.bu, users)[:, None] + _placed(model.bi, services)[None]
            product = _placed(model.pu, users) @ _placed(model.qi, services).T
            found = np.asarray(data.global_mean + offsets + product)
            if not np.isfinite(found).all():
                message = "surprise.SVD diverged; lower its rate"
                raise DivergedTraining(message)
            return found

        return by_parameter(known, seed, complete)


def _placed(rows: FloatArray, inner: np.ndarray) -> FloatArray:
    """Rows in our order; zero for who is unknown to Surprise."""
    out = np.zeros((len(inner), *rows.shape[1:]))
    out[inner >= 0] = rows[inner[inner >= 0]]
    return out
