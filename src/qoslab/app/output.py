"""How commands print: aligned text for people, JSON for scripts."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qoslab.core.columns import aligned

__all__ = [
    "default_in_words",
    "described",
    "duration",
    "gives_json",
    "interactive",
    "print_json",
    "print_result",
    "print_table",
    "rows_in",
    "short",
    "text_table",
]


def interactive() -> bool:
    """Whether a person watches: progress is drawn on a terminal only."""
    return sys.stderr.isatty()


def print_json(value: Any) -> None:
    """Print a value as JSON, one document, keys as they stand; JSON has no infinity and no NaN: they become null."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def short(path: Path | str) -> str:
    """A path as a person in the working directory would write it: relative where that is shorter."""
    text = str(path)
    try:
        relative = os.path.relpath(text)
    except (ValueError, OSError):
        return text
    return relative if len(relative) < len(text) else text


def duration(seconds: float) -> str:
    """A time span in words, to about two figures: `3 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def rows_in(value: Any) -> list[dict[str, Any]] | None:
    """The rows of a value that is a table: a polars frame, or dictionaries or dataclasses in a list; else None."""
    if hasattr(value, "to_dicts"):
        found: list[dict[str, Any]] = value.to_dicts()
        return found
    if not isinstance(value, list | tuple) or not value:
        return None
    rows = [dataclasses.asdict(v) if _is_record(v) else v for v in value]
    return rows if all(isinstance(row, dict) for row in rows) else None


def default_in_words(value: Any) -> Any:
    """A default for the help; that a switch is off and a list empty needs no saying."""
    return None if value is False or value == () else value


def described(function: Any) -> str:
    """What a command's docstring says of it before its sections, each paragraph on a line of its own."""
    before = re.split(r"\n\s*(?:Args|Returns|Raises|Yields):", inspect.getdoc(function) or "")[0]
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", before.strip()))


def gives_json(function: Any, *, itself: bool = True) -> bool:
    """Whether a command has a result that `--json` prints; one that returns an exit code prints as it goes.

    Args:
        function: The command.
        itself: Whether a command counts that has a parameter `json` and prints JSON itself.
    """
    signature = inspect.signature(function)
    if "json" in signature.parameters:
        return itself
    return signature.return_annotation not in (int, "int")


def print_result(result: Any, *, json: bool) -> int:
    """Print what a command of a domain or of another package returned: text, rows, or nothing but an exit code.

    Args:
        result: What it returned; a dataclass may have a method `in_words()`, the text for people, and an
            `exit_code`.
        json: Whether JSON was asked for.

    Returns:
        The exit code.
    """
    if result is None:
        return 0
    if isinstance(result, int) and not json:
        return result
    rows = rows_in(result)
    code = getattr(result, "exit_code", 0)
    if not json and hasattr(result, "in_words"):
        result = result.in_words()
    if _is_record(result):
        result = dataclasses.asdict(result)
    if json:
        print_json(result if rows is None else rows)
    elif rows:
        print_table(rows, list(rows[0]))
    elif isinstance(result, dict):
        print_json(result)
    else:
        print(result)
    return code


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def text_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned columns under their names; numbers to four digits, nothing where a value is missing."""
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    numeric = [all(_is_number(row[i]) for row in cells) for i in range(len(columns))]
    return aligned(columns, cells, numeric=numeric)


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print `text_table`."""
    print(text_table(rows, columns))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == ""
    return True
