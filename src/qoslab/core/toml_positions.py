"""Where each key and value of a TOML document stands.

The standard library's `tomllib` gives values without positions. This scanner gives positions without values:
it follows the grammar of TOML 1.0, trusts that `tomllib` has accepted the document, and reports each place as
it passes it. Nothing is kept, so looking up a few places in a large file costs time but no memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["MAX_DEPTH", "KeyPath", "Place", "ScanError", "Span", "TooDeep", "key_parts", "scan", "value_end"]

KeyPath = tuple[str | int, ...]
"""Keys of tables and indices of arrays, from the root to a value."""

MAX_DEPTH = 64
"""Longest key path that is read; deeper documents are mistakes or attacks."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the document's text: `text[start:end]`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where one key path stands.

    Attributes:
        key: The last part of the key; for the item of an array, the item itself.
        value: The value; for a table with a header, the header; for a table that only dotted keys make, the
            first of those keys.
        keyed: Whether the value follows its key, as in `key = value`, or is an item of an array.
    """

    key: Span
    value: Span
    keyed: bool = True


class ScanError(Exception):
    """The text is not TOML from here on."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(offset)


class TooDeep(ScanError):
    """A key path is longer than `MAX_DEPTH`."""


Report = Callable[[KeyPath, Place], None]

_BLANK = re.compile(r"[ \t]*+")
_TRIVIA = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY = re.compile(r"""([A-Za-z0-9_-]++)|("(?:[^"\\\n]++|\\[^\n])*+")|('[^'\n]*+')""")
_SCALAR = re.compile(
    r'"""(?:[^"\\]++|\\[\s\S]|"(?!""))*+"{3,5}'
    r"|'''(?:[^']++|'(?!''))*+'{3,5}"
    r'|"(?!"")(?:[^"\\\n]++|\\[^\n])*+"'
    r"|'(?!'')[^'\n]*+'"
    r"|\d{4}-\d\d-\d\d[ Tt]\d\d:[^\s,\]}#]*+"
    r"""|[^\s,\[\]{}#"'=]++"""
)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\]))')
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code is None:
        return _SHORT[match[3]]
    point = int(code, 16)
    return chr(point) if point <= 0x10FFFF else match[0]


def key_parts(text: str, start: int) -> tuple[list[tuple[str, Span]], int]:
    """The parts of the dotted key at `start`, each with its span, and the offset behind the key.

    Raises:
        ScanError: There is no key here.
        TooDeep: The key has more than `MAX_DEPTH` parts.
    """
    parts: list[tuple[str, Span]] = []
    while True:
        match = _KEY.match(text, start)
        if match is None:
            raise ScanError(start)
        word = match[0]
        if match[2]:
            word = _ESCAPE.sub(_unescape, word[1:-1])
        elif match[3]:
            word = word[1:-1]
        parts.append((word, Span(*match.span())))
        if len(parts) > MAX_DEPTH:
            raise TooDeep(match.start())
        dot = _skip(_BLANK, text, match.end())
        if not text.startswith(".", dot):
            return parts, match.end()
        start = _skip(_BLANK, text, dot + 1)


def value_end(text: str, start: int) -> int:
    """The offset behind the value that begins at `start`.

    Raises:
        ScanError: There is no value here.
    """
    return _Scanner(text, lambda path, place: None)._value(start, (), None)  # noqa: ARG005


def scan(text: str, report: Report) -> None:
    """Report the place of every key path of a document, in the order of the text.

    A path is reported again where the document says more about it, as when a header follows the dotted keys
    that made its table first.

    Args:
        text: A document that `tomllib` accepts, with single newlines as line ends.
        report: Called with each path and its place.

    Raises:
        ScanError: The text is not TOML.
        TooDeep: A path is longer than `MAX_DEPTH`.
    """
    _Scanner(text, report).document()


def _skip(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return start if match is None else match.end()


class _Scanner:
    def __init__(self, text: str, report: Report) -> None:
        self.text = text
        self.report = report
        self.tables: dict[KeyPath, int] = {}  # number of tables so far in each array of tables

    def document(self) -> None:
        table: KeyPath = ()
        at = _skip(_TRIVIA, self.text, 0)
        while at < len(self.text):
            if self.text[at] == "[":
                table, at = self._header(at)
            else:
                at = self._pair(at, table)
            at = _skip(_TRIVIA, self.text, at)

    def _header(self, start: int) -> tuple[KeyPath, int]:
        double = self.text.startswith("[[", start)
        parts, at = key_parts(self.text, _skip(_BLANK, self.text, start + 1 + double))
        at = self._expect("]]" if double else "]", _skip(_BLANK, self.text, at))
        whole = Span(start, at)
        path: KeyPath = ()
        for number, (word, span) in enumerate(parts, 1):
            path = self._deeper(path, word, span.start)
            last = number == len(parts)
            self.report(path, Place(span, whole if last else span))
            if last and double:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path = self._deeper(path, self.tables[path] - 1, span.start)
                if last:
                    self.report(path, Place(span, whole))
        return path, at

    def _pair(self, start: int, table: KeyPath) -> int:
        parts, at = key_parts(self.text, start)
        at = self._expect("=", _skip(_BLANK, self.text, at))
        path = table
        for word, span in parts[:-1]:
            path = self._deeper(path, word, span.start)
            self.report(path, Place(span, span))
        word, span = parts[-1]
        return self._value(_skip(_BLANK, self.text, at), self._deeper(path, word, span.start), span)

    def _value(self, start: int, path: KeyPath, key: Span | None) -> int:
        first = self.text[start : start + 1]
        if first == "[":
            end = self._array(start, path)
        elif first == "{":
            end = self._inline_table(start, path)
        else:
            end = _skip(_SCALAR, self.text, start)
            if end == start:
                raise ScanError(start)
        whole = Span(start, end)
        self.report(path, Place(key or whole, whole, keyed=key is not None))
        return end

    def _array(self, start: int, path: KeyPath) -> int:
        at = _skip(_TRIVIA, self.text, start + 1)
        index = 0
        while not self.text.startswith("]", at):
            at = self._value(at, self._deeper(path, index, at), None)
            at = self._separator(_skip(_TRIVIA, self.text, at), "]", start)
            at = _skip(_TRIVIA, self.text, at)
            index += 1
        return at + 1

    def _inline_table(self, start: int, path: KeyPath) -> int:
        at = _skip(_BLANK, self.text, start + 1)
        while not self.text.startswith("}", at):
            at = self._pair(at, path)
            at = self._separator(_skip(_BLANK, self.text, at), "}", start)
            at = _skip(_BLANK, self.text, at)
        return at + 1

    def _separator(self, at: int, close: str, opened: int) -> int:
        if self.text.startswith(",", at):
            return at + 1
        if self.text.startswith(close, at):
            return at
        raise ScanError(opened)

    def _expect(self, token: str, at: int) -> int:
        if not self.text.startswith(token, at):
            raise ScanError(at)
        return at + len(token)

    def _deeper(self, path: KeyPath, part: str | int, at: int) -> KeyPath:
        if len(path) >= MAX_DEPTH:
            raise TooDeep(at)
        return (*path, part)
