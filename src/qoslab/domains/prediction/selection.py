"""Which services meet several limits at once, and how probable that is, from what predictions missed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.prediction.data import Codes, FloatArray

__all__ = ["Limit", "best", "joint_scores", "probabilities", "thresholds"]

_CHUNK = 64


@dataclass(frozen=True)
class Limit:
    """A bound on one parameter.

    Attributes:
        parameter: Its place among the parameters.
        value: The bound, in the parameter's unit.
        at_most: Whether values up to the bound are good; else values from the bound on.
    """

    parameter: int
    value: float
    at_most: bool


def joint_scores(scores: FloatArray) -> FloatArray:
    """The scores of cells where all parameters were measured, shape (n, P); what was missed there was missed together.

    Where no such cell was hidden, each column is sorted into a quantile of its own and parameters count as independent:
    the columns are dealt by a fixed permutation.
    """
    whole = scores[np.isfinite(scores).all(axis=1)]
    if len(whole):
        return whole
    columns = [column[np.isfinite(column)] for column in scores.T]
    count = min(len(column) for column in columns)
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(column)[:count] for column in columns], axis=1)


def thresholds(logs: FloatArray, spread: FloatArray, limits: Sequence[Limit]) -> FloatArray:
    """The score at which each service meets each limit just so, shape (limits, services).

    Args:
        logs: Logarithms of predictions, shape (P, services).
        spread: The size of a miss that is to be expected, same shape.
        limits: The bounds; one that is not positive is met by all or by none.
    """
    found = np.empty((len(limits), logs.shape[1]))
    for row, limit in zip(found, limits, strict=True):
        bound = np.log(limit.value) if limit.value > 0 else -np.inf
        row[:] = (bound - logs[limit.parameter]) / spread[limit.parameter]
    return found


def probabilities(at: FloatArray, scores: FloatArray, limits: Sequence[Limit]) -> FloatArray:
    """The share of joint scores with which each service meets all limits, shape (services,).

    Args:
        at: `thresholds` of the services.
        scores: Joint scores, shape (n, P).
        limits: The bounds.
    """
    met: NDArray[np.bool_] = np.ones((at.shape[1], len(scores)), bool)
    for row, limit in zip(at, limits, strict=True):
        column = scores[:, limit.parameter]
        met &= column <= row[:, None] if limit.at_most else column >= row[:, None]
    return np.asarray(met.mean(axis=1))


def best(
    logs: FloatArray, spread: FloatArray, scores: FloatArray, limits: Sequence[Limit], count: int
) -> tuple[Codes, FloatArray]:
    """The services that most probably meet all limits.

    The probability of a limit alone bounds the joint one, and costs a search in sorted scores; joint ones are counted
    from the largest bound downwards until no bound is left that could change the answer.

    Args:
        logs: Logarithms of predictions, shape (P, services).
        spread: The size of a miss that is to be expected, same shape.
        scores: Joint scores, shape (n, P).
        limits: At least one.
        count: Number of services wanted.

    Returns:
        Places of the services, the most probable first and equal ones in their order, and their probabilities.
    """
    at = thresholds(logs, spread, limits)
    bound = np.ones(logs.shape[1])
    for row, limit in zip(at, limits, strict=True):
        column = np.sort(scores[:, limit.parameter])
        share = np.searchsorted(column, row, side="right" if limit.at_most else "left") / len(column)
        bound = np.minimum(bound, share if limit.at_most else 1 - share)
    order = np.argsort(-bound, kind="stable")
    found = np.full(len(bound), -1.0)
    for start in range(0, len(order), _CHUNK):
        part = order[start : start + _CHUNK]
        found[part] = probabilities(at[:, part], scores, limits)
        rest = order[start + _CHUNK :]
        if len(rest) and start + _CHUNK >= count:
            kth = np.partition(found, -count)[-count] if count <= len(found) else -1.0
            if kth > bound[rest[0]] + 1e-12:
                break
    chosen = np.argsort(-found, kind="stable")[:count]
    return chosen, found[chosen]
