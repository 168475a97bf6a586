"""Adaptive matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.adaptive import Adaptive, learn, transform_of
from qoslab.domains.prediction.completion import by_parameter, fill_unknown
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["AMF"]

CITATION = """@article{zhu2017online,
  author = {Zhu, Jieming and He, Pinjia and Zheng, Zibin and Lyu, Michael R.},
  title = {Online {QoS} Prediction for Runtime Service Adaptation via Adaptive Matrix Factorization},
  journal = {IEEE Transactions on Parallel and Distributed Systems},
  volume = {28},
  number = {10},
  pages = {2911--2924},
  year = {2017}
}"""


@method(
    "prediction",
    "amf",
    summary="online matrix factorisation of transformed values with relative errors and adaptive weights (AMF)",
    citation=CITATION,
    origin="reference instance",
    example={"passes": 3},
)
@dataclass(frozen=True)
class AMF:
    """AMF of Zhu, He, Zheng and Lyu (TPDS 2017), as commonly stated, replaying the known cells in random order.

    Values are mapped to [0, 1] by Box-Cox and their range; the prediction is the sigmoid of a product of factors; each
    cell makes one gradient step on its squared relative error, divided between its user and its service by their
    running relative errors. Users and services without data have the mean factors of the others (our choice).

    Attributes:
        rank: Number of factors.
        power: Exponent of Box-Cox; zero is the logarithm.
        rate: Step size.
        ridge: Decay of the factors.
        least: Transformed value below which a relative error is taken of this value instead (our choice).
        passes: How often every known cell is replayed.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    power: Annotated[float, Field(gt=-1, lt=1)] = -0.007
    rate: Annotated[float, Field(gt=0)] = 0.8
    ridge: Annotated[float, Field(ge=0)] = 3e-4
    least: Annotated[float, Field(gt=0, le=1)] = 0.5
    passes: Annotated[int, Field(ge=1)] = 300

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Learn each parameter's table cell by cell; within what was seen."""
        return by_parameter(known, seed, lambda table, child: self._one(table, child, context))

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        rng = np.random.default_rng(seed)
        mask = np.isfinite(table)
        users, services = np.nonzero(mask)
        transform = transform_of(table[mask], self.power)
        values = transform.forward(table[mask])
        sides = [rng.random((n, self.rank)) / self.rank**0.5 for n in table.shape]
        state = Adaptive(sides[0], sides[1], np.ones(len(table)), np.ones(table.shape[1]))
        for _ in range(self.passes):
            context.check_time()
            order = rng.permutation(len(values))
            cells = (users[order], services[order], values[order])
            learn(state, cells, rate=self.rate, ridge=self.ridge, least=self.least)
        fill_unknown(state.users, mask.sum(axis=1).astype(np.float64))
        fill_unknown(state.services, mask.sum(axis=0).astype(np.float64))
        return transform.backward(0.5 + 0.5 * np.tanh(0.5 * state.users @ state.services.T))
