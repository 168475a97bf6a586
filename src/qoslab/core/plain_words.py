"""What a validation error means in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["NO_SUCH_KEY", "expected", "message_of", "said", "shown"]

NO_SUCH_KEY = "there is no such key"
"""What is said of a key that nothing knows."""

_LONGEST = 60

_KINDS = {
    "string_type": "text in quotes",
    "string_sub_type": "text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "none_required": "absent",
    "list_type": "an array",
    "tuple_type": "an array",
    "set_type": "an array",
    "frozen_set_type": "an array",
    "iterable_type": "an array",
    "dict_type": "a table",
    "mapping_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table",
    "date_type": "a date",
    "time_type": "a time",
    "datetime_type": "a date and time",
}

_LIMITS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda ctx: f"must be greater than {_limit(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_limit(ctx['ge'])}",
    "less_than": lambda ctx: f"must be less than {_limit(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_limit(ctx['le'])}",
    "multiple_of": lambda ctx: f"must be a multiple of {_limit(ctx['multiple_of'])}",
    "finite_number": lambda ctx: "must be a finite number",  # noqa: ARG005
    "string_pattern_mismatch": lambda ctx: f"must match the pattern {ctx['pattern']}",
    "string_too_short": lambda ctx: f"must have at least {_count(ctx['min_length'], 'character')}",
    "string_too_long": lambda ctx: f"must have at most {_count(ctx['max_length'], 'character')}",
}


def expected(error: Mapping[str, Any]) -> str | None:
    """What kind of value a pydantic error asks for, such as `a number`; None where the kind was right."""
    kind = error["type"]
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        ctx = error["ctx"]
        return str(ctx.get("expected") or " or ".join(ctx["expected_tags"].rsplit(", ", 1)))
    if kind == "is_instance_of":
        return f"a {error['ctx']['class']}"
    return _KINDS.get(kind)


def message_of(error: Mapping[str, Any]) -> str:
    """One plain sentence, without a full stop, for one error of pydantic's `ValidationError.errors()`."""
    kind, ctx, given = error["type"], error.get("ctx", {}), error["input"]
    wanted = expected(error)
    if wanted is not None:
        value = ctx.get("tag", given) if kind == "union_tag_invalid" else given
        return f"must be {wanted}, is {shown(value)}"
    if kind in _LIMITS:
        return f"{_LIMITS[kind](ctx)}, is {shown(given)}"
    if kind in {"too_short", "too_long"}:
        bound = "at least" if kind == "too_short" else "at most"
        size = ctx["min_length"] if kind == "too_short" else ctx["max_length"]
        return f"must have {bound} {_count(size, 'item')}, has {ctx.get('actual_length') or 'none'}"
    if kind in {"missing", "missing_argument", "missing_keyword_only_argument", "union_tag_not_found"}:
        return "is missing"
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        return NO_SUCH_KEY
    if kind in {"value_error", "assertion_error"} and "error" in ctx:
        return str(ctx["error"]).rstrip(".") or "is not valid"
    return _translated(str(error["msg"]), given)


def said(error: Mapping[str, Any]) -> str:
    """Pydantic's own message, without what it puts before the words of a validator of ours."""
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def shown(value: Any) -> str:
    """A value as one would write it in TOML, cut where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array" if value else "an empty array"
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 3] + "...")
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of more than 60 digits"
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _translated(message: str, given: Any) -> str:
    words = (
        message.replace("Input should be", "must be")
        .replace("Input should", "must")
        .replace("a valid ", "a ")
    )
    return f"{words[:1].lower()}{words[1:]}, is {shown(given)}"


def _limit(value: Any) -> str:
    """A limit as its author wrote it: pydantic turns the 0 of a float's `gt=0` into 0.0."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else shown(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
