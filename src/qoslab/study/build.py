"""From tables to the scenarios and methods of a study; everything that is wrong with them is collected."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import KeyPath, Located, validate, validate_dataclass
from qoslab.core.method import RESERVED, MethodEntry
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed
from qoslab.core.toml_document import problem_at
from qoslab.study import userfile
from qoslab.study.cases import FromFile, Given, MethodCase, MethodSource, ScenarioCase
from qoslab.study.grid import GridPoint, expand, grids, label_of, size
from qoslab.study.spec import MethodTable, StudyTable

__all__ = ["Builder"]

MOST_CASES = 100_000
"""Combinations of grids that a study may have."""


@dataclass
class Builder:
    """Makes the cases of one study.

    Attributes:
        domain: The study's domain.
        base: The folder that paths start from.
        located: The study file; None for a study made in Python.
        table: The study's `[study]`, whose seeds scenarios are looked at with; None where it is wrong.
        problems: What is wrong so far.
    """

    domain: Domain
    base: Path
    located: Located | None = None
    table: StudyTable | None = None
    problems: list[Problem] = field(default_factory=list)
    _places: dict[str, KeyPath] = field(default_factory=dict)

    def finish(self) -> None:
        """End the building.

        Raises:
            BadInput: Anything was wrong.
        """
        if self.problems:
            order = sorted(dict.fromkeys(self.problems), key=lambda one: (one.line or 0, one.column or 0))
            raise BadInput(order)

    def blame(self, at: KeyPath, message: str, hint: str | None = None, *, key: bool = False) -> None:
        """Take note of a problem at a place."""
        if self.located is None:
            name = ".".join(map(str, at)) or None
            self.problems.append(Problem(message=message, field=name, hint=hint))
        else:
            self.problems.append(self.located.problem(at, message, hint=hint, of="key" if key else "value"))

    def scenarios(self, given: Any) -> tuple[ScenarioCase, ...]:
        """The scenarios of a study: a scenario, a table of its values, or a list of these."""
        several = isinstance(given, list | tuple)
        found: list[ScenarioCase] = []
        for number, one in enumerate(given if several else [given]):
            at: KeyPath = ("scenario", number) if several else ("scenario",)
            prefix = {"case": number} if several and len(given) > 1 else {}
            found += self._scenarios(one, at, prefix)
        if several and not given:
            self.blame(("scenario",), "needs at least one scenario")
        once = "each must be there once"
        self._refuse_repeats(
            ((case.label, ("scenario",)) for case in found), "scenarios have the values", once
        )
        return tuple(found)

    def methods(self, given: Iterable[Any]) -> tuple[MethodCase, ...]:
        """The methods of a study: tables of a file, or what `Study` takes."""
        found: list[tuple[MethodCase, KeyPath]] = []
        given = list(given)
        for number, one in enumerate(given):
            at: KeyPath = ("method", number if self.located is not None else _own_name(given, number))
            found += [(case, at) for case in self._methods(one, at)]
        if not found and not self.problems:
            self.blame(("method",), "a study needs at least one method", "begin a table with [[method]]")
        apart = 'give one of them a name of its own: label = "..."'
        self._refuse_repeats(((case.label, at) for case, at in found), "methods have the label", apart)
        for number, (case, at) in enumerate(found):
            twin = next((other for other, _ in found[:number] if other.source == case.source), None)
            if twin is not None and twin.label != case.label:
                self.blame(
                    at, f"method {case.label!r} is the same as {twin.label!r}, with the same parameters"
                )
        self._places = {case.label: at for case, at in found}
        return tuple(case for case, _ in found)

    def fit(self, scenarios: Iterable[ScenarioCase], methods: Iterable[MethodCase]) -> None:
        """Take note of what the domain finds in methods that does not fit a scenario, once for each method."""
        look = self.domain.fit_function()
        if look is None or self.problems:
            return
        scenarios = list(scenarios)
        for method in methods:
            if not isinstance(method.source, Given):
                continue
            for case in scenarios:
                found = list(look(case.scenario, method.source.method))
                for one in found:
                    inner = one.field.split(".") if one.field else []
                    place = (*self._places.get(method.label, ("method",)), *inner)
                    self.blame(place, one.message, one.hint)
                if found:
                    break

    def _scenarios(self, given: Any, at: KeyPath, prefix: dict[str, Any]) -> Iterator[ScenarioCase]:
        kind = self.domain.scenario_type()
        if isinstance(given, ScenarioCase):
            yield given
            return
        if isinstance(given, Scenario):
            if isinstance(given, kind):
                case = ScenarioCase(label_of(prefix), prefix, given)
                self._look_at(case, at, None)
                yield case
            else:
                self.blame(
                    at, f"is a {type(given).__name__}; domain {self.domain.name!r} works on {kind.__name__}"
                )
            return
        for point in self._points(given, at):
            values = {**prefix, **point.values}
            try:
                scenario = validate(
                    kind, point.tree, self._at(point, at), at, context={"base": str(self.base)}
                )
            except BadInput as error:
                self.problems += error.problems
                continue
            case = ScenarioCase(label_of(values), values, scenario)
            self._look_at(case, at, self._at(point, at))
            yield case

    def _seeds(self, label: str) -> Iterator[Seed]:
        """The seeds of a scenario's replications; none where `[study]` is wrong."""
        table = self.table
        if table is not None:
            yield from (Seed(table.seed, table.name, label, number) for number in range(table.seeds))

    def _look_at(self, case: ScenarioCase, at: KeyPath, located: Located | None) -> None:
        """Take note of what the domain finds wrong with a scenario, at its place."""
        for one in self.domain.faults(case.scenario, self._seeds(case.label)):
            if one.path is not None:
                self.problems.append(one)
                continue
            parts = (one.field or "").split(".") if one.field else []
            place = (*at, *(int(part) if part.isdecimal() else part for part in parts))
            self.problems.append(
                problem_at(place, one.message, hint=one.hint)
                if located is None
                else located.problem(place, one.message, hint=one.hint)
            )

    def _points(self, table: Any, at: KeyPath) -> Iterator[GridPoint]:
        if not isinstance(table, Mapping):
            self.blame(at, f"is {type(table).__name__}, not a table of values")
            return
        empty = [path for path, values in grids(table) if not values]
        for path in empty:
            self.blame((*at, *path), "the grid is empty", "give it at least one value")
        if empty:
            return
        if size(table) > MOST_CASES:
            self.blame(at, f"its grids have {size(table)} combinations; {MOST_CASES} is the most")
            return
        yield from expand(table)

    def _at(self, point: GridPoint, at: KeyPath) -> Located | None:
        return self.located.aliased(point.aliases(at)) if self.located and point.choices else self.located

    def _methods(self, given: Any, at: KeyPath) -> Iterator[MethodCase]:
        """The cases of one entry; with a grid there are several."""
        if isinstance(given, MethodCase):
            yield given
        elif isinstance(given, str):
            yield from self._tables({"id": given}, at)
        elif isinstance(given, tuple) and len(given) == 2:
            name, params = given
            if isinstance(name, type):
                yield from self._of_class(name, dict(params), at)
            else:
                yield from self._tables({"id": name, **params}, at)
        elif isinstance(given, type):
            yield from self._of_class(given, {}, at)
        elif isinstance(given, Mapping):
            yield from self._tables(given, at)
        elif dataclasses.is_dataclass(given) and not isinstance(given, type):
            name = self._name_of(type(given))
            yield MethodCase(name, f"{self.domain.name}/{name}", {}, Given(given))
        else:
            self.blame(
                at, f"{given!r} is no method", "give a name, (name, parameters), an instance or its class"
            )

    def _of_class(self, cls: type, params: dict[str, Any], at: KeyPath) -> Iterator[MethodCase]:
        """A method's class itself, such as one from a notebook."""
        if not dataclasses.is_dataclass(cls):
            self.blame(at, f"{cls.__name__} is no dataclass", "decorate it with @dataclass(frozen=True)")
            return
        for point in self._points(params, at):
            source = self._given(cls, point.tree, at, self._at(point, at))
            if source is not None:
                yield self._case(self._name_of(cls), None, point.values, source)

    def _tables(self, table: Mapping[str, Any], at: KeyPath) -> Iterator[MethodCase]:
        for point in self._points(table, at):
            located = self._at(point, at)
            try:
                head = validate(
                    MethodTable, {k: v for k, v in point.tree.items() if k in RESERVED}, located, at
                )
            except BadInput as error:
                self.problems += error.problems
                continue
            params = {key: value for key, value in point.tree.items() if key not in RESERVED}
            name = head.id.removeprefix(f"{self.domain.name}/")
            source = (
                self._from_file(head.file, name, params, at)
                if head.file
                else self._known(name, params, at, located)
            )
            if source is not None:
                varied = {key: value for key, value in point.values.items() if key not in RESERVED}
                yield self._case(name, head.label, varied, source)

    def _case(
        self, name: str, label: str | None, varied: Mapping[str, Any], source: MethodSource
    ) -> MethodCase:
        stem = label or name
        return MethodCase(
            f"{stem}({label_of(varied)})" if varied else stem, f"{self.domain.name}/{name}", varied, source
        )

    def _known(self, name: str, params: dict[str, Any], at: KeyPath, located: Located | None) -> Given | None:
        try:
            entry = registry.method(self.domain.name, name)
        except BadInput as error:
            for problem in error.problems:
                hint = problem.hint or f"`qoslab list {self.domain.name}` shows them all"
                self.blame((*at, "id"), problem.message, hint)
            return None
        return self._given(entry.cls, params, at, located)

    def _given(self, cls: type, params: dict[str, Any], at: KeyPath, located: Located | None) -> Given | None:
        if hasattr(cls, "train"):
            self._find_weights(params, at)
        try:
            return Given(validate_dataclass(cls, params, located, at))
        except BadInput as error:
            self.problems += error.problems
            return None

    def _from_file(self, file: str, name: str, params: dict[str, Any], at: KeyPath) -> FromFile | None:
        """A method of the user's own: its file is looked at, not executed, so parameters are checked later."""
        path = (self.base / file).expanduser().resolve()
        found = userfile.look_at(path, name)
        for problem in found:
            if problem.path is None:
                self.blame((*at, "file"), problem.message)
            else:
                self.problems.append(problem)
        if found:
            return None
        weights = params.get("weights")
        if isinstance(weights, str) and (self.base / weights).is_file():
            params["weights"] = str((self.base / weights).resolve())
        return FromFile(path, self.domain.name, name, params)

    def _find_weights(self, params: dict[str, Any], at: KeyPath) -> None:
        named = params.get("weights")
        if not isinstance(named, str) or named in {"builtin", "train"}:
            return
        path = (self.base / named).expanduser().resolve()
        if path.is_file():
            params["weights"] = str(path)
        else:
            self.blame(
                (*at, "weights"), f"there is no file {named!r}", "`builtin`, `train`, or a safetensors file"
            )

    def _name_of(self, cls: type) -> str:
        """A class's registered name; its own name where it was never registered."""
        entry = next((e for e in registry.methods(self.domain.name) if _is_of(e, cls)), None)
        return entry.name if entry else cls.__name__

    def _refuse_repeats(self, names: Iterable[tuple[str, KeyPath]], words: str, hint: str) -> None:
        seen: set[str] = set()
        for name, at in names:
            if name in seen:
                self.blame(at, f"two {words} {name!r}", hint)
            seen.add(name)


def _own_name(given: Sequence[Any], number: int) -> str | int:
    """What a method from Python is called in messages: its name, or its number where another one has that name."""
    names = [one[0] if isinstance(one, tuple) and one else one for one in given]
    names = [name.get("label", name.get("id")) if isinstance(name, Mapping) else name for name in names]
    name = names[number]
    return name if isinstance(name, str) and names.count(name) == 1 else number


def _is_of(entry: MethodEntry, cls: type) -> bool:
    return (entry.cls.__module__, entry.cls.__qualname__) == (cls.__module__, cls.__qualname__)
