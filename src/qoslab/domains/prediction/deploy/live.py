"""A kept model at work: answers about any user and service, and takes in measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction import online
from qoslab.domains.prediction.data import BoolArray, Codes, FloatArray
from qoslab.domains.prediction.deploy.belief import first_state
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.deploy.newcomers import Squares, Wider, squares, well_known
from qoslab.domains.prediction.deploy.priors import Basis, Guess, Priors
from qoslab.domains.prediction.deploy.remembered import Remembered
from qoslab.domains.prediction.deploy.sides import Began, Side, extended
from qoslab.domains.prediction.deploy.strangers import SIDES, STRANGERS, factors, shares_of_ends, weaker
from qoslab.domains.prediction.intervals import Intervals, Spread
from qoslab.domains.prediction.promises import Correction, correction, drawn
from qoslab.domains.prediction.selection import (
    Joint,
    Limit,
    best,
    binding,
    joint_scores,
    probabilities,
    thresholds,
)

__all__ = ["Answer", "Live", "Measurement", "Parts", "Unknown"]

_MOST_VALUES = 1 << 22
_MOST_TIMES = 4
"""A table may grow to so many values, or to so many times the trained one's, whichever is more; a newcomer costs a row
or column of it, at 24 bytes a value."""

_CELLS_PER_USER = 60
"""Known cells of each user that strangers' intervals are calibrated on, at most."""

_MOST_REMEMBERED = 64
"""Levels whose quantiles are remembered, and limits whose corrections are."""


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


class Parts(NamedTuple):
    """What answers about some services are made of.

    Attributes:
        logs: Logarithms of predictions, shape (P, n).
        spread: Their spread, were user and services known, same shape.
        squares: Squares of factors on it.
    """

    logs: FloatArray
    spread: FloatArray
    squares: Squares


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
        floor, offset, lowest, highest = (arrays[part] for part in ("floor", "offset", "lowest", "highest"))
        hidden = (arrays[part] for part in ("scores", "hidden/levels", "hidden/sizes"))
        self.intervals = Intervals(floor, offset, lowest, highest, spread, *hidden)
        self._quantiles: Remembered[float, tuple[FloatArray, FloatArray]] = Remembered(_MOST_REMEMBERED)
        self._joint: Remembered[tuple[int, ...], Joint] = Remembered(_MOST_REMEMBERED)
        self._corrections: Remembered[tuple[Limit, ...], Correction] = Remembered(_MOST_REMEMBERED)
        self._mean, self._std = arrays["scale/mean"][:, None], arrays["scale/std"][:, None]
        self._state = first_state(model, self.memory, self.intervals)
        self._first = self._state.row_covariances.copy(), self._state.point_covariances.copy()
        self._priors = {
            "user": Priors(
                self._state.rows, _present(arrays["known/users"], self.trained[0]), about.user_context
            ),
            "service": Priors(
                self._state.points[None],
                _present(arrays["known/services"], self.trained[1]),
                about.service_context,
            ),
        }
        self._began = self._forget_strangers()
        self._strangers = {side: set(began) for side, began in self._began.items()}
        self._usual = self._usual_covariances()
        self._wider: Wider = {}
        learned: Wider = {(side, "model"): arrays["newcomers"][:, [at]] for at, side in enumerate(SIDES)}
        self._wider = {**self._calibrated(arrays), **learned}

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
        ends = self.intervals.ends(logs, spread, self._at(level or self.about.level))
        values = self.intervals.raw(logs)
        basis = [weaker(who.basis[0], other) for other in what.basis]
        return Answer(values, np.minimum(ends[0], values), np.maximum(ends[1], values), basis)

    def best(
        self,
        user: str,
        limits: Sequence[Limit],
        count: int,
        user_context: Mapping[str, int] | None = None,
    ) -> list[tuple[str, float]]:
        """Known services that most probably meet all limits, with the probabilities.

        Those whose probability is 0 are left out: where fewer than `count` are found, all others have it.

        Raises:
            Unknown: The user is, and has no context here.
        """
        names, limits = list(self.services), binding(limits)
        who = self._user(user, user_context)
        logs, spread = self._logs(who, self._services(names, None))
        scores, offset, zero = self.joint(limits).scores, self.intervals.offset, self.intervals.zero
        places, shares = best(logs, spread, scores, limits, min(count, len(names)), offset, zero)
        found = self.correction(limits).of(shares)
        return [(names[place], float(p)) for place, p in zip(places, found, strict=True) if p > 0]

    def left_out(self, found: int, count: int) -> int:
        """How many known services have the probability 0 where `best` found so many of `count`; else 0."""
        return len(self.services) - found if found < count else 0

    def chances(self, user: str, limits: Sequence[Limit]) -> FloatArray:
        """The probability that each known service meets all limits for a user, shape (services,).

        Raises:
            Unknown: The user is.
        """
        return self.correction(limits).of(self.shares(user, limits))

    def shares(self, user: str, limits: Sequence[Limit]) -> FloatArray:
        """The share of hidden cells whose misses let each known service meet all limits, shape (services,).

        Raises:
            Unknown: The user is.
        """
        logs, spread = self._logs(self._user(user, None), self._services(list(self.services), None))
        limits = binding(limits)
        at = thresholds(logs, spread, limits, self.intervals.offset, self.intervals.zero)
        return probabilities(at, self.joint(limits).scores, limits)

    def joint(self, limits: Sequence[Limit]) -> Joint:
        """What probabilities for these limits are counted among, remembered for the parameters asked for last.

        Limits that everything meets count for nothing, here as in all answers.
        """
        limited = tuple(sorted({limit.parameter for limit in binding(limits)}))
        return self._joint.of(limited, lambda: joint_scores(self.intervals.scores, limited))

    def correction(self, limits: Sequence[Limit]) -> Correction:
        """What is said in place of counted shares, remembered for the limits asked for last.

        It rests on the hidden cells of the training alone, so that it may be asked for while measurements are absorbed;
        of new limits it takes some 20 ms, which `best` then need not.
        """
        asked = tuple(binding(limits))
        return self._corrections.of(asked, lambda: correction(self.intervals, self.joint(asked), asked))

    @property
    def known(self) -> tuple[BoolArray, BoolArray]:
        """Which users, and which services, of the training had any measurement."""
        return self._priors["user"].present, self._priors["service"].present

    def expected(self, user: str, services: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Logarithms of predictions, and the share by which strangers' intervals have more variance than known ones'.

        Args:
            user: Id.
            services: Ids.

        Returns:
            Two arrays of shape (P, n).

        Raises:
            Unknown: A user or service is.
        """
        who, what = self._user(user, None), self._services(services, None)
        found = self._parts(who, what)
        return found.logs, (self._logs(who, what)[1] / found.spread) ** 2 - 1

    def parts(self, user: str, services: Sequence[str]) -> Parts:
        """What answers about some services are made of.

        Raises:
            Unknown: The user or a service is.
        """
        return self._parts(self._user(user, None), self._services(services, None))

    def make_room(self, measurements: Sequence[Measurement], *, acknowledged: bool = False) -> None:
        """Grow once for all new users and services of a delivery; what is believed of others does not change.

        Args:
            measurements: The delivery.
            acknowledged: Whether it counts already, however many new ones there are.

        Raises:
            BadInput: There would be too many; nothing has changed.
        """
        names = ({one.user for one in measurements}, {one.service for one in measurements})
        need = [
            len(known.keys() | new) for known, new in zip((self.users, self.services), names, strict=True)
        ]
        room = self._state.rows.shape[1], len(self._state.points)
        if need[0] <= room[0] and need[1] <= room[1]:
            return
        most = self._most_values()
        if len(self._mean) * need[0] * need[1] > most and not acknowledged:
            message = f"{need[0]:,} users and {need[1]:,} services are more than the model has room for"
            hint = f"train it again with them; it grows to {most:,} values at most"
            raise BadInput(Problem(message=message, field="measurements", hint=hint))
        # A quarter more than there was: few copies however many deliveries there are.
        wide = [has if n <= has else max(n, has + has // 4) for n, has in zip(need, room, strict=True)]
        if len(self._mean) * wide[0] * wide[1] > most:
            wide = [max(pair) for pair in zip(need, room, strict=True)]
        self._state = online.with_places(self._state, wide[0], wide[1], self.memory)

    def absorb(self, measurements: Sequence[Measurement]) -> None:
        """Take in measurements in their order; new users and services begin as their context says.

        Raises:
            BadInput: There are too many new ones; nothing has been taken in.
        """
        self.make_room(measurements)
        for one in measurements:
            user = self._place("user", one.user, one.user_context)
            service = self._place("service", one.service, one.service_context)
            values = np.asarray(one.values, float)
            self.intervals = self.intervals.reaching(values)
            if np.isfinite(values).any():
                self._strangers["user"].discard(user)
                self._strangers["service"].discard(service)
            scaled = (self.intervals.logs(values) - self._mean[:, 0]) / self._std[:, 0]
            online.learn(self._state, np.array([user]), np.array([service]), scaled[None], self.memory)
        self.absorbed += len(measurements)

    def warm(self) -> None:
        """Have what takes measurements in compiled, which may last many seconds, before the first one comes."""
        nobody, nothing = np.empty(0, np.int64), np.empty((0, len(self.about.parameters)))
        online.learn(self._state, nobody, nobody, nothing, self.memory)

    def _at(self, level: float) -> tuple[FloatArray, FloatArray]:
        """The scores' quantiles, remembered for the levels asked for last."""
        return self._quantiles.of(level, lambda: self.intervals.quantiles(level))

    def _logs(self, who: Side, what: Side) -> tuple[FloatArray, FloatArray]:
        """Logarithms of predictions and their spread, each of shape (P, n)."""
        found = self._parts(who, what)
        return found.logs, found.spread * found.squares.widths(well_known(who.began, what.began, self._wider))

    def _parts(self, who: Side, what: Side) -> Parts:
        state, user, places = self._state, int(who.places[0]), what.places
        known = places >= 0
        logs = who.mean @ extended(what.mean).T
        if user >= 0:
            at = np.where(known, places, 0)
            logs = logs + np.where(known, state.offset[:, user, at] + state.cell[:, user, at], 0.0)
        noise = state.noise[:, user] if user >= 0 else state.noise.mean(axis=1)
        raw = self.intervals.logs(self.intervals.raw(logs * self._std + self._mean))
        spread = self.intervals.spread.at(*self._in_spread(who, what), raw)
        return Parts(raw, spread, squares(who, what, noise[:, None], self._wider))

    def _forget_strangers(self) -> dict[str, dict[int, Guess]]:
        """Let those whom nobody measured begin as their context says; what their answers rest on."""
        found: dict[str, dict[int, Guess]] = {}
        for side, codes in (("user", self.about.user_context), ("service", self.about.service_context)):
            prior, found[side] = self._priors[side], {}
            for place in np.flatnonzero(~prior.present):
                guess = found[side][int(place)] = prior.of(
                    {kind: column[place] for kind, column in codes.items()}
                )
                self._put(side, int(place), *guess[:2])
                if side == "user":
                    self._state.offset[:, place] = 0.0
                else:
                    self._state.offset[:, :, place] = 0.0
        return found

    def _usual_covariances(self) -> tuple[FloatArray, FloatArray]:
        """Mean covariances of the rows, and of the points, that the training had measurements of."""
        users, services = self.known
        rows, points = self._first
        return (
            (rows[:, users] if users.any() else rows).mean(axis=1),
            (points[services] if services.any() else points).mean(axis=0),
        )

    def _calibrated(self, arrays: Mapping[str, Any]) -> dict[tuple[str, Basis], FloatArray]:
        """Factors that let intervals hold `level` of the known cells, had each been a stranger's; shape (P, 1) each."""
        ends = self._at(self.about.level)
        ratios: dict[tuple[str, Basis], list[FloatArray]] = {}
        names = np.array(list(self.services))
        for user in np.flatnonzero(self._priors["user"].present):
            # Of another user other places, so that each service is asked of somebody.
            cells = drawn(np.flatnonzero(arrays["known/users"] == user), _CELLS_PER_USER, int(user))
            places = arrays["known/services"][cells]
            real = self.intervals.logs(arrays["known/values"][cells].T)
            for basis in STRANGERS:
                for side, who, what, asked in self._as_strangers(int(user), places, names, basis):
                    logs, size = self._logs(who, what)
                    ratio = shares_of_ends((real - logs) / size, ends)
                    ratios.setdefault((side, basis), []).append(ratio[:, asked])
        return factors(ratios, len(self._mean), self.about.level)

    def _as_strangers(
        self, user: int, places: Codes, names: Any, basis: Basis
    ) -> Iterator[tuple[str, Side, Side, BoolArray]]:
        """A user's cells taken as a stranger's, as strange services', as both; and which of them can be."""
        rows, covariance, someone = self._priors["user"].without(np.array([user]), basis)
        nobody = self._newcomer(rows[:, 0], covariance[:, 0], basis)
        points, spread, something = self._priors["service"].without(places, basis)
        nothing = self._new_services(points[0], spread[0], [basis] * len(places))
        yield "user", nobody, self._services(list(names[places]), None), np.repeat(someone, len(places))
        yield "service", self._user(self.about.users[user], None), nothing, something
        yield "both", nobody, nothing, someone & something

    def _in_spread(self, who: Side, what: Side) -> tuple[Codes, Codes]:
        user = np.where(who.places < self.trained[0], who.places, -1)
        return np.repeat(user, len(what.places)), np.where(what.places < self.trained[1], what.places, -1)

    def _user(self, name: str, context: Mapping[str, int] | None) -> Side:
        place = self.users.get(name, -1)
        if place < 0:
            if context is None:
                raise Unknown(name, side="user")
            return self._newcomer(*self._priors["user"].of(context))
        mean, covariance = self._state.rows[:, place], self._state.row_covariances[:, place]
        guess, at = self._began["user"].get(place), np.array([place])
        if guess is None:
            began = Began(mean, covariance, ["model"])
            return Side(at, mean, covariance, ["model"], self._first[0][:, place], began)
        basis: Basis = guess[2] if place in self._strangers["user"] else "model"
        return Side(at, mean, covariance, [basis], self._usual[0], Began(guess[0], guess[1], [guess[2]]))

    def _newcomer(self, mean: FloatArray, covariance: FloatArray, basis: Basis) -> Side:
        """A user whom nobody measured."""
        began = Began(mean, covariance, [basis])
        return Side(np.array([-1]), mean, covariance, [basis], self._usual[0], began)

    def _new_services(self, means: FloatArray, covariances: FloatArray, basis: list[Basis]) -> Side:
        """Services that nobody measured."""
        began, usual = Began(means, covariances, basis), np.broadcast_to(self._usual[1], covariances.shape)
        return Side(np.full(len(means), -1), means, covariances, basis, usual, began)

    def _services(self, names: Sequence[str], context: Mapping[str, int] | None) -> Side:
        places = np.array([self.services.get(name, -1) for name in names], np.int64)
        missing = places < 0
        if missing.any() and context is None:
            raise Unknown(names[int(np.argmax(missing))], side="service")
        mean, covariance = self._state.points[places], self._state.point_covariances[places]
        basis: list[Basis] = ["model"] * len(places)
        trained, kinds = self._first[1][np.minimum(places, self.trained[1] - 1)], basis
        guesses = self._guesses(places, context)
        if guesses:
            first, spread, kinds = mean.copy(), covariance.copy(), basis.copy()
            for at, guess in guesses.items():
                first[at], spread[at], kinds[at] = guess[0][0], guess[1][0], guess[2]
                trained[at] = self._usual[1]
                if missing[at]:
                    mean[at], covariance[at] = first[at], spread[at]
                if missing[at] or int(places[at]) in self._strangers["service"]:
                    basis[at] = guess[2]
            return Side(places, mean, covariance, basis, trained, Began(first, spread, kinds))
        return Side(places, mean, covariance, basis, trained, Began(mean, covariance, kinds))

    def _guesses(self, places: Codes, context: Mapping[str, int] | None) -> dict[int, Guess]:
        """What newcomers among services began with, by their number in the question."""
        began = self._began["service"]
        found = (
            {at: began[place] for at, place in enumerate(places.tolist()) if place in began} if began else {}
        )
        missing = np.flatnonzero(places < 0)
        if len(missing) and context is not None:
            found |= dict.fromkeys(missing.tolist(), self._priors["service"].of(context))
        return found

    def _place(self, side: Literal["user", "service"], name: str, context: Mapping[str, int] | None) -> int:
        """The place of a user or service, made where it is new."""
        names = self.users if side == "user" else self.services
        if name in names:
            return names[name]
        place = names[name] = len(names)
        guess = self._began[side][place] = self._priors[side].of(context or {})
        self._strangers[side].add(place)
        self._put(side, place, *guess[:2])
        return place

    def _most_values(self) -> int:
        return max(_MOST_VALUES, _MOST_TIMES * len(self._mean) * self.trained[0] * self.trained[1])

    def _put(self, side: str, place: int, mean: FloatArray, covariance: FloatArray) -> None:
        if side == "user":
            self._state.rows[:, place], self._state.row_covariances[:, place] = mean, covariance
        else:
            self._state.points[place], self._state.point_covariances[place] = mean[0], covariance[0]


def _present(places: Codes, count: int) -> BoolArray:
    found = np.zeros(count, bool)
    found[places] = True
    return found
