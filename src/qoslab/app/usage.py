"""What is wrong with the words of a command line, in one plain sentence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts import CycloptsError

__all__ = ["usage_message"]

_KINDS = {float: "a number", int: "a whole number", Path: "a path", bool: "true or false"}


def usage_message(error: CycloptsError) -> str:
    """The sentence, without a full stop.

    Args:
        error: What the command-line library found.
    """
    from cyclopts.exceptions import CoercionError, MissingArgumentError, UnusedCliTokensError

    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        words = error.unused_tokens
        return f"unexpected word{'s' if len(words) > 1 else ''}: {' '.join(map(repr, words))}"
    if type(error) is MissingArgumentError and error.argument is not None:
        return _missing(error)
    if isinstance(error, CoercionError) and error.msg is None and error.target_type in _KINDS and error.token:
        name = error.token.keyword or _name(error.argument)
        return f"{name} must be {_KINDS[error.target_type]}, is {error.token.value!r}"
    message = " ".join(str(error).split()).rstrip(".")
    return message[:1].lower() + message[1:]


def _missing(error: Any) -> str:
    name = _name(error.argument)
    given = error.keyword or next((token.keyword for token in error.argument.tokens if token.keyword), None)
    return f"{given} needs a value" if given else f"{name} is missing"


def _name(argument: Any) -> str:
    """An option as it is typed; what may stand in its place, without a name, as the help shows it."""
    name = str(argument.name) if argument is not None else "the value"
    if name.startswith("-") and getattr(argument, "index", None) is None:
        return name
    return name.lstrip("-").upper().replace("-", "_")
