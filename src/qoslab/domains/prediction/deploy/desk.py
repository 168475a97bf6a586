"""What the server does with a question: a live model, its journal of measurements, and its counters."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import ValidationError

from qoslab.core.errors import BadInput, Problem
from qoslab.core.journal import Journal, journals, parse
from qoslab.core.plain_words import said
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.deploy.live import Answer, Live, Measurement, Unknown
from qoslab.domains.prediction.deploy.questions import Batch, Bounds, Measurements, Pair, Question, Wanted
from qoslab.domains.prediction.selection import Limit

__all__ = ["Desk", "Refused"]

_EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
"""Upper ends of the histogram of answer times, s."""


_AT_A_TIME = 32
"""Measurements that are taken in before questions get their turn."""

_NOWHERE = -1
"""Code of a word that training did not meet: no group has it."""

_CONTEXTS = "user_context", "service_context"

_InCodes = Callable[[Mapping[str, int | str] | None, str], dict[str, int] | None]
"""The context of a side, `user` or `service`, in codes."""


class Refused(Exception):
    """A question that gets no answer.

    Attributes:
        status: HTTP status.
        errors: What is wrong: dictionaries of field and message.
    """

    def __init__(self, status: int, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__(f"{status}: {errors}")
        self.status, self.errors = status, list(errors)

    @classmethod
    def one(cls, status: int, field: str, message: str) -> Refused:
        """A refusal for one reason."""
        return cls(status, [{"field": field, "message": message}])


class Desk:
    """Answers questions and takes in measurements; safe to use from several threads.

    Args:
        model: What was kept.
        folder: Where measurements are kept; those that lie there are taken in again, also where two servers
            acknowledged more newcomers than one has room for.

    Raises:
        BadInput: A record there is no delivery.
    """

    def __init__(self, model: KeptModel, folder: Path) -> None:
        self.live = Live(model)
        self._names = model.about.parameters
        self._number = {
            kind: {word: code for code, word in enumerate(words)} for kind, words in model.about.words.items()
        }
        self._lock, self._fitting, self._writing, self._counting = Lock(), Lock(), Lock(), Lock()
        self._journal = Journal(folder)
        self._seen: set[str] = set()
        self.requests: Counter[tuple[str, int]] = Counter()
        self._times = [0] * (len(_EDGES_S) + 1)
        self._time_s = 0.0
        for path in journals(folder):
            self._replay(path)

    def predict(self, question: Question) -> dict[str, Any]:
        """One prediction with its intervals."""
        return self._pair(question, question.level, "")

    def batch(self, question: Batch) -> dict[str, Any]:
        """Several predictions, in the order of the pairs."""
        found = [self._pair(pair, question.level, f"pairs.{i}.") for i, pair in enumerate(question.pairs)]
        return {"predictions": found}

    def best(self, question: Wanted) -> dict[str, Any]:
        """The services that most probably meet all limits, with predictions.

        Those that cannot are left out, and where they leave fewer than were asked for, `left_out` counts them.
        """
        limits = list(self._limits(question.limits))
        context = self._codes(question.user_context, "user", "")
        with (
            self._fitting
        ):  # not the lock: single questions go on beside one fit to new limits, not beside forty
            self.live.correction(limits)
        with self._lock:
            try:
                found = self.live.best(question.user, limits, question.k, context)
                names = [name for name, _ in found]
                answer = self.live.answer(question.user, names, user_context=context)
            except Unknown as error:
                raise self._unknown(error, "") from None
            left_out = self.live.left_out(len(found), question.k)
        services = [
            {"service": name, "probability": p} | self._words(answer, n) for n, (name, p) in enumerate(found)
        ]
        about = {"user": question.user, "level": self.live.about.level, "left_out": left_out}
        return about | {"judged_by": self.live.joint(limits).basis, "services": services}

    def take(self, question: Measurements) -> dict[str, Any]:
        """Keep measurements on the disk, then take them in; when this returns, they survive anything."""
        for i, one in enumerate(question.measurements):
            for name in one.values:
                if name not in self._names:
                    field = f"measurements.{i}.values.{name}"
                    raise Refused.one(422, field, f"parameters are {', '.join(self._names)}")
            for side, codes in (("user", one.user_context), ("service", one.service_context)):
                self._codes(codes, side, f"measurements.{i}.")
        with self._writing:  # answers go on while the disk is waited for
            if question.id is not None and question.id in self._seen:
                return {"taken": 0, "duplicate": True}
            measured = self._measured(question, self._codes)
            try:
                self.live.make_room(measured)  # without the lock: it leaves what is there as it is
            except BadInput as error:
                raise Refused.one(507, "measurements", str(error).removeprefix("measurements: ")) from None
            self._journal.append([self._record(question)])
            self._take(question, measured)
        return {"taken": len(question.measurements), "duplicate": False}

    def about(self) -> dict[str, Any]:
        """What the model is."""
        about = self.live.about
        return {
            "method": about.method,
            "parameters": list(about.parameters),
            "level": about.level,
            "users": len(self.live.users),
            "services": len(self.live.services),
            "contexts": sorted({*about.user_context, *about.service_context}),
            "words": about.words,
            "measurements_taken": self.live.absorbed,
        }

    def note(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        with self._counting:
            self.requests[path, status] += 1
            self._time_s += seconds
            place = sum(seconds > edge for edge in _EDGES_S)
            self._times[place] += 1

    def exposition(self) -> str:
        """Counters and gauges in Prometheus' text format."""
        with self._counting:
            return "\n".join(self._lines()) + "\n"

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "requests by path and status")
        for (path, status), count in sorted(self.requests.items()):
            yield f'qoslab_prediction_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("answer_seconds", "histogram", "time from a request to its answer, in the server")
        total = 0
        for edge, count in zip((*_EDGES_S, math.inf), self._times, strict=True):
            total += count
            label = "+Inf" if math.isinf(edge) else f"{edge:g}"
            yield f'qoslab_prediction_answer_seconds_bucket{{le="{label}"}} {total}'
        yield f"qoslab_prediction_answer_seconds_sum {self._time_s:.9g}"
        yield f"qoslab_prediction_answer_seconds_count {total}"
        for name, what, value in (
            ("measurements_taken", "measurements taken in since the model was trained", self.live.absorbed),
            ("users", "users that predictions can be asked for by id", len(self.live.users)),
            ("services", "services that predictions can be asked for by id", len(self.live.services)),
        ):
            yield from _head(name, "gauge", what)
            yield f"qoslab_prediction_{name} {value}"

    def _pair(self, pair: Pair, level: float | None, at: str) -> dict[str, Any]:
        contexts = (
            self._codes(pair.user_context, "user", at),
            self._codes(pair.service_context, "service", at),
        )
        with self._lock:
            try:
                answer = self.live.answer(pair.user, [pair.service], level, *contexts)
            except Unknown as error:
                raise self._unknown(error, at) from None
            except BadInput as error:
                raise Refused.one(422, "level", str(error).removeprefix("level: ")) from None
        ids = {"user": pair.user, "service": pair.service, "level": level or self.live.about.level}
        return ids | self._words(answer, 0)

    def _words(self, answer: Answer, place: int) -> dict[str, Any]:
        values = {
            name: {
                "value": float(answer.values[p, place]),
                "lower": float(answer.lower[p, place]),
                "upper": float(answer.upper[p, place]),
            }
            for p, name in enumerate(self._names)
        }
        return {"basis": answer.basis[place], "parameters": values}

    def _limits(self, limits: Mapping[str, Bounds]) -> Iterator[Limit]:
        for name, bounds in limits.items():
            if name not in self._names:
                raise Refused.one(422, f"limits.{name}", f"parameters are {', '.join(self._names)}")
            place = self._names.index(name)
            if bounds.at_most is not None:
                yield Limit(place, bounds.at_most, at_most=True)
            if bounds.at_least is not None:
                yield Limit(place, bounds.at_least, at_most=False)

    def _codes(
        self, context: Mapping[str, int | str] | None, side: str, at: str = ""
    ) -> dict[str, int] | None:
        """A context in codes; a word that nobody had in training is a place of its own.

        Raises:
            Refused: The model has no such kind of context, or knows it by codes alone.
        """
        if context is None:
            return None
        known, codes = self._contexts(side), {}
        for kind, place in context.items():
            field = f"{at}{side}_context.{kind}"
            if kind not in known:
                raise Refused.one(422, field, self._kinds(side))
            if isinstance(place, str) and kind not in self._number:
                raise Refused.one(
                    422, field, "the model knows it by codes, which are whole numbers, not by words"
                )
            codes[kind] = self._code(kind, place)
        return codes

    def _kinds(self, side: str) -> str:
        """What contexts a side has, in words."""
        other = "service" if side == "user" else "user"
        if known := self._contexts(side):
            return f"contexts are {', '.join(known)}"
        if known := self._contexts(other):
            return f"{side}s have no contexts; those of {other}s are {', '.join(known)}"
        return "the model has no contexts"

    def _contexts(self, side: str) -> Mapping[str, Sequence[int]]:
        about = self.live.about
        return about.user_context if side == "user" else about.service_context

    def _code(self, kind: str, place: int | str) -> int:
        """The code of a place; where a kind has words, a number is one of them, such as that of a network."""
        words = self._number.get(kind)
        return int(place) if words is None else words.get(str(place), _NOWHERE)

    def _record(self, question: Measurements) -> dict[str, Any]:
        """What is kept of a delivery: contexts as words wherever there are words."""
        record = question.model_dump(exclude_none=True)
        for one in record["measurements"]:
            for side in _CONTEXTS:
                if side in one:
                    places = one[side].items()
                    one[side] = {k: str(place) if k in self._number else place for k, place in places}
        return record

    def _kept(self, context: Mapping[str, int | str] | None, side: str) -> dict[str, int] | None:
        """The context of a kept record in codes, of what the model knows; another may have taken the record in.

        A number for a kind with words is of a version that took it as a code, and answered accordingly: it stays one,
        so that a newcomer begins at every start as he began when he was acknowledged. Since then words are kept.
        """
        if context is None:
            return None
        known = self._contexts(side)
        return {
            kind: place if isinstance(place, int) else self._number.get(kind, {}).get(place, _NOWHERE)
            for kind, place in context.items()
            if kind in known
        }

    def _unknown(self, error: Unknown, at: str) -> Refused:
        hint = f"send {error.side}_context for an answer from its context, or {{}} for that of the population"
        return Refused.one(404, f"{at}{error.side}", f"{error}; {hint}")

    def _replay(self, path: Path) -> None:
        for record in parse(path.read_bytes())[0]:
            try:
                question = Measurements.model_validate(record)
            except ValidationError as error:
                message = f"a kept measurement cannot be read: {str(error).splitlines()[0]}"
                raise BadInput(Problem(message=message, path=path, field="journal")) from None
            if question.id is None or question.id not in self._seen:  # another server may have taken it, too
                self._take(question, self._measured(question, self._kept))

    def _measured(self, question: Measurements, codes: _InCodes) -> list[Measurement]:
        return [
            Measurement(
                one.user,
                one.service,
                [one.values.get(name, math.nan) for name in self._names],
                codes(one.user_context, "user"),
                codes(one.service_context, "service"),
            )
            for one in question.measurements
        ]

    def _take(self, question: Measurements, measured: Sequence[Measurement]) -> None:
        if question.id is not None:
            self._seen.add(question.id)
        self.live.make_room(measured, acknowledged=True)
        for start in range(0, len(measured), _AT_A_TIME):
            with self._lock:
                self.live.absorb(measured[start : start + _AT_A_TIME])
            time.sleep(0)  # a lock that is taken again at once is never seen free by those who wait


def problems(error: ValidationError) -> list[dict[str, str]]:
    """What is wrong with a body, field by field."""
    return [
        {"field": ".".join(map(str, one["loc"])) or "body", "message": said(one)}
        for one in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP qoslab_prediction_{name} {what}", f"# TYPE qoslab_prediction_{name} {kind}"]
