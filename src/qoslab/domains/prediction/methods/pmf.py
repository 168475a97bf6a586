"""Probabilistic matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter, ridge_rows
from qoslab.domains.prediction.data import FloatArray, Known

__all__ = ["PMF", "factors"]

CITATION = """@inproceedings{mnih2007probabilistic,
  author = {Mnih, Andriy and Salakhutdinov, Ruslan},
  title = {Probabilistic Matrix Factorization},
  booktitle = {Advances in Neural Information Processing Systems 20},
  year = {2007}
}"""


@method(
    "prediction",
    "pmf",
    summary="probabilistic matrix factorisation: the most probable Gaussian factors (PMF)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class PMF:
    """PMF of Mnih and Salakhutdinov (NIPS 2007): the product of user and service factors with Gaussian priors.

    Minimises the squared error of known cells, in units of their mean, plus `ridge` times the squares of all factors,
    by exact alternating least squares in place of gradient steps: the objective is the same.

    Attributes:
        rank: Number of factors.
        ridge: Ratio of noise variance to prior variance.
        sweeps: Alternations.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    ridge: Annotated[float, Field(gt=0)] = 6.0
    sweeps: Annotated[int, Field(ge=1)] = 30

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Factorise each parameter's table and multiply; within what was seen."""

        def complete(table: FloatArray, child: np.random.SeedSequence) -> FloatArray:
            left, right = factors(table, self.rank, self.ridge, self.sweeps, child, context)
            return left @ right.T

        return by_parameter(known, seed, complete)


def factors(
    table: FloatArray, rank: int, ridge: float, sweeps: int, seed: np.random.SeedSequence, context: Context
) -> tuple[FloatArray, FloatArray]:
    """User factors, shape (users, rank), and service factors, shape (services, rank), of least penalised error.

    Args:
        table: Shape (users, services), NaN where unknown.
        rank: Number of factors.
        ridge: Penalty of squares.
        sweeps: Alternations, each an exact minimum over one side.
        seed: Draws the start.
        context: Its time limit is kept.
    """
    weight = np.isfinite(table).astype(np.float64)
    filled = np.where(weight > 0, table, 0.0)
    turned, turned_weight = np.ascontiguousarray(filled.T), np.ascontiguousarray(weight.T)
    penalty = np.full(rank, ridge)
    left = 0.1 * np.random.default_rng(seed).standard_normal((len(table), rank)) + rank**-0.5
    for _ in range(sweeps):
        context.check_time()
        right = ridge_rows(turned, turned_weight, left, penalty)
        left = ridge_rows(filled, weight, right, penalty)
    return left, right
