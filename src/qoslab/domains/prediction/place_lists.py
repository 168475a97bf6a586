"""The lists of places that were published beside the matrices of WS-DREAM #1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction.sheets import unpacked

__all__ = ["Place", "read_places"]

_COLUMNS = {7: (2, 4), 9: (4, 6)}
"""Country and AS in lists of users (seven columns) and of services (nine)."""

_MOST_DIGITS = 9
_HEADER = 2
"""Lines before the first row."""


class Place(NamedTuple):
    """Words; empty where nothing is known, or nothing is certain."""

    country: str
    network: str


_NOWHERE = Place("", "")


def read_places(path: Path, count: int, what: str) -> list[Place]:
    """Country and AS of each user or service, by the ids in the first column.

    The published list of services has three rows of id 4702 and none of 4700 and 4701: whose place is which cannot be
    told, so an id that stands there more than once has none, nor has one that is missing.

    Args:
        path: userlist.txt or wslist.txt, plain or packed as .gz.
        count: Rows that it must have; ids go from 0 to one less.
        what: "users" or "services".

    Raises:
        BadInput: It has another number of rows, or a row is not of that form; the line is named.
    """
    rows = list(_rows(path))
    if len(rows) != count:
        message = f"the list has {len(rows)} {what}, the matrices have {count}"
        raise BadInput(Problem(message=message, field=f"scenario.data.{what}"))
    found: dict[int, Place] = {}
    for line, word, place in rows:
        # int() would take underscores and digits of any script, too.
        if not (word.isascii() and word.isdigit() and len(word) <= _MOST_DIGITS and int(word) < count):
            message = f"{word!r} is no id of the {what}: those are 0 to {count - 1}"
            raise BadInput(Problem(message=message, path=path, line=line))
        found[int(word)] = _NOWHERE if int(word) in found else place
    return [found.get(one, _NOWHERE) for one in range(count)]


def _rows(path: Path) -> Iterator[tuple[int, str, Place]]:
    """Line, id and place of each row; empty lines are passed over."""
    lines = unpacked(path).decode("utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines[_HEADER:], _HEADER + 1):
        if not line.strip():
            continue
        parts = [part.strip() for part in line.split("\t")]
        columns = _COLUMNS.get(len(parts))
        if columns is None:
            message = f"{len(parts)} columns; a list of users has 7, one of services 9"
            raise BadInput(Problem(message=message, path=path, line=number))
        yield number, parts[0], Place(parts[columns[0]], parts[columns[1]])
