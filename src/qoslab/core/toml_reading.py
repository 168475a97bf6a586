"""Read a TOML file, or say in one clear sentence why it cannot be read."""

from __future__ import annotations

import contextlib
import re
import tomllib
from pathlib import Path
from typing import Any

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.toml_document import Located
from qoslab.core.toml_positions import MAX_DEPTH, KeyPath, Place, ScanError, TooDeep, scan

__all__ = ["MAX_BYTES", "parse_toml", "read_toml"]

MAX_BYTES = 10_000_000
"""Largest file that is read; data belongs in data files, not in a study file."""

_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# A dotted key this long makes tomllib's time grow with the square of its length.
_LONG_KEY = re.compile(
    r"(?<![\w-])(?:(?:[A-Za-z0-9_-]++|\"(?:[^\"\\\n]++|\\[^\n])*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}"
)
_UNCLOSED = ("Unterminated", "Illegal character '\\n'", "Expected \"'")
_QUOTES = 'text in quotes ends on its line; """ begins text of several lines'
_MARKS = {
    b"\xef\xbb\xbf": "begins with a byte order mark",
    b"\xff\xfe": "is UTF-16, not UTF-8",
    b"\xfe\xff": "is UTF-16, not UTF-8",
}
_HINTS = {
    "Invalid value": "text stands in quotes, booleans are true and false, numbers are written as 1 or 1.5",
    "Expected '=' after a key in a key/value pair": "a line is `key = value`, a table begins with `[name]`",
    "Invalid statement": "a line is `key = value`, a table begins with `[name]`",
    "Invalid initial character for a key part": "keys are letters, digits, _ and -; others stand in quotes",
    "Unescaped '\\' in a string": "write \\\\ for a backslash, or put the text in single quotes",
    "Expected newline or end of document": "one `key = value` a line; numbers have no leading zeros; dates must exist",
    "Invalid hex value": "write \\\\ for a backslash, or put the text in single quotes",
}


def read_toml(path: str | Path) -> Located:
    """Read a TOML file.

    Args:
        path: A UTF-8 file of 10 MB at most.

    Returns:
        Its values, which know their places.

    Raises:
        BadInput: There is no such file, it cannot be read, is too large, is not UTF-8 or not TOML.
    """
    path = Path(path)
    return parse_toml(_decode(_bytes(path), path), path)


def parse_toml(text: str, path: Path | None = None) -> Located:
    """Read TOML from text.

    Args:
        text: The document.
        path: The file that problems shall name.

    Returns:
        Its values, which know their places.

    Raises:
        BadInput: It is not TOML, or nested more than 64 levels deep.
    """
    text = text.replace("\r\n", "\n")
    document = Located({}, text, path)
    if text.count(".") >= MAX_DEPTH and _LONG_KEY.search(text):
        _refuse_depth(document)
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        _refuse_depth(document)
        raise BadInput(Problem(message=f"is nested more than {MAX_DEPTH} levels deep", path=path)) from None
    except ValueError as error:
        raise BadInput(_syntax_problem(document, str(error))) from None
    if _is_deep(tree):
        _refuse_depth(document)
    return Located(tree, text, path)


def _bytes(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise BadInput(Problem(message="is a folder, not a file", path=path))
        if not path.exists():
            hint = did_you_mean(path.name, _siblings(path))
            raise BadInput(Problem(message="there is no such file", path=path, hint=hint))
        if not path.is_file():
            raise BadInput(Problem(message="is not a regular file", path=path))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"cannot be read: {reason}"
        raise BadInput(Problem(message=message, path=path)) from None
    if len(content) > MAX_BYTES:
        hint = "put data into a data file and name that file here"
        raise BadInput(Problem(message="is larger than 10 MB", path=path, hint=hint))
    return content


def _siblings(path: Path) -> list[str]:
    try:
        return [file.name for file in path.parent.glob("*.toml")][:1000]
    except OSError:
        return []


def _decode(content: bytes, path: Path) -> str:
    for mark, message in _MARKS.items():
        if content.startswith(mark):
            raise BadInput(
                Problem(message=message, path=path, hint="save it as UTF-8 without a byte order mark")
            )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").replace("\r\n", "\n")
        document = Located({}, before, path)
        line, column = document.line_column(len(before))
        problem = Problem(
            message=f"is not UTF-8: byte 0x{content[error.start]:02x}",
            path=path,
            line=line,
            column=column,
            quote=document.quote(len(before)),
            hint="save it as UTF-8",
        )
        raise BadInput(problem) from None


def _is_deep(tree: dict[str, Any]) -> bool:
    level: list[Any] = [tree]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for node in level:
            items = node.values() if isinstance(node, dict) else node
            deeper += [item for item in items if isinstance(item, dict | list)]
        level = deeper
    return any(level)


def _refuse_depth(document: Located) -> None:
    """Raise where the document is too deep; return where it is not, or is broken before that."""
    try:
        scan(document.text, lambda path, place: None)  # noqa: ARG005
    except TooDeep as deep:
        message = f"is nested more than {MAX_DEPTH} levels deep"
        raise BadInput(_problem(document, deep.offset, message)) from None
    except ScanError:
        return


def _syntax_problem(document: Located, words: str) -> Problem:
    text = document.text
    where = _WHERE.search(words)
    message = words[: where.start()] if where else words
    if where is None or where[1] is None:
        offset = len(text.rstrip())
    else:
        start = 0
        for _ in range(int(where[1]) - 1):
            start = text.index("\n", start) + 1
        offset = start + int(where[2]) - 1
    if message.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate")):
        return _twice(document, offset, message)
    hint = next((hint for start, hint in _HINTS.items() if message.startswith(start)), None)
    if message.startswith("Unescaped"):
        offset -= 2  # tomllib points behind the backslash and its letter
    opened = _opened(document)
    if opened is not None and message.startswith(_UNCLOSED) and text[opened] in "\"'":
        return _problem(document, opened, _lowered("The text that begins here is not closed"), _QUOTES)
    if opened is not None and "\n" in text[opened:offset]:
        hint = "what begins at line {}, column {} is not closed".format(*document.line_column(opened))
    return _problem(document, offset, _lowered(message), hint)


def _lowered(message: str) -> str:
    return f"not TOML: {message[:1].lower()}{message[1:]}"


def _opened(document: Located) -> int | None:
    """Where the array, table or text begins that nothing closes."""
    try:
        scan(document.text, lambda path, place: None)  # noqa: ARG005
    except ScanError as error:
        opens = document.text[error.offset : error.offset + 1] in tuple("[{\"'")
        return error.offset if opens else None
    return None


def _twice(document: Located, offset: int, message: str) -> Problem:
    """Name the key that tomllib met for the second time, and where it stands first."""
    seen: dict[KeyPath, int] = {}
    last: list[tuple[KeyPath, int]] = []

    def report(path: KeyPath, place: Place) -> None:
        if place.key.start < offset and isinstance(path[-1], str):
            if path in seen and place.key.start != seen[path]:
                last[:] = [(path, place.key.start)]
            seen.setdefault(path, place.key.start)

    with contextlib.suppress(ScanError):
        scan(document.text, report)
    if not last:
        return _problem(document, offset, _lowered(message))
    path, second = last[0]
    hint = "first given at line {}, column {}".format(*document.line_column(seen[path]))
    return _problem(document, second, f"{path[-1]!r} is given twice", hint)


def _problem(document: Located, offset: int, message: str, hint: str | None = None) -> Problem:
    line, column = document.line_column(offset)
    return Problem(
        message=message,
        path=document.path,
        line=line,
        column=column,
        quote=document.quote(offset),
        hint=hint,
    )
