"""Grids: a table in which `{ grid = [...] }` stands for a value becomes one table for each combination."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["GridPath", "GridPoint", "expand", "grids", "label_of", "size"]

GridPath = tuple[str | int, ...]

_KEY = "grid"


@dataclass(frozen=True)
class GridPoint:
    """One combination of a table's grid values.

    Attributes:
        values: The varied values by their dotted path, such as `{"servers.count": 64}`.
        tree: The table with these values in place.
        choices: Which item of its grid each varied path has.
    """

    values: Mapping[str, Any]
    tree: dict[str, Any]
    choices: Mapping[GridPath, int]

    def aliases(self, at: GridPath) -> dict[GridPath, GridPath]:
        """Where the varied values really stand in a document whose table is at a path."""
        return {(*at, *path): (*at, *path, _KEY, index) for path, index in self.choices.items()}


def label_of(values: Mapping[str, Any]) -> str:
    """Varied values in words, such as `load=0.8, servers.count=64`: a name that stays while they do."""
    return ", ".join(f"{name}={_word(value)}" for name, value in values.items())


def expand(tree: Mapping[str, Any]) -> Iterator[GridPoint]:
    """Every combination of a table's grids, the last grid varying fastest.

    Args:
        tree: Nested tables and arrays as a TOML file holds them.

    Yields:
        One point for each combination; one point without values where the table holds no grid.
    """
    found = list(grids(tree))
    for choice in itertools.product(*(range(len(values)) for _, values in found)):
        chosen = {path: values[index] for (path, values), index in zip(found, choice, strict=True)}
        values = {".".join(map(str, path)): value for path, value in chosen.items()}
        choices = {path: index for (path, _), index in zip(found, choice, strict=True)}
        yield GridPoint(values, _filled(tree, chosen, ()), choices)


def size(tree: Mapping[str, Any]) -> int:
    """How many combinations a table's grids have."""
    return math.prod(len(values) for _, values in grids(tree))


def grids(tree: Mapping[str, Any]) -> Iterator[tuple[GridPath, list[Any]]]:
    """The grids of a table: the path of each and its values, in the order of the file."""
    for key, value in tree.items():
        yield from _grids(value, (key,))


def _grids(node: Any, path: GridPath) -> Iterator[tuple[GridPath, list[Any]]]:
    if isinstance(node, Mapping):
        if set(node) == {_KEY} and isinstance(node[_KEY], list | tuple):
            yield path, list(node[_KEY])
            return
        for key, value in node.items():
            yield from _grids(value, (*path, key))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _grids(value, (*path, index))


def _filled(node: Any, chosen: Mapping[GridPath, Any], path: GridPath) -> Any:
    if path in chosen:
        return chosen[path]
    if isinstance(node, Mapping):
        return {key: _filled(value, chosen, (*path, key)) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_filled(value, chosen, (*path, index)) for index, value in enumerate(node)]
    return node


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False)
