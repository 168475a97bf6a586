"""`--set a.b=value` as overrides of a study file."""

from __future__ import annotations

from collections.abc import Iterable

from qoslab.core.errors import BadInput, Problem

__all__ = ["overrides"]


def overrides(settings: Iterable[str]) -> dict[str, str]:
    """The settings by dotted name.

    Args:
        settings: Texts of the form `a.b=value`.

    Raises:
        BadInput: A text has another form.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            problems.append(Problem(message=f"--set {setting}: not of the form name=value"))
        found[name.strip()] = value.strip()
    if problems:
        raise BadInput(problems)
    return found
