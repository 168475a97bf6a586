"""Non-negative matrix factorisation of what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter, fill_unknown
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["NMF", "update"]

CITATION = """@inproceedings{lee2000algorithms,
  author = {Lee, Daniel D. and Seung, H. Sebastian},
  title = {Algorithms for Non-negative Matrix Factorization},
  booktitle = {Advances in Neural Information Processing Systems 13},
  year = {2000}
}"""

_TINY = 1e-12


@method(
    "prediction",
    "nmf",
    summary="non-negative matrix factorisation by multiplicative updates on the known cells (NMF)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class NMF:
    """Lee and Seung's multiplicative updates (NIPS 2000, theorem 1), restricted to known cells, with a penalty.

    Each update lowers the squared error of the known cells, in units of their mean, plus `ridge` times the squares of
    all factors. Users and services without data have the mean factors of the others. A table with negative values is
    shifted to start at zero.

    Attributes:
        rank: Number of factors.
        ridge: Penalty of the squares of factors.
        updates: Pairs of updates.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    ridge: Annotated[float, Field(ge=0)] = 6.0
    updates: Annotated[int, Field(ge=1)] = 200

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Factorise each parameter's table and multiply; within what was seen."""
        return by_parameter(known, seed, lambda table, child: self._one(table, child, context))

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        weight = np.isfinite(table).astype(np.float64)
        shift = min(float(np.nanmin(table)), 0.0)
        filled = np.where(weight > 0, table - shift, 0.0)
        rng = np.random.default_rng(seed)
        level = np.sqrt(filled.sum() / weight.sum() / self.rank)
        left, right = (level * rng.uniform(0.5, 1.5, (n, self.rank)) for n in table.shape)
        turned, turned_weight = np.ascontiguousarray(filled.T), np.ascontiguousarray(weight.T)
        for _ in range(self.updates):
            context.check_time()
            left = update(filled, weight, left, right, self.ridge)
            right = update(turned, turned_weight, right, left, self.ridge)
        fill_unknown(left, weight.sum(axis=1))
        fill_unknown(right, weight.sum(axis=0))
        return np.asarray(left @ right.T + shift)


def update(
    filled: FloatArray, weight: FloatArray, own: FloatArray, other: FloatArray, ridge: float
) -> FloatArray:
    """One multiplicative update of a side: own * (Y other) / ((own other') other + ridge own) over known cells.

    Args:
        filled: Values, shape (rows, columns), zero where unknown.
        weight: One where known, same shape.
        own: Factors of the rows, shape (rows, rank), non-negative.
        other: Factors of the columns, shape (columns, rank), non-negative.
        ridge: Penalty of squares.
    """
    below = (weight * (own @ other.T)) @ other + ridge * own
    return np.asarray(own * (filled @ other) / np.maximum(below, _TINY))
