"""Typed input with errors that name file, line and column.

`read_toml` gives a document whose values know their places; `validate` and `validate_dataclass` turn its tables
into frozen models and methods, and name everything that is wrong with them at once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NotRequired, Required, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, SchemaValidator
from typing_extensions import TypedDict

from qoslab.core.errors import BadInput, Problem
from qoslab.core.schema_paths import Shape
from qoslab.core.toml_document import Located, problem_at
from qoslab.core.toml_overrides import set_value, with_overrides
from qoslab.core.toml_positions import KeyPath, Place, Span
from qoslab.core.toml_reading import parse_toml, read_toml
from qoslab.core.validation_problems import Finding, findings

__all__ = [
    "KeyPath",
    "Located",
    "Place",
    "Span",
    "parse_toml",
    "problems_of",
    "read_toml",
    "set_value",
    "validate",
    "validate_dataclass",
    "with_overrides",
]

MAX_PROBLEMS = 200
"""More problems than this are counted, not listed."""

_M = TypeVar("_M", bound=BaseModel)
_D = TypeVar("_D")


def validate(
    model: type[_M],
    values: Mapping[str, Any],
    located: Located | None = None,
    at: KeyPath = (),
    *,
    context: Mapping[str, Any] | None = None,
) -> _M:
    """Make a model from a table.

    Args:
        model: The type.
        values: The table: of a document, derived from one, or from Python.
        located: The document it comes from; None for values from Python.
        at: Where the table stands in the document.
        context: Handed to the model's validators, such as `{"base": folder}` for `InputFile`.

    Raises:
        BadInput: Values are wrong; carries all problems, sorted by their place.
    """
    try:
        return model.model_validate(_plain(values), context=None if context is None else dict(context))
    except ValidationError as error:
        raise BadInput(problems_of(error, model, values, located, at)) from None


def validate_dataclass(
    cls: type[_D], values: Mapping[str, Any], located: Located | None = None, at: KeyPath = ()
) -> _D:
    """Make a frozen dataclass, such as a method, from a table of its fields.

    Types are strict: no text becomes a number and no boolean an integer, but an integer may stand for a float.
    Arrays become tuples, unless the field is declared as a list. Constraints stand in the annotation, as in
    `Annotated[float, Field(gt=0)]`.

    Args:
        cls: The dataclass.
        values: Its fields by name.
        located: The document they come from; None for values from Python.
        at: Where their table stands in the document.

    Raises:
        BadInput: Values are wrong; carries all problems, sorted by their place.
        TypeError: An annotation of the dataclass cannot be understood.
    """
    kind: Any = cls
    validator, shape, lists = _validator(kind)
    table = {key: _plain(item, tuples=key not in lists) for key, item in values.items()}
    try:
        fields = validator.validate_python(table)
    except ValidationError as error:
        raise BadInput(_problems(findings(error, shape, table), located, at)) from None
    try:
        return cls(**fields)
    except (ValueError, ArithmeticError) as error:
        message = str(error).rstrip(".") or "is not valid"
        raise BadInput(_problems([Finding((), message)], located, at)) from None


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    values: Mapping[str, Any],
    located: Located | None = None,
    at: KeyPath = (),
) -> list[Problem]:
    """The problems that a validation error tells of.

    Args:
        error: What pydantic raised.
        model: The type that was validated.
        values: What was validated.
        located: The document it comes from; None for values from Python.
        at: Where the values stand in the document.

    Returns:
        One problem for each thing that is wrong, sorted by place, without repeats. Of a union only the branch
        that was meant is spoken of.
    """
    return _problems(findings(error, _shape(model), values), located, at)


def _problems(found: list[Finding], located: Located | None, at: KeyPath) -> list[Problem]:
    rest = len(found) - MAX_PROBLEMS
    found = found[:MAX_PROBLEMS]
    if located is None:
        problems = [problem_at((*at, *item.path), item.message, hint=item.hint) for item in found]
    else:
        problems = located.problems(
            ((*at, *item.path), item.message, item.hint, "key" if item.of_key else "value") for item in found
        )
    problems = sorted(dict.fromkeys(problems), key=lambda one: (one.line or 0, one.column or 0))
    if rest > 0:
        problems.append(Problem(message=f"and {rest} more problems", path=located.path if located else None))
    return problems


@functools.lru_cache(maxsize=256)
def _shape(model: type[BaseModel]) -> Shape:
    return Shape(TypeAdapter(model).core_schema)


@functools.lru_cache(maxsize=512)
def _validator(cls: Any) -> tuple[SchemaValidator, Shape, frozenset[str]]:
    """A validator of a dataclass's fields, its shape, and the fields whose arrays stay lists."""
    try:
        hints = get_type_hints(cls, include_extras=True)
    except (NameError, AttributeError, TypeError) as error:
        message = f"{cls.__module__}.{cls.__qualname__}: an annotation cannot be resolved: {error}"
        raise TypeError(message) from None
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.init:
            needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            hint: Any = hints[field.name]
            fields[field.name] = Required[hint] if needed else NotRequired[hint]
    # A TypedDict, unlike a model, takes any field name and does not look at the dataclass's defaults.
    make: Any = TypedDict
    table = make(cls.__name__, fields)
    table.__pydantic_config__ = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
    )
    try:
        schema: CoreSchema = _tables_for_dataclasses(TypeAdapter[Any](table).core_schema)
    except PydanticUserError as error:
        message = f"{cls.__module__}.{cls.__qualname__}: {str(error).splitlines()[0]}"
        raise TypeError(message) from None
    return (
        SchemaValidator(schema),
        Shape(schema),
        frozenset(name for name in fields if _has_list(hints[name])),
    )


def _tables_for_dataclasses(node: Any) -> Any:
    """The same schema where a table may stand for a dataclass, which strict types alone do not allow."""
    if isinstance(node, dict):
        loose = {"strict": False} if node.get("type") == "dataclass" else {}
        return {key: _tables_for_dataclasses(item) for key, item in node.items()} | loose
    return [_tables_for_dataclasses(item) for item in node] if isinstance(node, list) else node


def _has_list(hint: Any) -> bool:
    return hint is list or get_origin(hint) is list or any(_has_list(inner) for inner in get_args(hint))


def _plain(value: Any, *, tuples: bool = False) -> Any:
    """The same value without numpy's scalars and, if asked, with tuples for lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item, tuples=tuples) for key, item in value.items()}
    if isinstance(value, list | tuple) and type(value) in {list, tuple}:
        items = [_plain(item, tuples=tuples) for item in value]
        return tuple(items) if tuples or isinstance(value, tuple) else items
    return value.item() if isinstance(value, np.generic) else value
