"""`qoslab schema`: JSON Schema of study files, so that editors complete and check them."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import ConfigDict, TypeAdapter, create_model

from qoslab.app.output import print_json
from qoslab.core.domain import Domain
from qoslab.core.registry import registry

__all__ = ["schema", "study_schema"]


def schema(domain: str, /) -> int:
    """Print the JSON Schema of the study files of a domain.

    Args:
        domain: The domain's name.
    """
    print_json(study_schema(registry.domain(domain)))
    return 0


def study_schema(domain: Domain) -> dict[str, Any]:
    """The JSON Schema of a domain's study files.

    Every scenario value and method parameter may also be a grid, `{ grid = [...] }`.
    """
    from qoslab.study.spec import ReportTable, StudyTable

    scenario = domain.scenario_type().model_json_schema(ref_template="#/$defs/{model}")
    definitions = {name: _with_grids(part) for name, part in scenario.pop("$defs", {}).items()}
    study = StudyTable.model_json_schema()
    study["properties"]["domain"] = {"const": domain.name}
    methods = [
        _method_schema(entry.name, entry.cls, entry.summary) for entry in registry.methods(domain.name)
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"qoslab study, domain {domain.name}",
        "type": "object",
        "additionalProperties": False,
        "required": ["study", "scenario", "method"],
        "properties": {
            "study": study,
            "scenario": _with_grids(scenario),
            "method": {"type": "array", "minItems": 1, "items": {"anyOf": [*methods, _own_method()]}},
            "report": ReportTable.model_json_schema(),
        },
        "$defs": definitions,
    }


def _method_schema(name: str, cls: type, summary: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        f.name: (f.type if not isinstance(f.type, str) else _hints(cls)[f.name], _default(f))
        for f in dataclasses.fields(cls)
    }
    model = create_model(name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)
    found = _with_grids(TypeAdapter(model).json_schema())
    found["properties"] = {"id": {"const": name}, "label": {"type": "string"}} | found.get("properties", {})
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
    kept = {key: value[key] for key in ("title", "description", "default") if key in value}
    plain = {key: item for key, item in value.items() if key not in kept}
    grid = {
        "type": "object",
        "required": ["grid"],
        "additionalProperties": False,
        "properties": {"grid": {"type": "array", "minItems": 1, "items": plain}},
    }
    return kept | {"anyOf": [plain, grid]}
