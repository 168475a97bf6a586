"""A study file with every field explained, written from the scenario's own types."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from inspect import isclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from qoslab.core.domain import Domain
from qoslab.core.registry import registry

__all__ = ["study_template", "toml_value"]


def study_template(domain: Domain) -> str:
    """The text of a study file of a domain that runs as it stands and explains every field.

    Values come from the domain's quick-start study where it has one, else from its example scenario. Fields at
    their default stand as comments.
    """
    from qoslab.study.spec import ReportTable, StudyTable

    given = _starting_values(domain)
    lines = [
        f"# A study of {domain.name}: {domain.summary}.",
        "# Check it with `qoslab check`, run it with `qoslab run`.",
    ]
    lines += ["", "[study]", *_fields(StudyTable, given["study"])]
    lines += ["", "# The world to work in. { grid = [1, 2] } may stand for any value.", "[scenario]"]
    lines += _fields(domain.scenario_type(), given["scenario"])
    lines += [line for table in given["method"] for line in _method(table)]
    others = ", ".join(entry.name for entry in registry.methods(domain.name))
    lines += [
        "",
        f"# Methods of this domain: {others}.",
        f"# `qoslab describe {domain.name}/NAME` explains one.",
    ]
    hint = f" (`qoslab new {domain.name} --method`)" if domain.skeleton else ""
    lines += [f'# A method of your own: id = "mine" and file = "mine.py"{hint}.']
    lines += ["", "[report]", *_fields(ReportTable, given["report"])]
    return "\n".join(lines) + "\n"


def toml_value(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, BaseModel):
        return toml_value(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        # TOML has no word for nothing: a key that is left out has it.
        given = ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items() if item is not None)
        return f"{{ {given} }}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _starting_values(domain: Domain) -> dict[str, Any]:
    path = domain.quickstart_path()
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    names = [domain.baseline, *(e.name for e in registry.methods(domain.name) if e.name != domain.baseline)]
    return {
        "study": {"name": domain.name, "domain": domain.name, "seeds": 20} | found.get("study", {}),
        "scenario": found.get("scenario") or domain.example_scenario().model_dump(exclude_unset=True),
        "method": found.get("method") or [{"id": name} for name in names[:3]],
        "report": {"metric": domain.metrics[0].name, "baseline": domain.baseline} | found.get("report", {}),
    }


def _method(table: Mapping[str, Any]) -> list[str]:
    return ["", "[[method]]", *(f"{key} = {toml_value(value)}" for key, value in table.items())]


def _fields(model: type[BaseModel], given: Mapping[str, Any]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield from _wrapped(field.description or name)
        yield from _choices(field)
        if name in given:
            yield f"{name} = {toml_value(given[name])}"
        else:
            yield f"# {name} = {_default(field)}"


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "..."
    if isinstance(value, BaseModel):
        return toml_value(value.model_dump())
    return toml_value(value)


def _choices(field: FieldInfo) -> Iterator[str]:
    """The tables that may stand for a field, each on its line with its fields and what they mean."""
    models = list(dict.fromkeys(_models(field.annotation)))
    for model in models:
        inner = ", ".join(f"{name} = {_sketch(part)}" for name, part in model.model_fields.items())
        yield f"#   {{ {inner} }}"
        for name, part in model.model_fields.items():
            if part.description:
                yield from _wrapped(f"{name}: {part.description}", indent="#     ")


def _sketch(field: FieldInfo) -> str:
    text = _default(field)
    if text != "...":
        return text
    options = getattr(field.annotation, "__args__", ())
    return json.dumps(options[0]) if options and isinstance(options[0], str) else "..."


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _wrapped(text: str, indent: str = "# ") -> list[str]:
    import textwrap

    return textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent)
