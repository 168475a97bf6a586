# mypy: disable-error-code="no-any-return"
"""Adaptive matrix factorisation: one measurement at a time changes the factors of its user and its service."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qoslab.domains.prediction.data import Codes, FloatArray
from qoslab.engine.kernel import compiled, kernel

__all__ = ["Adaptive", "Transform", "learn", "transform_of"]

_BETA = 0.3
"""Weight of the newest relative error in the running errors of users and services."""


_LARGEST_EXPONENT = 700.0


class Adaptive(NamedTuple):
    """What adaptive matrix factorisation remembers.

    Attributes:
        users: Factors, shape (users, rank).
        services: Factors, shape (services, rank).
        user_errors: Running relative error of each user, shape (users,).
        service_errors: The same for services.
    """

    users: FloatArray
    services: FloatArray
    user_errors: FloatArray
    service_errors: FloatArray


@dataclass(frozen=True)
class Transform:
    """Box-Cox and a linear map onto [0, 1].

    Attributes:
        power: Exponent of Box-Cox; zero is the logarithm.
        low: Transformed smallest value.
        high: Transformed largest value.
        least: Smallest value that is told apart from zero.
    """

    power: float
    low: float
    high: float
    least: float

    def forward(self, values: FloatArray) -> FloatArray:
        """Values to [0, 1]."""
        return np.clip((_box_cox(np.maximum(values, self.least), self.power) - self.low) / self._span, 0, 1)

    def backward(self, unit: FloatArray) -> FloatArray:
        """[0, 1] to values."""
        x = unit * self._span + self.low
        return np.exp(x) if self.power == 0 else np.maximum(x * self.power + 1, 0.0) ** (1 / self.power)

    @property
    def _span(self) -> float:
        return (self.high - self.low) or 1.0


def transform_of(values: FloatArray, power: float) -> Transform:
    """The transform that maps the smallest and largest of some values to 0 and 1; zeros count as the least above."""
    positive = values[values > 0]
    least = float(positive.min()) if len(positive) else 1.0
    ends = _box_cox(np.array([least, max(float(values.max()), least)]), power)
    return Transform(power, float(ends[0]), float(ends[1]), least)


def learn(
    state: Adaptive,
    cells: tuple[Codes, Codes, FloatArray],
    *,
    rate: float,
    ridge: float,
    least: float,
) -> None:
    """Take in measurements one after the other, in place.

    Args:
        state: What is remembered.
        cells: Users, services and transformed values, in the order in which they arrive.
        rate: Step size.
        ridge: Decay of the factors.
        least: Transformed value below which a relative error is taken of this value instead.
    """
    users, services, values = cells
    compiled(absorb)(*state, users, services, values, rate, ridge, least)


@kernel
def absorb(
    left: FloatArray,
    right: FloatArray,
    user_errors: FloatArray,
    service_errors: FloatArray,
    users: Codes,
    services: Codes,
    values: FloatArray,
    rate: float,
    ridge: float,
    least: float,
) -> None:
    """The online updates of AMF: weighted gradient steps on squared relative errors of sigmoid(U_u . S_s)."""
    rank = left.shape[1]
    for i in range(len(values)):
        u, s = users[i], services[i]
        product = 0.0
        for k in range(rank):
            product += left[u, k] * right[s, k]
        # Beyond it the guess is as good as zero, and only interpreted code would fail.
        guess = 1.0 / (1.0 + math.exp(min(-product, _LARGEST_EXPONENT)))
        scale = max(values[i], least)
        error = abs(values[i] - guess) / scale
        both = user_errors[u] + service_errors[s]
        share = user_errors[u] / both if both > 0.0 else 0.5
        user_errors[u] += _BETA * share * (error - user_errors[u])
        service_errors[s] += _BETA * (1.0 - share) * (error - service_errors[s])
        slope = (guess - values[i]) * guess * (1.0 - guess) / (scale * scale)
        for k in range(rank):
            a, b = left[u, k], right[s, k]
            left[u, k] = a - rate * share * (slope * b + ridge * a)
            right[s, k] = b - rate * (1.0 - share) * (slope * a + ridge * b)


def _box_cox(values: FloatArray, power: float) -> FloatArray:
    return np.log(values) if power == 0 else (values**power - 1) / power
