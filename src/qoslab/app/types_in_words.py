"""Types of parameters for people: `float, 0 < x < 1` instead of `Annotated[float, FieldInfo(...)]`."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal, get_args, get_origin

__all__ = ["types_of", "words_of"]

_SIGNS = (("gt", "<"), ("ge", "<="), ("lt", "<"), ("le", "<="))
_OTHERS = {"min_length": "length at least", "max_length": "length at most", "multiple_of": "a multiple of"}


def types_of(cls: type) -> dict[str, str]:
    """The types of a dataclass's fields in words, by name; as the source writes them where they cannot be read."""
    written = {field.name: _name(field.type) for field in dataclasses.fields(cls)}
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:
        return written
    return {name: words_of(hints[name]) for name in written}


def words_of(annotation: Any) -> str:
    """A type with its limits in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return ", ".join([words_of(args[0]), *_limits(args[1:])])
    if origin is Literal:
        return " or ".join(repr(arg) for arg in args)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(words_of(arg) for arg in args)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return f"several of: {words_of(args[0])}"
    if origin is not None and args:
        return f"{_name(origin)} of {', '.join(words_of(arg) for arg in args)}"
    return "nothing" if annotation in {None, type(None)} else _name(annotation)


def _limits(metadata: tuple[Any, ...]) -> list[str]:
    parts = [part for item in metadata for part in (item, *getattr(item, "metadata", ()))]
    found = {key: getattr(part, key) for part in parts for key, _ in _SIGNS if hasattr(part, key)}
    found = {key: value for key, value in found.items() if value is not None}
    low = next((f"{found[key]:g} {sign} " for key, sign in _SIGNS[:2] if key in found), "")
    high = next((f" {sign} {found[key]:g}" for key, sign in _SIGNS[2:] if key in found), "")
    words = [f"{low}x{high}"] if low or high else []
    for key, text in _OTHERS.items():
        words += [f"{text} {value}" for p in parts if (value := getattr(p, key, None)) is not None]
    return words


def _name(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
