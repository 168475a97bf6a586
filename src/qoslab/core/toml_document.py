"""A TOML document whose values know where they stand."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qoslab.core.errors import Problem
from qoslab.core.toml_positions import KeyPath, Place, scan

__all__ = ["Located", "dotted", "item_names", "problem_at"]

_LONGEST_QUOTE = 160
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Located:
    """The values of a TOML document and, when asked, the place of each.

    Places are looked up in the text when they are needed, so a document without mistakes pays nothing for
    them.

    Attributes:
        tree: The values as `tomllib` gives them.
        text: The document, with single newlines as line ends.
        path: The file; None for text from elsewhere.
        overrides: What was set from outside by key path, such as `--set scenario.load=2`; these paths and all
            below them have no place in the file.
        aliases: Where a value of a derived tree really stands, such as `scenario.load` at
            `scenario.load.grid.2`.
    """

    tree: dict[str, Any]
    text: str = field(repr=False)
    path: Path | None
    overrides: Mapping[KeyPath, str] = field(default_factory=dict)
    aliases: Mapping[KeyPath, KeyPath] = field(default_factory=dict, repr=False)

    def places(self, paths: Iterable[KeyPath]) -> dict[KeyPath, Place]:
        """The places of those paths that stand in the document, by one pass over its text."""
        wanted = set(paths)
        return self._scan(wanted) if wanted else {}

    def index(self) -> dict[KeyPath, Place]:
        """The place of every key path of the document."""
        return self._scan(None)

    def place(self, path: KeyPath) -> Place | None:
        """The place of one path; None where it is not in the document."""
        return self.places([path]).get(path)

    def line_column(self, offset: int) -> tuple[int, int]:
        """1-based line and column of an offset in the text."""
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)

    def quote(self, offset: int) -> str | None:
        """The line around an offset, made fit for a terminal; None where the offset is too far to the right."""
        start = self.text.rfind("\n", 0, offset) + 1
        if offset - start >= _LONGEST_QUOTE:
            return None
        end = self.text.find("\n", offset)
        end = len(self.text) if end < 0 else end
        line = self.text[start : min(end, start + _LONGEST_QUOTE)]
        shown = "".join(char if char.isprintable() else " " for char in line)
        return shown + " ..." if end - start > _LONGEST_QUOTE else shown

    def aliased(self, aliases: Mapping[KeyPath, KeyPath]) -> Located:
        """The same document for a derived tree, such as one case of a grid.

        Args:
            aliases: Path in the derived tree -> path in the document, for values that stand elsewhere.
        """
        return dataclasses.replace(self, aliases={**self.aliases, **aliases})

    def problem(
        self,
        path: KeyPath,
        message: str,
        *,
        hint: str | None = None,
        of: Literal["value", "key"] = "value",
    ) -> Problem:
        """A problem at a path, or at the nearest table above it that stands in the document.

        Args:
            path: What the problem is about.
            message: What is wrong, as one sentence without a full stop.
            hint: What would be right.
            of: Whether the value or its key is wrong.
        """
        return self.problems([(path, message, hint, of)])[0]

    def problems(
        self, items: Iterable[tuple[KeyPath, str, str | None, Literal["value", "key"]]]
    ) -> list[Problem]:
        """Several problems at once, each as for `problem`, by one pass over the text."""
        listed = list(items)
        # A wrong key is wrong once, however many values its grid has.
        homes = [
            path if of == "key" and path in self.aliases else self._home(path) for path, _, _, of in listed
        ]
        found = self.places(home[:n] for home in homes for n in range(1, len(home) + 1))
        return [self._problem(item, home, found) for item, home in zip(listed, homes, strict=True)]

    def _problem(
        self,
        item: tuple[KeyPath, str, str | None, Literal["value", "key"]],
        home: KeyPath,
        found: Mapping[KeyPath, Place],
    ) -> Problem:
        path, message, hint, of = item
        outside = [self.overrides[path[:n]] for n in range(len(path) + 1) if path[:n] in self.overrides]
        if outside:
            return self._problem_outside(path, message, hint, outside[-1])
        near = home
        while near and near not in found:
            near = near[:-1]
        if not near:
            return Problem(message=message, path=self.path, field=self._field(path), hint=hint)
        place = found[near]
        offset = (place.key if of == "key" and near == home else place.value).start
        line, column = self.line_column(offset)
        return Problem(
            message=message,
            path=self.path,
            line=line,
            column=column,
            quote=self.quote(offset),
            field=self._field(path),
            hint=hint,
        )

    def _problem_outside(self, path: KeyPath, message: str, hint: str | None, source: str) -> Problem:
        """A problem of a value from the command line, which names itself; what it is about only where that differs."""
        written = source.removeprefix("--set ").partition("=")[0]
        name = self._field(path)
        words = message if written in {name, dotted(path)} or name is None else f"{name}: {message}"
        return Problem(message=words, field=source, hint=hint)

    def _field(self, path: KeyPath) -> str | None:
        """The path in words; items of an array of tables by their own names, such as `method.lsq.alpha`."""
        node: Any = self.tree
        named: list[str | int] = []
        for part in path:
            name = item_names(node)[part] if isinstance(part, int) and _has(node, part) else None
            named.append(part if name is None else name)
            node = node[part] if _has(node, part) else None
        return dotted(tuple(named))

    def _home(self, path: KeyPath) -> KeyPath:
        for length in range(len(path), 0, -1):
            if path[:length] in self.aliases:
                return self.aliases[path[:length]] + path[length:]
        return path

    def _scan(self, wanted: set[KeyPath] | None) -> dict[KeyPath, Place]:
        found: dict[KeyPath, Place] = {}

        def report(path: KeyPath, place: Place) -> None:
            if wanted is not None and path not in wanted:
                return
            before = found.get(path)
            # A table's own header says more than the dotted key or the deeper header that mentioned it first.
            if before is None or (before.key == before.value and place.key != place.value):
                found[path] = place

        scan(self.text, report)
        return found


def problem_at(path: KeyPath, message: str, *, hint: str | None = None) -> Problem:
    """A problem of input that has no file: from Python."""
    return Problem(message=message, field=dotted(path), hint=hint)


def item_names(items: list[Any]) -> list[str | None]:
    """What each table of an array is called: its `label`, else its `id`; None where another one is called so."""
    names = [
        next((one[key] for key in ("label", "id") if isinstance(one.get(key), str)), None)
        if isinstance(one, Mapping)
        else None
        for one in items
    ]
    return [name if names.count(name) == 1 else None for name in names]


def _has(node: Any, part: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(part, int) and part < len(node)
    return isinstance(node, Mapping) and part in node


def dotted(path: KeyPath) -> str | None:
    """A key path in words, such as `scenario.links.0.length_km`; None for the root."""
    return ".".join(_shown(part) for part in path) or None


def _shown(part: str | int) -> str:
    word = str(part)
    if len(word) > 80:
        word = word[:77] + "..."
    return word if _BARE.fullmatch(word) else repr(word)
