"""Values set from the command line, as in `--set scenario.load=0.9`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.toml_document import Located, item_names
from qoslab.core.toml_positions import KeyPath, ScanError, key_parts, value_end
from qoslab.core.toml_reading import parse_toml

__all__ = ["parse_value", "set_value", "with_overrides"]


def with_overrides(located: Located, overrides: Mapping[str, str]) -> Located:
    """A document with some values set from outside.

    Args:
        located: The document; it is not changed.
        overrides: Text of each value by its dotted key, as in `{"scenario.load": "0.9"}`. A text that is a TOML
            value counts as that value, any other as a string.

    Returns:
        The document with the new values; problems at these are named as `--set key=value`.

    Raises:
        BadInput: A key leads nowhere, or a value begins like TOML and is not; carries all problems.
    """
    tree = located.tree
    sources = dict(located.overrides)
    problems: list[Problem] = []
    for key, text in overrides.items():
        try:
            tree, path = _set(tree, key, parse_value(text, source := _source(key, text)), source)
        except BadInput as error:
            problems += error.problems
        else:
            sources[path] = source
    if problems:
        raise BadInput(problems)
    return dataclasses.replace(located, tree=tree, overrides=sources)


def set_value(tree: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a tree with one value set.

    Tables on the way are made where they are missing, unless the tree has a table of nearly that name; the item
    of an array must exist.

    Args:
        tree: Tables, arrays and values.
        key: Where, as in `method.0.alpha` or, by the table's label or id, `method.lsq.alpha`; parts that are no bare
            TOML keys stand in quotes.
        value: The new value.

    Raises:
        BadInput: The key leads nowhere.
    """
    return _set(tree, key, value, _source(key, str(value)))[0]


def parse_value(text: str, source: str | None = None) -> Any:
    """The TOML value that a text is, or the text itself.

    Raises:
        BadInput: The text begins like an array, a table or a quoted string, and is none.
    """
    text = text.strip()
    prefix = "value = "
    try:
        if value_end(text, 0) == len(text):
            return parse_toml(prefix + text).tree["value"]
    except (BadInput, ScanError):
        pass
    if text.startswith(("[", "{", '"', "'")):
        hint = "arrays are [1, 2], tables { key = 1 }, text may stand without quotes"
        raise BadInput(Problem(message="the value is not TOML", field=source, hint=hint))
    return text


def _source(key: str, text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in f"--set {key}={text}")
    return shown if len(shown) <= 160 else shown[:157] + "..."


def _set(tree: Mapping[str, Any], key: str, value: Any, source: str) -> tuple[dict[str, Any], KeyPath]:
    parts = _parts(key, source)
    copy: dict[str, Any] = deepcopy(dict(tree))
    node: Any = copy
    path: list[str | int] = []
    for number, part in enumerate(parts):
        slot = _slot(node, part, path, source)
        path.append(slot)
        if number == len(parts) - 1:
            node[slot] = value
        elif isinstance(node, dict) and slot not in node:
            if get_close_matches(part, map(str, node), cutoff=0.75):
                message = f"there is no {part!r}"
                raise BadInput(
                    Problem(message=message, field=source, hint=did_you_mean(part, map(str, node)))
                )
            node[slot] = {}
        node = node[slot]
    return copy, tuple(path)


def _parts(key: str, source: str) -> list[str]:
    try:
        parts, end = key_parts(key, 0)
    except ScanError:
        parts, end = [], -1
    if end != len(key):
        hint = "write a key as in scenario.load or method.jsq.d; what is no plain word stands in quotes"
        raise BadInput(Problem(message="this is not a key", field=source, hint=hint))
    return [word for word, _ in parts]


def _slot(node: Any, part: str, path: list[str | int], source: str) -> str | int:
    if isinstance(node, dict):
        return part
    name = ".".join(str(item) for item in path)
    if not isinstance(node, list | tuple):
        raise BadInput(Problem(message=f"{name!r} is a value, not a table", field=source))
    names = item_names(list(node))
    if part in names:
        return names.index(part)
    if part.isdecimal() and len(part) < 10 and int(part) < len(node):
        return int(part)
    if any(isinstance(one, Mapping) and part in (one.get("label"), one.get("id")) for one in node):
        message = f"several tables of {name!r} are {part!r}"
        hint = f"give each a label of its own, or name its number: {name}.0 is the first"
        raise BadInput(Problem(message=message, field=source, hint=hint))
    if any(names) and not part.isdecimal():
        message = f"there is no {name} {part!r}"
        raise BadInput(Problem(message=message, field=source, hint=did_you_mean(part, filter(None, names))))
    hint = f"its items are 0 to {len(node) - 1}" if node else "it is empty"
    raise BadInput(Problem(message=f"{name!r} is an array without item {part!r}", field=source, hint=hint))
