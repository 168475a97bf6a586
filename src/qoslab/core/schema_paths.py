"""From the location in a pydantic error to the path in the data, along the validated type.

A location mixes keys of the data with the names of union branches. Only the type tells them apart, so the walk
follows pydantic's core schema; where that ends, the data decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

__all__ = ["Shape", "Step", "Trail"]

Loc = tuple[str | int, ...]
_Schema = Mapping[str, Any]
_TABLES = frozenset({"model-fields", "typed-dict", "dataclass-args"})
_LEAVES = frozenset({"literal", "str", "int", "float", "bool", "none"})
_ARRAYS = frozenset({"list", "tuple", "set", "frozenset", "generator"})


@dataclass(frozen=True)
class Step:
    """One element of a location.

    Attributes:
        part: The element.
        kind: `key` for a key or index of the data, `branch` for the name of a union's branch, `tag` for the
            value of a discriminator, which is no guess.
    """

    part: str | int
    kind: str


@dataclass(frozen=True)
class Trail:
    """Where a location leads.

    Attributes:
        steps: Its elements.
        known: The fields of the table that holds the last key, with their descriptions; empty for an open table.
    """

    steps: tuple[Step, ...]
    known: Mapping[str, str | None]

    @property
    def path(self) -> Loc:
        """Keys and indices of the data alone."""
        return tuple(step.part for step in self.steps if step.kind == "key")


class Shape:
    """The tables, arrays and unions of a type, as pydantic validates it."""

    def __init__(self, schema: CoreSchema) -> None:
        self._root: _Schema = schema
        self._definitions: dict[str, _Schema] = {}
        if self._root["type"] == "definitions":
            self._definitions = {node["ref"]: node for node in self._root["definitions"]}

    def trail(self, loc: Loc, data: Any) -> Trail:
        """Where a location leads.

        Args:
            loc: The location in a pydantic error.
            data: What was validated.
        """
        steps, known = self._walk(self._root, loc, data) or (_by_data(loc, data), {})
        return Trail(tuple(steps), known)

    def _walk(self, node: _Schema, loc: Loc, data: Any) -> tuple[list[Step], Mapping[str, str | None]] | None:
        node, cls = self._unwrapped(node)
        if not loc:
            return [], {}
        head, rest = loc[0], loc[1:]
        kind = node["type"]
        if kind in _TABLES:
            return self._walk_table(node, cls, loc, data)
        if kind == "union":
            return self._walk_union(node, loc, data)
        if kind == "tagged-union":
            choice = node["choices"].get(head)
            while isinstance(choice, str):
                choice = node["choices"].get(choice)
            return None if choice is None else _after(Step(head, "tag"), self._walk(choice, rest, data))
        if kind in _ARRAYS and isinstance(head, int):
            return _after(Step(head, "key"), self._walk(_item(node, head), rest, _below(data, head)))
        if kind == "dict" and rest != ("[key]",):
            values = node.get("values_schema", {"type": "any"})
            return _after(Step(head, "key"), self._walk(values, rest, _below(data, head)))
        return (_by_data(loc, data), {}) if kind not in _ARRAYS else None

    def _walk_table(
        self, node: _Schema, cls: Any, loc: Loc, data: Any
    ) -> tuple[list[Step], Mapping[str, str | None]] | None:
        head, rest = loc[0], loc[1:]
        fields = dict(_fields(node))
        known = {name: _description(cls, name) for name in fields}
        if not rest:
            return [Step(head, "key")], known
        if head not in fields:
            return None
        return _after(Step(head, "key"), self._walk(fields[head], rest, _below(data, head)))

    def _walk_union(
        self, node: _Schema, loc: Loc, data: Any
    ) -> tuple[list[Step], Mapping[str, str | None]] | None:
        choices = [choice[0] if isinstance(choice, tuple) else choice for choice in node["choices"]]
        step = Step(loc[0], "branch")
        if len(loc) == 1:
            return [step], {}
        # A branch is told by its class where it has one, and otherwise by being able to hold the rest.
        named = [choice for choice in choices if self._name(choice) == loc[0]]
        for choice in named or choices:
            if self._unwrapped(choice)[0]["type"] in _LEAVES:
                continue
            found = self._walk(choice, loc[1:], data)
            if found is not None:
                return _after(step, found)
        return None

    def _name(self, node: _Schema) -> str | None:
        cls = self._unwrapped(node)[1]
        return getattr(cls, "__name__", None)

    def _unwrapped(self, node: _Schema) -> tuple[_Schema, Any]:
        """The node below defaults, validators and references, and the class it makes."""
        cls: Any = None
        while True:
            kind = node["type"]
            cls = node.get("cls", cls)
            if kind == "definition-ref":
                node = self._definitions[node["schema_ref"]]
            elif kind in {"json-or-python"}:
                node = node["python_schema"]
            elif kind == "lax-or-strict":
                node = node["strict_schema"]
            elif kind == "chain":
                node = node["steps"][0]
            elif kind not in _TABLES and isinstance(node.get("schema"), Mapping):
                node = node["schema"]
            else:
                return node, cls


def _fields(node: _Schema) -> Iterator[tuple[str, _Schema]]:
    fields = node["fields"]
    named = fields.items() if isinstance(fields, Mapping) else ((field["name"], field) for field in fields)
    for name, field in named:
        alias = field.get("validation_alias")
        yield (alias if isinstance(alias, str) else name), field["schema"]


def _description(cls: Any, name: str) -> str | None:
    if isinstance(cls, type) and issubclass(cls, BaseModel):
        field = cls.model_fields.get(name)
        return field.description if field is not None else None
    if dataclasses.is_dataclass(cls):
        return next((_told_by(f.type) for f in dataclasses.fields(cls) if f.name == name), None)
    return _told_by(getattr(cls, "__annotations__", {}).get(name))


def _told_by(hint: Any) -> str | None:
    """The description in `Annotated[..., Field(description=...)]`, however deep."""
    notes = (note.description for note in getattr(hint, "__metadata__", ()) if isinstance(note, FieldInfo))
    found = next((words for words in notes if words), None)
    return found or next((words for inner in get_args(hint) if (words := _told_by(inner))), None)


def _item(node: _Schema, index: int) -> _Schema:
    items = node.get("items_schema", {"type": "any"})
    if isinstance(items, Mapping):
        return items
    variadic = node.get("variadic_item_index")
    if not items:
        return {"type": "any"}
    if variadic is not None and index >= variadic:
        return dict(items[variadic])
    return dict(items[min(index, len(items) - 1)])


def _after(
    step: Step, found: tuple[list[Step], Mapping[str, str | None]] | None
) -> tuple[list[Step], Mapping[str, str | None]] | None:
    return None if found is None else ([step, *found[0]], found[1])


def _below(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (TypeError, KeyError, IndexError):
        return getattr(data, part, None) if isinstance(part, str) else None


def _by_data(loc: Loc, data: Any) -> list[Step]:
    steps: list[Step] = []
    for number, part in enumerate(loc, 1):
        inside = (
            part in data
            if isinstance(data, dict)
            else isinstance(part, int) and isinstance(data, list | tuple)
        )
        last_of_table = number == len(loc) and isinstance(data, dict)
        if inside or last_of_table:
            steps.append(Step(part, "key"))
            data = _below(data, part)
        else:
            steps.append(Step(part, "branch"))
    return steps
