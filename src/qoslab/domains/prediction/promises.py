"""How often promises of a selection came true in hidden cells, and what they have to say so that they are kept.

Scores are pooled over all levels of a prediction. Near a limit that few values reach they are not those of the pool:
a method that draws large values towards the mean keeps more than it says there, one that errs most in small values
less. Of the hidden cells it is known whether they meet the limits, so what is said of these is fitted to what happened,
by beta calibration (Kull, Silva Filho and Flach, AISTATS 2017), as far as they speak against no change: what is counted
and what is fitted are averaged by the evidence for either (Hoeting and others, Statistical Science 14, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray
from qoslab.domains.prediction.intervals import Intervals
from qoslab.domains.prediction.selection import Joint, Limit, probabilities, thresholds

__all__ = ["Correction", "correction", "drawn", "fit_map"]

_Rows = TypeVar("_Rows", Codes, FloatArray)

_MOST_CELLS, _MOST_SCORES = 4000, 2000
"""Hidden cells that a correction is fitted to, and scores among which each of them is counted, at most."""

_PRIOR = np.array([5.0, 20.0, 20.0])
"""Precisions of "no change": the shift is believed to be 0 within .45, either slope 1 within .22."""

_NO_CHANGE = np.array([0.0, 1.0, 1.0])

_LEAST_SLOPE = 0.1
"""Smallest slope: a correction never turns the order of services round."""

_FACES = ((True, False), (False, True), (True, True))
"""Which of the two slopes may be the smallest."""

_STEPS = 50
_ENOUGH = 1e-9


@dataclass(frozen=True)
class Correction:
    """What is said in place of a counted share p.

    A fitted probability q with log(q / (1 - q)) = c + a log p - b log(1 - p), with a weight, and p with the rest of it.

    Attributes:
        weight: Of q, from 0 to 1.
        shift: c.
        low: a, positive: services keep their order.
        high: b, positive.
        least: For q, shares are taken as no nearer to 0 or 1 than this, positive.
        certain: Whether a share of 1 stays 1: no hidden cell missed the limits.
    """

    weight: float = 0.0
    shift: float = 0.0
    low: float = 1.0
    high: float = 1.0
    least: float = 1e-9
    certain: bool = True

    def of(self, shares: FloatArray) -> FloatArray:
        """Probabilities for shares, same shape; a share of 0 stays 0."""
        fitted = _chance(np.tensordot([self.shift, self.low, self.high], _inputs(shares, self.least), 1))
        found = self.weight * fitted + (1 - self.weight) * shares
        kept = (shares <= 0) | ((shares >= 1) & self.certain)
        return np.asarray(np.where(kept, shares, found))


def correction(intervals: Intervals, joint: Joint, limits: Sequence[Limit]) -> Correction:
    """The correction for some limits, from the hidden cells that were measured in all limited parameters.

    Each cell is counted among the others' scores, with its own spread and prediction.

    Args:
        intervals: Levels, spread and scores of hidden cells.
        joint: What probabilities for these limits are counted among.
        limits: At least one.

    Returns:
        No change where no cell was measured in all.
    """
    limited = sorted({limit.parameter for limit in limits})
    rows = np.flatnonzero(np.isfinite(intervals.scores[:, limited]).all(axis=1))
    if not len(rows):
        return Correction()
    rows = drawn(rows, _MOST_CELLS)
    at = thresholds(intervals.levels[rows].T, intervals.sizes[rows].T, limits, intervals.offset)
    met = _met(at, intervals.scores[rows], limits)
    among = drawn(joint.scores if joint.drawn else intervals.scores[rows], _MOST_SCORES)
    shares = probabilities(at, among, limits)
    if not joint.drawn:
        # A cell's own score lies on the right side of its thresholds just where it meets the limits.
        own = np.isin(np.arange(len(rows)), drawn(np.arange(len(rows)), _MOST_SCORES))
        shares = (shares * len(among) - (own & met)) / np.maximum(len(among) - own, 1)
    least = 0.5 / (len(among) + 1)
    fitted, evidence = fit_map(shares, met, least)
    return Correction(float(_chance(np.array(evidence))), *fitted, least, certain=bool(met.all()))


def drawn(rows: _Rows, most: int, number: int = 0) -> _Rows:
    """Some of the rows, at most so many, in their order; the same places for as many rows and the same number.

    They are drawn, for every so many of a table's rows may all be of one kind.
    """
    if len(rows) <= most:
        return rows
    places = np.random.default_rng(number).choice(len(rows), most, replace=False)
    return rows[np.sort(places)]


def _met(at: FloatArray, scores: FloatArray, limits: Sequence[Limit]) -> BoolArray:
    """Whether cells meet all limits, shape (n,), from `thresholds` of shape (limits, n) and scores of shape (n, P)."""
    found = np.ones(len(scores), bool)
    for row, limit in zip(at, limits, strict=True):
        column = scores[:, limit.parameter]
        found &= column <= row if limit.at_most else column >= row
    return found


def fit_map(shares: FloatArray, met: BoolArray, least: float) -> tuple[tuple[float, float, float], float]:
    """Shift and slopes with which what was said fits what happened, and the evidence for them against no change.

    The largest of the posterior with independent normal priors among slopes from .1 up, the rest fitted anew where a
    slope stops there; and Laplace's approximation of the logarithm of the Bayes factor (MacKay, Information Theory,
    Inference and Learning Algorithms, 2003, chapter 27). Where a slope stops it is too large, by a few units of what is
    at least eight: .1 lies four of the prior's standard deviations away.

    Args:
        shares: What was said, shape (n,).
        met: What happened, shape (n,).
        least: Shares are taken as no nearer to 0 or 1 than this.
    """
    x = _inputs(shares, least)
    w = _largest(x, met, np.zeros(3, bool))
    if (w[1:] < _LEAST_SLOPE).any():
        # The best of all within the bounds is the best of its own face of them.
        stopped = [_largest(x, met, np.array([False, low, high])) for low, high in _FACES]
        inside = [w for w in stopped if (w[1:] >= _LEAST_SLOPE).all()]
        w = min(inside, key=lambda w: _loss(w, x, met))
    narrowed = np.linalg.slogdet(_bend(w, x)).logabsdet - np.log(_PRIOR).sum()
    evidence = float(_loss(_NO_CHANGE, x, met) - _loss(w, x, met) - 0.5 * narrowed)
    return (float(w[0]), float(w[1]), float(w[2])), evidence


def _largest(x: FloatArray, met: BoolArray, stopped: BoolArray) -> FloatArray:
    """The largest of the posterior, by Newton's steps, halved while they do not help; some slopes stay the smallest."""
    free = np.flatnonzero(~stopped)
    w = np.where(stopped, _LEAST_SLOPE, _NO_CHANGE)
    now = _loss(w, x, met)
    for _ in range(_STEPS):
        gradient = x @ (_chance(w @ x) - met) + _PRIOR * (w - _NO_CHANGE)
        step = np.zeros(3)
        step[free] = np.linalg.solve(_bend(w, x)[np.ix_(free, free)], gradient[free])
        while (then := _loss(w - step, x, met)) > now and np.abs(step).max() > _ENOUGH:
            step = step / 2
        w, now = w - step, then
        if np.abs(step).max() < _ENOUGH:
            break
    return w


def _loss(w: FloatArray, x: FloatArray, met: BoolArray) -> float:
    """Less the logarithm of likelihood and prior, without the prior's constant."""
    z = w @ x
    return float((np.logaddexp(0.0, z) - met * z).sum() + 0.5 * (_PRIOR * (w - _NO_CHANGE) ** 2).sum())


def _bend(w: FloatArray, x: FloatArray) -> FloatArray:
    """The matrix of second derivatives of the loss."""
    q = _chance(w @ x)
    return np.asarray((x * (q * (1 - q))) @ x.T + np.diag(_PRIOR))


def _inputs(shares: FloatArray, least: float) -> FloatArray:
    """One, log p and -log(1 - p), shape (3, ...)."""
    inside = np.clip(shares, least, 1 - least)
    return np.stack([np.ones(inside.shape), np.log(inside), -np.log1p(-inside)])


def _chance(odds: FloatArray) -> FloatArray:
    """The probability of a logarithm of odds."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * odds)))
