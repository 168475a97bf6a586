"""Matrix factorisation in which similar users speak for each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.completion import by_parameter, ridge_rows
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.methods.pmf import factors
from qoslab.domains.prediction.neighbourhood import pearson

__all__ = ["NIMF", "mixing"]

CITATION = """@article{zheng2013collaborative,
  author = {Zheng, Zibin and Ma, Hao and Lyu, Michael R. and King, Irwin},
  title = {Collaborative Web Service {QoS} Prediction via Neighborhood Integrated Matrix Factorization},
  journal = {IEEE Transactions on Services Computing},
  volume = {6},
  number = {3},
  pages = {289--299},
  year = {2013}
}"""

_CONJUGATE_STEPS = 6


@method(
    "prediction",
    "nimf",
    summary="matrix factorisation in which a user's value mixes its own and its neighbours' products (NIMF)",
    citation=CITATION,
    origin="reference instance",
)
@dataclass(frozen=True)
class NIMF:
    """NIMF of Zheng, Ma, Lyu and King (TSC 2013), as commonly stated: a user's factors are mixed with its neighbours'.

    With B = `own` I + (1 - `own`) S, where S holds the Pearson correlations to the nearest users, scaled to sum to one,
    it minimises the squared error of B U V' on known cells, in units of their mean, plus `ridge` times the squares of U
    and V. V is solved for exactly, U by a few conjugate gradient steps. A user without positive correlations is its own
    neighbour. The start is PMF's.

    Attributes:
        rank: Number of factors.
        own: Weight of the user's own factors, alpha.
        neighbours: Number of most correlated users.
        ridge: Penalty of the squares of factors.
        sweeps: Alternations.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    own: Annotated[float, Field(ge=0, le=1)] = 0.7
    neighbours: Annotated[int, Field(ge=1)] = 10
    ridge: Annotated[float, Field(gt=0)] = 6.0
    sweeps: Annotated[int, Field(ge=1)] = 20

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        """Factorise each parameter's table; within what was seen."""
        return by_parameter(known, seed, lambda table, child: self._one(table, child, context))

    def _one(self, table: FloatArray, seed: np.random.SeedSequence, context: Context) -> FloatArray:
        mix = mixing(table, self.own, self.neighbours)
        weight = np.isfinite(table).astype(np.float64)
        filled = np.where(weight > 0, table, 0.0)
        turned, turned_weight = np.ascontiguousarray(filled.T), np.ascontiguousarray(weight.T)
        left, right = factors(table, self.rank, self.ridge, 3, seed, context)
        for _ in range(self.sweeps):
            context.check_time()

            def normal(u: FloatArray, v: FloatArray = right) -> FloatArray:
                return mix.T @ ((weight * (mix @ u @ v.T)) @ v) + self.ridge * u

            left = conjugate(normal, mix.T @ (filled @ right), left, _CONJUGATE_STEPS)
            right = ridge_rows(turned, turned_weight, mix @ left, np.full(self.rank, self.ridge))
        return np.asarray(mix @ left @ right.T)


def mixing(table: FloatArray, own: float, neighbours: int) -> FloatArray:
    """The weights with which users' factors are mixed, shape (users, users); rows sum to one."""
    similarity = np.maximum(pearson(table), 0.0)
    if neighbours < len(similarity):
        least = np.partition(similarity, -neighbours, axis=1)[:, -neighbours, None]
        similarity = np.where(similarity >= least, similarity, 0.0)
    total = similarity.sum(axis=1, keepdims=True)
    alone = np.eye(len(similarity))
    shares = np.where(total > 0, similarity / np.where(total > 0, total, 1.0), alone)
    return np.asarray(own * alone + (1 - own) * shares)


def conjugate(
    operator: Callable[[FloatArray], FloatArray], right: FloatArray, start: FloatArray, steps: int
) -> FloatArray:
    """Conjugate gradients for `operator(x) = right` with a symmetric positive definite operator on matrices.

    Args:
        operator: The operator.
        right: The right-hand side.
        start: Where to begin.
        steps: Number of steps at most; fewer where the residual vanishes.
    """
    x = start.copy()
    rest = right - operator(x)
    direction, square = rest.copy(), float((rest**2).sum())
    for _ in range(steps):
        if square <= 1e-20:
            break
        image = operator(direction)
        length = square / float((direction * image).sum())
        x += length * direction
        rest -= length * image
        square, before = float((rest**2).sum()), square
        direction = rest + square / before * direction
    return x
