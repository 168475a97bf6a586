"""`qoslab schema`: JSON Schema of study files, so that editors complete and check them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from pydantic import ConfigDict, TypeAdapter, create_model

from qoslab.app.output import print_json
from qoslab.core.domain import Domain
from qoslab.core.registry import registry

__all__ = ["schema", "study_schema", "whole_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFS = "#/$defs/"


def schema(domain: str | None = None, /) -> int:
    """Print the JSON Schema of study files.

    Args:
        domain: The domain's name; by default a file may be of any domain.
    """
    print_json(whole_schema() if domain is None else study_schema(registry.domain(domain)))
    return 0


def whole_schema() -> dict[str, Any]:
    """The JSON Schema of study files of every domain; the word at `study.domain` decides which one holds."""
    definitions: dict[str, Any] = {}
    names = []
    for domain in registry.domains():
        one = study_schema(domain)
        parts = one.pop("$defs")
        del one["$schema"]
        for name, part in {"": one, **parts}.items():
            definitions[_apart(domain.name, name)] = _moved(part, domain.name)
        names.append(domain.name)
    head = {"type": "object", "required": ["domain"]}
    return {
        "$schema": _DIALECT,
        "title": "qoslab study",
        "type": "object",
        "required": ["study"],
        "properties": {"study": head | {"properties": {"domain": {"enum": names}}}},
        "allOf": [
            {
                "if": {"properties": {"study": head | {"properties": {"domain": {"const": name}}}}},
                "then": {"$ref": _DEFS + _apart(name, "")},
            }
            for name in names
        ],
        "$defs": definitions,
    }


def _apart(owner: str, name: str) -> str:
    """The name of a domain's or a method's definition among those of all."""
    return f"{owner}.{name}" if name else owner


def _moved(part: Any, owner: str) -> Any:
    """A part of a domain's or a method's schema whose references lead to its own definitions."""
    if isinstance(part, dict):
        return {
            key: _DEFS + _apart(owner, value.removeprefix(_DEFS))
            if key == "$ref" and isinstance(value, str)
            else _moved(value, owner)
            for key, value in part.items()
        }
    return [_moved(each, owner) for each in part] if isinstance(part, list) else part


def study_schema(domain: Domain) -> dict[str, Any]:
    """The JSON Schema of a domain's study files.

    Every scenario value and method parameter may also be a grid, `{ grid = [...] }`.
    """
    from qoslab.study.spec import ReportTable, StudyTable

    scenario = domain.scenario_type().model_json_schema(ref_template=_DEFS + "{model}")
    definitions = {name: _with_grids(part) for name, part in scenario.pop("$defs", {}).items()}
    table = _with_grids(scenario)
    required = ["study", "scenario", "method"] if table.get("required") else ["study", "method"]
    study = StudyTable.model_json_schema()
    study["properties"]["domain"] = {"const": domain.name}
    methods = []
    for entry in registry.methods(domain.name):
        one = _method_schema(domain.name, entry.name, entry.cls, entry.summary)
        parts = one.pop("$defs", {})
        definitions |= {_apart(entry.name, name): _moved(part, entry.name) for name, part in parts.items()}
        methods.append(_moved(one, entry.name))
    return {
        "$schema": _DIALECT,
        "title": f"qoslab study, domain {domain.name}",
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {
            "study": study,
            "scenario": {"anyOf": [table, {"type": "array", "minItems": 1, "items": table}]},
            "method": {"type": "array", "minItems": 1, "items": {"anyOf": [*methods, _own_method()]}},
            "report": ReportTable.model_json_schema(),
        },
        "$defs": definitions,
    }


def _method_schema(domain: str, name: str, cls: type, summary: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        f.name: (f.type if not isinstance(f.type, str) else _hints(cls)[f.name], _default(f))
        for f in dataclasses.fields(cls)
    }
    model = create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)
    found = _with_grids(TypeAdapter(model).json_schema())
    ids = {"enum": [name, f"{domain}/{name}"]}
    found["properties"] = {"id": ids, "label": {"type": "string"}} | found.get("properties", {})
    found["required"] = ["id", *found.get("required", [])]
    return found | {"title": name, "description": summary}


def _hints(cls: type) -> dict[str, Any]:
    import typing

    return typing.get_type_hints(cls, include_extras=True)


def _default(field: dataclasses.Field[Any]) -> Any:
    return ... if field.default is dataclasses.MISSING else field.default


def _own_method() -> dict[str, Any]:
    return {
        "title": "a method of your own",
        "type": "object",
        "required": ["id", "file"],
        "properties": {"id": {"type": "string"}, "file": {"type": "string"}, "label": {"type": "string"}},
    }


def _with_grids(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of a table whose every value may also be a grid of such values."""
    if "properties" not in part:
        return part
    wider = {name: _or_grid(value) for name, value in part["properties"].items()}
    return part | {"properties": wider}


def _or_grid(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("default") in (math.inf, -math.inf):  # JSON has no word for it
        value = {key: item for key, item in value.items() if key != "default"}
    kept = {key: value[key] for key in ("title", "description", "default") if key in value}
    plain = {key: item for key, item in value.items() if key not in kept}
    grid = {
        "type": "object",
        "required": ["grid"],
        "additionalProperties": False,
        "properties": {"grid": {"type": "array", "minItems": 1, "items": plain}},
    }
    return kept | {"anyOf": [plain, grid]}
