"""A kept model at work: answers about any user and service, and takes in measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.domains.prediction import online
from qoslab.domains.prediction.data import Codes, FloatArray
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.intervals import Intervals, Spread
from qoslab.domains.prediction.selection import Limit, best, joint_scores, probabilities, thresholds

__all__ = ["Answer", "Live", "Measurement", "Unknown"]

Basis = Literal["model", "context", "population"]
"""What an answer rests on: the trained model; others of the same context; all others."""

_PRIOR_MEMBERS = 3.0
"""Weight of the whole population in a group's mean, in members."""

_ROOM = 64
"""Places for new users or services that are made at a time."""

_MOST_LEVELS = 64
"""Levels whose quantiles are remembered."""


class Unknown(Exception):
    """A user or service that nobody measured, asked for without its context.

    Attributes:
        side: `user` or `service`.
        name: Its id.
    """

    def __init__(self, name: str, *, side: str) -> None:
        super().__init__(f"{side} {name!r} is unknown")
        self.side, self.name = side, name


@dataclass(frozen=True)
class Measurement:
    """What was measured of one service by one user.

    Attributes:
        user: Id.
        service: Id.
        values: One per parameter, NaN where it was not measured; finite ones are not negative.
        user_context: Codes of a user who is new.
        service_context: Codes of a service that is new.
    """

    user: str
    service: str
    values: Sequence[float]
    user_context: Mapping[str, int] | None = None
    service_context: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Answer:
    """Predictions for one user and several services, in raw units.

    Attributes:
        values: Shape (P, n).
        lower: Lower ends of intervals, same shape.
        upper: Upper ends.
        basis: What the answers rest on, weakest of user and service, one per service.
    """

    values: FloatArray
    lower: FloatArray
    upper: FloatArray
    basis: list[Basis]


@dataclass(frozen=True)
class _Side:
    """The rows of one user, or the points of some services, known or guessed.

    Attributes:
        places: Places among all, -1 where nothing is known, shape (n,).
        mean: Shape (P, k + 1) of a user, (n, k) of services.
        covariance: Shape (P, k + 1, k + 1) or (n, k, k).
        basis: Shape (n,).
    """

    places: Codes
    mean: FloatArray
    covariance: FloatArray
    basis: list[Basis]


class Live:
    """A model in use.

    Args:
        model: What was kept.
        memory: How long new measurements are believed.
    """

    def __init__(self, model: KeptModel, memory: online.Memory | None = None) -> None:
        about, arrays = model.about, model.arrays
        self.about, self.memory = about, memory or online.Memory()
        self.users = {name: place for place, name in enumerate(about.users)}
        self.services = {name: place for place, name in enumerate(about.services)}
        self.trained = len(self.users), len(self.services)
        self.absorbed = 0
        spread = Spread(*(arrays[f"spread/{part}"] for part in ("edges", "steps", "user", "service", "most")))
        self.intervals = Intervals(
            arrays["floor"], arrays["lowest"], arrays["highest"], spread, arrays["scores"]
        )
        self._quantiles: dict[float, tuple[FloatArray, FloatArray]] = {}
        self._joint = joint_scores(arrays["scores"])
        self._mean, self._std = arrays["scale/mean"][:, None], arrays["scale/std"][:, None]
        self._state = _state(model, self.memory)
        self._first = self._state.row_covariances.copy(), self._state.point_covariances.copy()
        self._priors = {
            "user": _Priors(
                self._state.rows, _present(arrays["known/users"], self.trained[0]), about.user_context
            ),
            "service": _Priors(
                self._state.points[None],
                _present(arrays["known/services"], self.trained[1]),
                about.service_context,
            ),
        }

    def answer(
        self,
        user: str,
        services: Sequence[str],
        level: float | None = None,
        user_context: Mapping[str, int] | None = None,
        service_context: Mapping[str, int] | None = None,
    ) -> Answer:
        """Predictions with intervals.

        Args:
            user: Id.
            services: Ids.
            level: Probability that intervals promise; the model's own by default.
            user_context: Codes of a user who may be unknown; an empty mapping accepts the population.
            service_context: The same for services.

        Raises:
            Unknown: A user or service is, and has no context here.
            BadInput: The level cannot be promised.
        """
        who = self._user(user, user_context)
        what = self._services(services, service_context)
        logs, spread = self._logs(who, what)
        ends = [self.intervals.raw(logs + q[:, None] * spread) for q in self._at(level or self.about.level)]
        values = self.intervals.raw(logs)
        basis = [_weaker(who.basis[0], other) for other in what.basis]
        return Answer(values, np.minimum(ends[0], values), np.maximum(ends[1], values), basis)

    def best(
        self,
        user: str,
        limits: Sequence[Limit],
        count: int,
        user_context: Mapping[str, int] | None = None,
    ) -> list[tuple[str, float]]:
        """Known services that most probably meet all limits, with the probabilities.

        Raises:
            Unknown: The user is, and has no context here.
        """
        names = list(self.services)
        who = self._user(user, user_context)
        logs, spread = self._logs(who, self._services(names, None))
        places, found = best(logs, spread, self._joint, limits, min(count, len(names)))
        return [(names[place], float(p)) for place, p in zip(places, found, strict=True)]

    def chances(self, user: str, limits: Sequence[Limit]) -> FloatArray:
        """The probability that each known service meets all limits for a user, shape (services,).

        Raises:
            Unknown: The user is.
        """
        logs, spread = self._logs(self._user(user, None), self._services(list(self.services), None))
        return probabilities(thresholds(logs, spread, limits), self._joint, limits)

    def absorb(self, measurements: Sequence[Measurement]) -> None:
        """Take in measurements in their order; new users and services begin as their context says."""
        for one in measurements:
            user = self._place("user", one.user, one.user_context)
            service = self._place("service", one.service, one.service_context)
            floored = np.log(np.maximum(np.asarray(one.values, float), self.intervals.floor))
            scaled = (floored - self._mean[:, 0]) / self._std[:, 0]
            online.learn(self._state, np.array([user]), np.array([service]), scaled[None], self.memory)
        self.absorbed += len(measurements)

    def _at(self, level: float) -> tuple[FloatArray, FloatArray]:
        """The scores' quantiles, remembered for the levels asked for last."""
        if level not in self._quantiles:
            if len(self._quantiles) >= _MOST_LEVELS:
                self._quantiles.pop(next(iter(self._quantiles)))
            self._quantiles[level] = self.intervals.quantiles(level)
        return self._quantiles[level]

    def _logs(self, who: _Side, what: _Side) -> tuple[FloatArray, FloatArray]:
        """Logarithms of predictions and their spread, each of shape (P, n)."""
        state, user, places = self._state, int(who.places[0]), what.places
        x = np.concatenate([what.mean, np.ones((len(what.mean), 1))], axis=1)
        known = places >= 0
        logs = who.mean @ x.T
        if user >= 0:
            at = np.where(known, places, 0)
            logs = logs + np.where(known, state.offset[:, user, at] + state.cell[:, user, at], 0.0)
        noise = state.noise[:, user] if user >= 0 else state.noise.mean(axis=1)
        fresh = noise[:, None] * np.ones(len(places))
        now = _uncertain(x, who.covariance, who.mean, what.covariance)
        first = np.zeros(now.shape)
        if 0 <= user < self.trained[0]:
            trained = known & (places < self.trained[1])
            at = np.where(trained, places, 0)
            before = _uncertain(x, self._first[0][:, user], who.mean, self._first[1][at])
            first = np.where(trained, before, 0.0)
        raw = np.log(self.intervals.raw(logs * self._std + self._mean).clip(self.intervals.floor[:, None]))
        in_spread = self._in_spread(who, what)
        widened = np.sqrt((fresh + now) / (fresh + first))
        return raw, self.intervals.spread.at(*in_spread, raw) * widened

    def _in_spread(self, who: _Side, what: _Side) -> tuple[Codes, Codes]:
        user = np.where(who.places < self.trained[0], who.places, -1)
        return np.repeat(user, len(what.places)), np.where(what.places < self.trained[1], what.places, -1)

    def _user(self, name: str, context: Mapping[str, int] | None) -> _Side:
        place = self.users.get(name, -1)
        if place >= 0:
            basis: Basis = "model" if self._priors["user"].has(place) else "population"
            return _Side(
                np.array([place]), self._state.rows[:, place], self._state.row_covariances[:, place], [basis]
            )
        if context is None:
            raise Unknown(name, side="user")
        mean, covariance, basis = self._priors["user"].of(context)
        return _Side(np.array([-1]), mean, covariance, [basis])

    def _services(self, names: Sequence[str], context: Mapping[str, int] | None) -> _Side:
        places = np.array([self.services.get(name, -1) for name in names], np.int64)
        missing = places < 0
        if missing.any() and context is None:
            raise Unknown(names[int(np.argmax(missing))], side="service")
        mean, covariance = self._state.points[places], self._state.point_covariances[places]
        prior = self._priors["service"]
        basis: list[Basis] = ["model" if prior.has(place) else "population" for place in places]
        if context is not None and missing.any():
            one, spread, kind = prior.of(context)
            mean[missing], covariance[missing] = one[0], spread[0]
            basis = [kind if gone else old for gone, old in zip(missing, basis, strict=True)]
        return _Side(places, mean, covariance, basis)

    def _place(self, side: Literal["user", "service"], name: str, context: Mapping[str, int] | None) -> int:
        """The place of a user or service, made where it is new."""
        names = self.users if side == "user" else self.services
        if name in names:
            return names[name]
        place = names[name] = len(names)
        room = self._state.rows.shape[1], len(self._state.points)
        if place >= room[side == "service"]:
            more = [room[0] + _ROOM * (side == "user"), room[1] + _ROOM * (side == "service")]
            self._state = online.with_places(self._state, more[0], more[1], self.memory)
        mean, covariance, _ = self._priors[side].of(context or {})
        if side == "user":
            self._state.rows[:, place], self._state.row_covariances[:, place] = mean, covariance
        else:
            self._state.points[place], self._state.point_covariances[place] = mean[0], covariance[0]
        return place


class _Priors:
    """What to believe of a user or service of whom only the context is known.

    Args:
        means: Means of all rows or points, shape (tables, n, width).
        present: Which have any measurement, shape (n,).
        context: For each kind of context one code per user or service, -1 where unknown.
    """

    def __init__(self, means: FloatArray, present: FloatArray, context: Mapping[str, Sequence[int]]) -> None:
        use = means[:, present]
        if use.shape[1] < 2:
            use = np.repeat(np.zeros_like(means[:, :1]), 2, axis=1)
        self._present = present
        self._mean = use.mean(axis=1)
        self._covariance = _covariance(use - self._mean[:, None])
        self._groups: dict[tuple[str, int], tuple[FloatArray, FloatArray]] = {}
        for kind, codes in context.items():
            self._add(kind, means, np.asarray(codes, np.int64))

    def has(self, place: int) -> bool:
        """Whether there is a measurement of whoever has this place."""
        return place >= len(self._present) or (place >= 0 and bool(self._present[place]))

    def of(self, context: Mapping[str, int]) -> tuple[FloatArray, FloatArray, Basis]:
        """Mean and covariance of the smallest group that the context names; else of all."""
        for kind, code in reversed(list(context.items())):
            if (kind, code) in self._groups:
                return *self._groups[kind, code], "context"
        return self._mean, self._covariance, "population"

    def _add(self, kind: str, means: FloatArray, codes: Codes) -> None:
        groups = {int(c): np.flatnonzero((codes == c) & self._present) for c in np.unique(codes) if c >= 0}
        groups = {code: members for code, members in groups.items() if len(members)}
        if not groups:
            return
        centre = {}
        left = []
        for code, members in groups.items():
            total = means[:, members].sum(axis=1) + _PRIOR_MEMBERS * self._mean
            centre[code] = total / (len(members) + _PRIOR_MEMBERS)
            left.append(means[:, members] - centre[code][:, None])
        within = _covariance(np.concatenate(left, axis=1))
        for code, mean in centre.items():
            self._groups[kind, code] = mean, within


def _covariance(apart: FloatArray) -> FloatArray:
    """Second moments of deviations of shape (tables, n, width), shape (tables, width, width)."""
    return np.asarray(apart.transpose(0, 2, 1) @ apart / apart.shape[1])


def _present(places: Codes, count: int) -> FloatArray:
    found = np.zeros(count, bool)
    found[places] = True
    return found


def _uncertain(x: FloatArray, rows: FloatArray, row: FloatArray, points: FloatArray) -> FloatArray:
    """Variance of a prediction from its row and its point, shape (P, n)."""
    by_row = np.stack([((x @ c) * x).sum(axis=1) for c in rows])
    w = row[:, :-1]
    by_point = np.stack([((points @ one) * one).sum(axis=1) for one in w])
    return np.asarray(np.maximum(by_row + by_point, 0.0))


def _weaker(a: Basis, b: Basis) -> Basis:
    order: tuple[Basis, ...] = ("population", "context", "model")
    return min(a, b, key=order.index)


def _state(model: KeptModel, memory: online.Memory) -> online.State:
    """The online factors, with an offset that makes every trained prediction that of the method."""
    arrays = model.arrays
    mean, std = (arrays[f"scale/{part}"][:, None, None] for part in ("mean", "std"))
    logs = (np.log(np.maximum(arrays["values"], arrays["floor"][:, None, None])) - mean) / std
    rows, points, noise = arrays["factors/rows"], arrays["factors/points"], arrays["factors/noise"]
    factors = rows[:, :, :-1] @ points.T + rows[:, :, -1:]
    known = np.log(np.maximum(arrays["known/values"].T, arrays["floor"][:, None]))
    users, services = arrays["known/users"], arrays["known/services"]
    missed = (known - mean[:, 0]) / std[:, 0] - logs[:, users, services]
    cell = np.zeros(logs.shape)
    cell[:, users, services] = memory.persistent * np.where(np.isfinite(missed), missed, 0.0)
    variance = memory.persistent * np.repeat(noise[:, :, None], logs.shape[2], axis=2)
    variance[:, users, services] *= np.where(np.isfinite(missed), 1 - memory.persistent, 1.0)
    population = [np.cov(table.T) if len(table) > 1 else np.eye(table.shape[1]) for table in rows]
    return online.State(
        rows.copy(),
        arrays["factors/row_covariances"].copy(),
        points.copy(),
        arrays["factors/point_covariances"].copy(),
        noise.copy(),
        logs - factors,
        cell,
        variance,
        np.array([np.trace(np.atleast_2d(c)) for c in population]),
        np.array([float(points.shape[1])]),
    )
