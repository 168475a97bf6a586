"""A learner's settings from the parameters of the method that holds it."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

__all__ = ["settings_of"]

T = TypeVar("T")


def settings_of(kind: type[T], method: Any) -> T:
    """Settings whose fields have the values of the method's parameters of the same names.

    Args:
        kind: A dataclass with a default for each field; fields that the method has not keep theirs.
        method: The method.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(method, name) for name in names if hasattr(method, name)})
