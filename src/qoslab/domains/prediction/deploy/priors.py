"""What to believe of users and services that nobody measured: others of the same context, or all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray

__all__ = ["Basis", "Guess", "Priors"]

Basis = Literal["model", "context", "population"]
"""What an answer rests on: the trained model; others of the same context; all others."""

Guess = tuple[FloatArray, FloatArray, Basis]
"""What is believed of one whom nobody measured: mean, shape (tables, width), covariance, shape (tables, width, width),
and what these rest on."""

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

    def of(self, context: Mapping[str, int]) -> Guess:
        """Mean and covariance of the group with the fewest members that the context names; else of all."""
        key = self._smallest(context, 1)
        if key is None:
            return self._mean, self._covariance, "population"
        return *self._groups[key], "context"

    def without(self, places: Codes, basis: Basis) -> tuple[FloatArray, FloatArray, BoolArray]:
        """What would be believed of each of these had nobody measured it, of its context or of the population alone.

        Args:
            places: Shape (n,).
            basis: `context` or `population`.

        Returns:
            Means, shape (tables, n, width), covariances, shape (tables, n, width, width), and of which places there
            is such a belief, shape (n,): all, or those with others of their context.
        """
        count = int(self.present.sum())
        own = self._means[:, places]
        mean = (self._mean[:, None] * count - own) / max(count - 1, 1)
        covariance = np.repeat(self._covariance[:, None], len(places), axis=1)
        if basis == "population":
            return mean, covariance, np.ones(len(places), bool)
        found = np.zeros(len(places), bool)
        for at, place in enumerate(places):
            key = self._smallest({kind: int(codes[place]) for kind, codes in self._codes.items()}, 2)
            if key is not None:
                found[at] = True
                centre, covariance[:, at] = self._groups[key]
                weight = self._members[key] + _PRIOR_MEMBERS
                mean[:, at] = (centre * weight - own[:, at]) / (weight - 1)
        return mean, covariance, found

    def _smallest(self, context: Mapping[str, int], least: int) -> tuple[str, int] | None:
        """The group with the fewest members, but at least so many, that a context names; the last of equal ones."""
        keys = [(kind, context[kind]) for kind in reversed(self._codes) if kind in context]
        there = [key for key in keys if self._members.get(key, 0) >= least]
        return min(there, key=self._members.__getitem__, default=None)

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
