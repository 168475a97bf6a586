"""Which services meet several limits at once, and how probable that is, from what predictions missed together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.prediction.data import Codes, FloatArray

__all__ = ["Joint", "Limit", "best", "binding", "joint_scores", "probabilities", "thresholds"]

_CHUNK = 64

_LEAST_TOGETHER = 200
"""Cells measured in all limited parameters from which a probability is counted among them alone."""

_PRIOR_CELLS = 20.0
"""Weight of "independent" in the correlation of fewer cells, in cells."""

_DRAWN = 4000
"""Joint scores that are drawn where fewer cells were measured together."""

_ROUNDING = 1e-6
"""Share of a limit by which it may be missed: predictions of kept models are float32."""


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


@dataclass(frozen=True)
class Joint:
    """What is missed in several parameters together.

    Attributes:
        scores: Shape (n, P), finite in the limited parameters.
        together: Hidden cells that were measured in all limited parameters.
        drawn: Whether these were too few to count among, so that the scores are drawn.
    """

    scores: FloatArray
    together: int
    drawn: bool

    @property
    def basis(self) -> str:
        """What a probability rests on, in words."""
        return f"a copula of {self.together} cells" if self.drawn else f"{self.together} cells"


def binding(limits: Sequence[Limit]) -> list[Limit]:
    """The limits that not everything meets, or the first one where there are none; no measurement is negative."""
    return [limit for limit in limits if not _all_meet(limit)] or list(limits[:1])


def _all_meet(limit: Limit) -> bool:
    return not limit.at_most and limit.value <= 0


def joint_scores(scores: FloatArray, parameters: Sequence[int]) -> Joint:
    """The scores of cells where all limited parameters were measured: what was missed there was missed together.

    For one parameter these are all its scores. Where fewer than 200 cells were measured in all of several, scores are
    drawn that have each parameter's own distribution and a normal copula (Nelsen, An Introduction to Copulas, 2006,
    section 2.3), with the correlation of the normal scores of the cells that there are, drawn towards none by the
    weight of 20 cells.

    Args:
        scores: Shape (n, P), NaN where a parameter was not measured.
        parameters: Places of the limited parameters.
    """
    limited = sorted(set(parameters))
    part = scores[:, limited]
    whole = np.isfinite(part).all(axis=1)
    together = int(whole.sum())
    if len(limited) == 1 or together >= _LEAST_TOGETHER:
        return Joint(scores[whole], together, drawn=False)
    columns = [np.sort(column[np.isfinite(column)]) for column in part.T]
    normal = np.random.default_rng(0).standard_normal((_DRAWN, len(limited)))
    places = _ranks(normal @ np.linalg.cholesky(_correlation(part[whole])).T)
    found = np.full((_DRAWN, scores.shape[1]), np.nan)
    for p, column, place in zip(limited, columns, places.T, strict=True):
        found[:, p] = column[(place * len(column)) // _DRAWN]
    return Joint(found, together, drawn=True)


def _correlation(scores: FloatArray) -> FloatArray:
    """The correlation of normal scores of n rows, drawn towards the unit matrix."""
    count, size = scores.shape
    unit = np.eye(size)
    if count < 3:
        return unit
    normal = NormalDist()
    place = np.vectorize(lambda rank: normal.inv_cdf((rank + 0.5) / count))(_ranks(scores))
    return np.asarray((count * np.corrcoef(place.T) + _PRIOR_CELLS * unit) / (count + _PRIOR_CELLS))


def _ranks(table: FloatArray) -> Codes:
    """The rank of each value in its column, from 0; equal ones in their order."""
    return np.asarray(np.argsort(np.argsort(table, axis=0, kind="stable"), axis=0, kind="stable"), np.int64)


def thresholds(
    logs: FloatArray,
    spread: FloatArray,
    limits: Sequence[Limit],
    offset: FloatArray | None = None,
    zero: FloatArray | None = None,
) -> FloatArray:
    """The score at which each service meets each limit just so, shape (limits, services).

    Args:
        logs: Logarithms of predictions plus the offset, shape (P, services).
        spread: The size of a miss that is to be expected, same shape.
        limits: The bounds. What is measured is not negative: all meet an `at_least` up to 0, none an `at_most` below.
        offset: What is added to values before their logarithm is taken, shape (P,); nothing by default.
        zero: Up to what an expected value is a zero, shape (P,): limits below are met as by a zero; 0 by default.
    """
    found = np.empty((len(limits), logs.shape[1]))
    for row, limit in zip(found, limits, strict=True):
        bound = _bound(limit, *(0.0 if a is None else float(a[limit.parameter]) for a in (offset, zero)))
        row[:] = (bound - logs[limit.parameter]) / spread[limit.parameter]
    return found


def _bound(limit: Limit, offset: float, zero: float) -> float:
    """The logarithm that meets a limit just so, with room for rounding; -inf where all or none meet it."""
    if limit.value < 0 or _all_meet(limit) or not (limit.value + offset > 0 or zero > 0):
        return -np.inf
    # A zero meets every `at_most` that is not negative, and no positive `at_least`.
    low = limit.value < zero
    bound = float(np.log(zero if low else limit.value + offset))
    return bound + (_ROUNDING if limit.at_most or low else -_ROUNDING)


def probabilities(at: FloatArray, scores: FloatArray, limits: Sequence[Limit]) -> FloatArray:
    """The share of joint scores with which each service meets all limits, shape (services,).

    Args:
        at: `thresholds` of the services.
        scores: Joint scores of the limited parameters, shape (n, P).
        limits: The bounds.
    """
    met: NDArray[np.bool_] = np.ones((at.shape[1], len(scores)), bool)
    for row, limit in zip(at, limits, strict=True):
        column = np.ascontiguousarray(
            scores[:, limit.parameter]
        )  # compared a third faster than every so many places
        met &= column <= row[:, None] if limit.at_most else column >= row[:, None]
    return np.asarray(met.mean(axis=1))


def best(
    logs: FloatArray,
    spread: FloatArray,
    scores: FloatArray,
    limits: Sequence[Limit],
    count: int,
    offset: FloatArray | None = None,
    zero: FloatArray | None = None,
) -> tuple[Codes, FloatArray]:
    """The services that most probably meet all limits.

    The probability of a limit alone bounds the joint one, and costs a search in sorted scores; joint ones are counted
    from the largest bound downwards until no bound is left that could change the answer.

    Args:
        logs: Logarithms of predictions, shape (P, services).
        spread: The size of a miss that is to be expected, same shape.
        scores: Joint scores of the limited parameters, shape (n, P).
        limits: At least one.
        count: Number of services wanted.
        offset: What is added to values before their logarithm is taken, shape (P,); nothing by default.
        zero: Up to what an expected value is a zero, shape (P,); 0 by default.

    Returns:
        Places of the services, the most probable first and equal ones in their order, and their probabilities.
    """
    at = thresholds(logs, spread, limits, offset, zero)
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
