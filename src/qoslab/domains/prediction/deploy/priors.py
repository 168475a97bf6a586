"""What to believe of users and services that nobody measured: others of the same context, or all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray

__all__ = ["Basis", "Priors"]

Basis = Literal["model", "context", "population"]
"""What an answer rests on: the trained model; others of the same context; all others."""

_PRIOR_MEMBERS = 3.0
"""Weight of the whole population in a group's mean, in members."""


class Priors:
    """What to believe of a user or service of whom only the context is known.

    Args:
        means: Means of all rows or points, shape (tables, n, width).
        present: Which have any measurement, shape (n,).
        context: For each kind of context one code per user or service, -1 where unknown.
    """

    def __init__(self, means: FloatArray, present: BoolArray, context: Mapping[str, Sequence[int]]) -> None:
        use = means[:, present]
        if use.shape[1] < 2:
            use = np.repeat(np.zeros_like(means[:, :1]), 2, axis=1)
        self.present = present
        self._means = means
        self._mean = use.mean(axis=1)
        self._covariance = _covariance(use - self._mean[:, None])
        self._groups: dict[tuple[str, int], tuple[FloatArray, FloatArray]] = {}
        self._members: dict[tuple[str, int], int] = {}
        self._codes = {kind: np.asarray(codes, np.int64) for kind, codes in context.items()}
        for kind, codes in self._codes.items():
            self._add(kind, means, codes)

    def of(self, context: Mapping[str, int]) -> tuple[FloatArray, FloatArray, Basis]:
        """Mean and covariance of the smallest group that the context names; else of all."""
        for kind, code in reversed(list(context.items())):
            if (kind, code) in self._groups:
                return *self._groups[kind, code], "context"
        return self._mean, self._covariance, "population"

    def without(self, places: Codes) -> tuple[FloatArray, FloatArray]:
        """What would be believed of each of these had nobody measured it: means (tables, n, width), and one covariance.

        Covariances are those of the smallest groups that exist, or of all.
        """
        count = int(self.present.sum())
        own = self._means[:, places]
        mean = (self._mean[:, None] * count - own) / max(count - 1, 1)
        covariance = self._covariance
        for kind, codes in self._codes.items():
            for at, place in enumerate(places):
                key = (kind, int(codes[place]))
                if key in self._groups and self._members[key] > 1:
                    centre, covariance = self._groups[key]
                    weight = self._members[key] + _PRIOR_MEMBERS
                    mean[:, at] = (centre * weight - own[:, at]) / (weight - 1)
        return mean, covariance

    def _add(self, kind: str, means: FloatArray, codes: Codes) -> None:
        groups = {int(c): np.flatnonzero((codes == c) & self.present) for c in np.unique(codes) if c >= 0}
        groups = {code: members for code, members in groups.items() if len(members)}
        if not groups:
            return
        centre = {}
        left = []
        for code, members in groups.items():
            total = means[:, members].sum(axis=1) + _PRIOR_MEMBERS * self._mean
            centre[code] = total / (len(members) + _PRIOR_MEMBERS)
            left.append(means[:, members] - centre[code][:, None])
            self._members[kind, code] = len(members)
        within = _covariance(np.concatenate(left, axis=1))
        for code, mean in centre.items():
            self._groups[kind, code] = mean, within


def _covariance(apart: FloatArray) -> FloatArray:
    """Second moments of deviations of shape (tables, n, width), shape (tables, width, width)."""
    return np.asarray(apart.transpose(0, 2, 1) @ apart / apart.shape[1])
