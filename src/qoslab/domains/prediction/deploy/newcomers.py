"""How wide the intervals of newcomers are: strangers' at first, in the end those of newcomers who are well known.

What a stranger's interval has more in squared width than a known one's fades with the share that is left of the
variance that it began with: of the user's rows, seen along the service's point, and of the point, seen along the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qoslab.domains.prediction.data import FloatArray
from qoslab.domains.prediction.deploy.priors import Basis
from qoslab.domains.prediction.deploy.sides import Began, Side, by_point, by_row, extended
from qoslab.domains.prediction.deploy.strangers import weaker

__all__ = ["Squares", "Wider", "squares", "well_known"]

Wider = Mapping[tuple[str, Basis], FloatArray]
"""Factors on widths by side (`user`, `service` or `both`) and basis, shape (P, 1); `model` is a newcomer well known."""


@dataclass(frozen=True)
class Squares:
    """Squares of factors on the widths of intervals, shape (P, n) each.

    Attributes:
        known: Of cells as well known as those of the training, times the share of them that newcomers are so far.
        rest: What strangers' widths add for the share that is left.
        most: Of strangers, whom nobody's exceed; infinite where there is no newcomer.
    """

    known: FloatArray
    rest: FloatArray
    most: FloatArray

    def widths(self, factor: FloatArray) -> FloatArray:
        """Factors on widths, given those of newcomers who are well known, shape (P, n) or (1, n)."""
        return np.asarray(np.sqrt(np.minimum(self.known * factor**2 + self.rest, self.most)))

    def needed(self, widths: FloatArray) -> FloatArray:
        """Factors of newcomers who are well known that would give these widths, shape (P, n); zero where none can."""
        return np.asarray(np.sqrt(np.maximum(widths**2 - self.rest, 0.0) / np.maximum(self.known, 1e-9)))


def squares(who: Side, what: Side, noise: FloatArray, wider: Wider) -> Squares:
    """How wide intervals are, as a factor on those of cells whose user and service the training knew.

    Args:
        who: A user.
        what: Some services.
        noise: Variance of a measurement around its row and point, shape (P, 1).
        wider: Factors on widths; without any, strangers' are what the variances say.
    """
    new = what.began.new
    if new.any() and not new.all():
        found = Squares(*np.empty((3, len(noise), len(new))))
        for part in (new, ~new):
            one = squares(who, what.only(part), noise, wider)
            found.known[:, part], found.rest[:, part], found.most[:, part] = one.known, one.rest, one.most
        return found
    x = extended(what.mean)
    rows, row_usual = by_row(x, who.covariance), by_row(x, who.trained)
    points, point_usual = by_point(who.mean, what.covariance), by_point(who.mean, what.trained)
    user = service = np.zeros(rows.shape)
    if who.began.new.any():
        user = _left(rows, row_usual, by_row(x, who.began.covariance))
        rows = row_usual  # what more measurements than the training's gain was not seen in its errors
    if new.any():
        service = _left(points, point_usual, by_point(who.mean, what.began.covariance))
        points = point_usual
    known = (1 - user) * (1 - service) * (noise + rows + points) / (noise + row_usual + point_usual)
    shares = {"user": user * (1 - service), "service": (1 - user) * service, "both": user * service}
    rest, most = np.zeros(known.shape), np.full(known.shape, np.inf)
    for side, square in _strange(who, what, noise, wider).items():
        rest, most = rest + shares[side] * square, square  # the last is what both began with
    return Squares(known, rest, most)


def well_known(user: Began, services: Began, wider: Wider) -> FloatArray:
    """Factors on widths of newcomers who are as well known as others, shape (P, n) or (1, n)."""
    if not wider:
        return np.ones((1, 1))
    new = bool(user.new.any())
    usual = wider["user", "model"] if new else 1.0
    return np.where(services.new, wider["both" if new else "service", "model"], usual)


def _left(now: FloatArray, usual: FloatArray, began: FloatArray) -> FloatArray:
    """The share that is left of the variance that a newcomer has more than others: one at first, none in the end."""
    # Where the beginning is hardly less certain than the usual, half of its variance is as good as an end.
    usual = np.minimum(usual, began / 2)
    more = np.where(began > 0, began - usual, 1.0)
    return np.where(began > 0, np.clip((now - usual) / more, 0.0, 1.0), 1.0)


def _strange(who: Side, what: Side, noise: FloatArray, wider: Wider) -> dict[str, FloatArray]:
    """Squares of strangers' factors, where the user, new services or both are taken as what they began with."""
    x, first, began = extended(what.mean), extended(what.began.mean), who.began
    user, service = bool(began.new.any()), bool(what.began.new.any())
    found = {}
    if user:
        found["user"] = by_row(x, began.covariance) + by_point(began.mean, what.covariance)
    if service:
        found["service"] = by_row(first, who.covariance) + by_point(who.mean, what.began.covariance)
    if user and service:
        found["both"] = by_row(first, began.covariance) + by_point(began.mean, what.began.covariance)
    squared = {side: 1 + variance / noise for side, variance in found.items()}
    if not wider:
        return squared
    # Nobody is predicted better for being unknown: no stranger's interval is narrower than a known one's.
    bases = began.basis[0], what.began.basis
    return {side: np.maximum(one * _factor(side, *bases, wider) ** 2, 1.0) for side, one in squared.items()}


def _factor(side: str, user: Basis, services: Sequence[Basis], wider: Wider) -> FloatArray:
    """The factors that calibration gave strangers, by what they began with, shape (P, n) or (P, 1)."""
    if side == "user":
        return wider[side, user]
    kinds = np.array(services)
    found = np.ones((1, len(kinds)))
    for kind in set(services):
        found = np.where(kinds == kind, wider[side, kind if side == "service" else weaker(user, kind)], found)
    return found
