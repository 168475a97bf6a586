"""Matrix factorisation with offsets of users and services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter, ridge_rows
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["BiasedMF"]

CITATION = """@article{koren2009matrix,
  author = {Koren, Yehuda and Bell, Robert and Volinsky, Chris},
  title = {Matrix Factorization Techniques for Recommender Systems},
  journal = {Computer},
  volume = {42},
  number = {8},
  pages = {30--37},
  year = {2009}
}"""


@method(
    "prediction",
    "biased_mf",
    summary="matrix factorisation with offsets of users and services",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class BiasedMF:
    """The overall mean, an offset of the user, one of the service, and a product of factors.

    Minimises the squared error of known cells, in units of their mean, plus penalties on offsets and factors (Koren,
    Bell and Volinsky 2009, equation 4), by alternating least squares over a side's offsets and factors together.

    Attributes:
        rank: Number of factors.
        ridge: Penalty of the squares of factors.
        offset_ridge: Penalty of the squares of offsets.
        sweeps: Alternations.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    ridge: Annotated[float, Field(gt=0)] = 6.0
    offset_ridge: Annotated[float, Field(gt=0)] = 1.0
    sweeps: Annotated[int, Field(ge=1)] = 30

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Factorise each parameter's table; within what was seen."""
        return by_parameter(known, seed, lambda table, child: self._one(table, child, context))

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        weight = np.isfinite(table).astype(np.float64)
        mean = float(np.nanmean(table))
        rest = np.where(weight > 0, table - mean, 0.0)
        sides = [(rest, weight), (np.ascontiguousarray(rest.T), np.ascontiguousarray(weight.T))]
        penalty = np.append(np.full(self.rank, self.ridge), self.offset_ridge)
        rng = np.random.default_rng(seed)
        found = [np.zeros((n, self.rank + 1)) for n in table.shape]
        found[0][:, :-1] = 0.1 * rng.standard_normal((len(table), self.rank))
        for step in range(2 * self.sweeps):
            context.check_time()
            side, other = (step + 1) % 2, step % 2
            target, cells = sides[side]
            features = np.append(found[other][:, :-1], np.ones((len(found[other]), 1)), axis=1)
            found[side] = ridge_rows(target - found[other][:, -1], cells, features, penalty)
        users, services = found
        offsets = users[:, -1, None] + services[None, :, -1]
        return np.asarray(mean + offsets + users[:, :-1] @ services[:, :-1].T)
