"""JSON whose large arrays remember the line of every element, so that an error can name it."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection
from itertools import accumulate
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from typing import Any

__all__ = ["JsonError", "Located", "parse_object"]


class JsonError(Exception):
    """Text that is no JSON, with the line where that shows."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Located(list[Any]):
    """An array with the 1-based line of each element in `lines`."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def _no_constant(word: str) -> Any:
    message = f"{word} is no JSON number"
    raise ValueError(message)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.breaks = list(accumulate(len(line) + 1 for line in text.split("\n")))
        self.decoder = json.JSONDecoder(parse_constant=_no_constant)

    def line(self, at: int) -> int:
        return bisect_right(self.breaks, at) + 1

    def error(self, message: str, at: int) -> JsonError:
        return JsonError(message, self.line(min(at, len(self.text))))

    def blank(self, at: int) -> int:
        return int(WHITESPACE.match(self.text, at).end())

    def sign(self, at: int, wanted: str) -> str:
        found = self.text[at : at + 1]
        if not found or found not in wanted:
            what = "the file ends" if not found else f"{found!r} stands"
            message = f"{what} where {' or '.join(wanted)} should stand"
            raise self.error(message, at)
        return found

    def value(self, at: int) -> tuple[Any, int]:
        try:
            found, end = self.decoder.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            raise self.error(error.msg, error.pos) from None
        except RecursionError:
            message = "nests too deeply"
            raise self.error(message, at) from None
        except ValueError as error:
            raise self.error(str(error), at) from None
        return found, self.blank(end)

    def array(self, at: int) -> tuple[Located, int]:
        found = Located()
        at = self.blank(at + 1)
        if self.text[at : at + 1] == "]":
            return found, self.blank(at + 1)
        while True:
            found.lines.append(self.line(at))
            element, at = self.value(at)
            found.append(element)
            if self.sign(at, ",]") == "]":
                return found, self.blank(at + 1)
            at = self.blank(at + 1)

    def object(self, arrays: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = self.blank(0)
        self.sign(at, "{")
        at = self.blank(at + 1)
        while self.text[at : at + 1] != "}":
            self.sign(at, '"')
            key, after = self.value(at)
            self.sign(after, ":")
            start = self.blank(after + 1)
            if key in found:
                message = f"the key {key!r} stands twice"
                raise self.error(message, at)
            is_array = key in arrays and self.text[start : start + 1] == "["
            found[key], at = self.array(start) if is_array else self.value(start)
            if self.sign(at, ",}") == ",":
                at = self.blank(at + 1)
                self.sign(at, '"')
        end = self.blank(at + 1)
        if end < len(self.text):
            message = "something follows the closing brace"
            raise self.error(message, end)
        return found


def parse_object(text: str, arrays: Collection[str]) -> dict[str, Any]:
    """Parse a JSON object; those of its arrays that are named keep their elements' lines.

    Args:
        text: The whole file.
        arrays: Keys of the outer object whose arrays become `Located`.

    Raises:
        JsonError: With the line.
    """
    return _Parser(text).object(arrays)
