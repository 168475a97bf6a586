"""How wide the intervals of newcomers are: strangers' at first, then those of who was there at the training.

What a stranger's interval has more in squared width than a known one's fades with the share that is left of the
variance that it began with: of the user's rows, seen along the service's point, and of the point, seen along the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qoslab.domains.prediction.data import FloatArray
from qoslab.domains.prediction.deploy.priors import Basis
from qoslab.domains.prediction.deploy.sides import Side, by_point, by_row, extended
from qoslab.domains.prediction.deploy.strangers import weaker

__all__ = ["Wider", "widths"]

Wider = Mapping[tuple[str, Basis], FloatArray]
"""Factors on strangers' widths by side (`user`, `service` or `both`) and basis, shape (P, 1)."""


def widths(who: Side, what: Side, noise: FloatArray, wider: Wider) -> FloatArray:
    """How wide intervals are, as a factor on those of cells whose user and service the training knew, shape (P, n).

    Args:
        who: A user.
        what: Some services.
        noise: Variance of a measurement around its row and point, shape (P, 1).
        wider: Factors on strangers' widths; without any these are what the variances say.
    """
    new = what.began.new
    if new.any() and not new.all():
        found = np.empty((len(noise), len(new)))
        for part in (new, ~new):
            found[:, part] = widths(who, what.only(part), noise, wider)
        return found
    x = extended(what.mean)
    rows, row_usual = by_row(x, who.covariance), by_row(x, who.trained)
    points, point_usual = by_point(who.mean, what.covariance), by_point(who.mean, what.trained)
    user = service = np.zeros(rows.shape)
    if who.began.new.any():
        user = _left(rows, row_usual, by_row(x, who.began.covariance))
        rows = np.minimum(rows, row_usual)
    if new.any():
        service = _left(points, point_usual, by_point(who.mean, what.began.covariance))
        points = np.minimum(points, point_usual)
    squared = (1 - user) * (1 - service) * (noise + rows + points) / (noise + row_usual + point_usual)
    shares = {"user": user * (1 - service), "service": (1 - user) * service, "both": user * service}
    most = np.full(squared.shape, np.inf)
    for side, square in _strange(who, what, noise, wider).items():
        squared, most = squared + shares[side] * square, square  # the last is what both began with
    return np.asarray(np.sqrt(np.minimum(squared, most)))


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
