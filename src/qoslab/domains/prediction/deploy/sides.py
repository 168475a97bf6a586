"""A user and some services as an answer sees them: what is believed of them, and what they began with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray
from qoslab.domains.prediction.deploy.priors import Basis

__all__ = ["Began", "Side", "by_point", "by_row", "extended"]


@dataclass(frozen=True)
class Began:
    """What was believed of newcomers before their first measurement.

    Attributes:
        mean: Shape (P, k + 1) of a user, (n, k) of services.
        covariance: Shape (P, k + 1, k + 1) or (n, k, k).
        basis: What that rested on, one per user or service; `model` for those who had measurements at the training.
    """

    mean: FloatArray
    covariance: FloatArray
    basis: Sequence[Basis]

    @cached_property
    def new(self) -> BoolArray:
        """Who is a newcomer, shape (n,)."""
        return np.array([basis != "model" for basis in self.basis])


@dataclass(frozen=True)
class Side:
    """The rows of one user, or the points of some services, known or guessed.

    Attributes:
        places: Places among all, -1 where nothing is known, shape (n,).
        mean: Shape (P, k + 1) of a user, (n, k) of services.
        covariance: Shape (P, k + 1, k + 1) or (n, k, k).
        basis: What is known, shape (n,).
        trained: Covariances after the training; for newcomers the mean one of those who had measurements then.
        began: What newcomers began with.
    """

    places: Codes
    mean: FloatArray
    covariance: FloatArray
    basis: list[Basis]
    trained: FloatArray
    began: Began

    def only(self, which: BoolArray) -> Side:
        """Some of the services, where it is the side of services."""
        first = self.began
        return Side(
            self.places[which],
            self.mean[which],
            self.covariance[which],
            _some(self.basis, which),
            self.trained[which],
            Began(first.mean[which], first.covariance[which], _some(first.basis, which)),
        )


def _some(basis: Sequence[Basis], which: BoolArray) -> list[Basis]:
    return [one for one, chosen in zip(basis, which, strict=True) if chosen]


def extended(points: FloatArray) -> FloatArray:
    """Points, shape (n, k), with a one for the mean of a row, shape (n, k + 1)."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def by_row(x: FloatArray, covariances: FloatArray) -> FloatArray:
    """Variance of predictions that comes from a user's rows, shape (P, n).

    Args:
        x: Extended points, shape (n, k + 1).
        covariances: Of the rows, shape (P, k + 1, k + 1).
    """
    return np.asarray(np.maximum(((x @ covariances) * x).sum(axis=2), 0.0))


def by_point(rows: FloatArray, covariances: FloatArray) -> FloatArray:
    """Variance of predictions that comes from services' points, shape (P, n).

    Args:
        rows: A user's, shape (P, k + 1).
        covariances: Of the points, shape (n, k, k).
    """
    w = rows[:, :-1]
    return np.asarray(np.maximum(((covariances @ w.T).transpose(2, 0, 1) * w[:, None]).sum(axis=2), 0.0))
