"""Measurements of several moments, one a line: WS-DREAM #2 in its published form."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction.data import Codes, FloatArray, impossible
from qoslab.domains.prediction.sheets import decoded, refuse_strange_digits, unpacked
from qoslab.domains.prediction.sizes import MEASUREMENT, MOST_VALUES, too_large

__all__ = ["Lines", "mean_tables", "read_slots"]

_MOST_SLOTS = 1_000_000


_LARGEST = 2**62
"""Ids beyond it do not fit their arrays."""


class _Wrong(Exception):
    """What is wrong, and in which of the lines, counted from 0 without the empty ones."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place, self.message = place, message


class Lines(NamedTuple):
    """The lines of a file, column by column, each of shape (n,).

    Attributes:
        users: Numbers from 0 on.
        services: The same.
        slots: The same.
        values: What was measured, in the parameter's unit.
    """

    users: Codes
    services: Codes
    slots: Codes
    values: FloatArray


def read_slots(path: Path) -> Lines:
    """User, service, slot and value of each line of `rtdata.txt` or `tpdata.txt`, plain or packed as .gz.

    Empty lines are passed over.

    Raises:
        BadInput: A line is not of that form, an id is negative or far too large, a value cannot be a measurement, or
            a cell of a slot stands there twice; the line is named.
    """
    raw = unpacked(path).rstrip()
    lines, numbers = _at_once(raw), None
    if lines is None:
        lines, numbers = _one_by_one(decoded(raw, path), path)
    if not len(lines.values):
        raise BadInput(Problem(message="there are no lines", path=path))
    try:
        _check(lines)
    except _Wrong as wrong:
        number = wrong.place + 1 if numbers is None else numbers[wrong.place]
        raise BadInput(Problem(message=wrong.message, path=path, line=number)) from None
    return lines


def mean_tables(files: dict[str, Lines], slot: int | None) -> FloatArray:
    """The value of each cell in one slot, or its mean over the slots in which it was measured.

    Args:
        files: The lines of each parameter.
        slot: The slot; None for the mean.

    Returns:
        Shape (P, users, services), NaN where nobody measured.

    Raises:
        BadInput: A parameter has no measurement in the slot.
    """
    shape = tuple(max(int(column.max()) for column in columns) + 1 for columns in _ids(files))
    large = too_large(len(files), *shape)
    if large is not None:
        raise BadInput(Problem(message=large, field="scenario.data.files"))
    out = np.full((len(files), *shape), np.nan)
    for table, (name, lines) in zip(out, files.items(), strict=True):
        use = slice(None) if slot is None else lines.slots == slot
        cells = lines.users[use] * shape[1] + lines.services[use]
        if not len(cells):
            message = f"{name!r} has no measurement in slot {slot}"
            raise BadInput(Problem(message=message, field="scenario.data.slot"))
        total = np.bincount(cells, lines.values[use], table.size)
        count = np.bincount(cells, minlength=table.size)
        table.ravel()[count > 0] = total[count > 0] / count[count > 0]
    return out


def _ids(files: dict[str, Lines]) -> tuple[list[Codes], list[Codes]]:
    return [lines.users for lines in files.values()], [lines.services for lines in files.values()]


def _at_once(raw: bytes) -> Lines | None:
    """Lines with one blank between their parts, which is what is published: thirty million within seconds."""
    import polars as pl

    schema = {"user": pl.Int64, "service": pl.Int64, "slot": pl.Int64, "value": pl.Float64}
    try:
        frame = pl.read_csv(raw, has_header=False, separator=" ", schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if any(frame.null_count().row(0)):
        return None
    return Lines(*(frame[name].to_numpy() for name in schema))


def _one_by_one(text: str, path: Path) -> tuple[Lines, list[int]]:
    """The same of lines with other blanks or none of their parts, and the number of each line."""
    found, numbers = [], []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            user, service, slot, value = parts
            refuse_strange_digits(line)
            ids = [int(user), int(service), int(slot)]
            found.append((*ids, float(value)))
        except ValueError:
            message = f"{line.strip()!r} is not `user service slot value`"
            raise BadInput(Problem(message=message, path=path, line=number)) from None
        if max(map(abs, ids)) > _LARGEST:
            message = f"an id of {line.strip()!r} is out of range"
            raise BadInput(Problem(message=message, path=path, line=number))
        numbers.append(number)
    columns = list(zip(*found, strict=True)) or [(), (), (), ()]
    users, services, slots = (np.array(column, np.int64) for column in columns[:3])
    return Lines(users, services, slots, np.array(columns[3], np.float64)), numbers


def _check(lines: Lines) -> None:
    for what, ids in (("user", lines.users), ("service", lines.services), ("slot", lines.slots)):
        if ids.min() < 0:
            raise _Wrong(int(np.argmax(ids < 0)), f"{what} {ids[np.argmax(ids < 0)]} is out of range")
    wrong = impossible(lines.values)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise _Wrong(place, f"the value is {lines.values[place]:g}; {MEASUREMENT}")
    cells = (int(lines.users.max()) + 1) * (int(lines.services.max()) + 1)
    if cells > MOST_VALUES or int(lines.slots.max()) > _MOST_SLOTS:
        place = int(np.argmax(lines.slots if cells <= MOST_VALUES else lines.users + lines.services))
        raise _Wrong(place, "an id is out of range: tables of that size are not made")
    key = (lines.users * (lines.services.max() + 1) + lines.services) * (lines.slots.max() + 1) + lines.slots
    if not np.diff(np.sort(key)).all():
        order = np.argsort(key, kind="stable")
        place = int(order[1:][np.diff(key[order]) == 0].min())
        who = f"user {lines.users[place]}, service {lines.services[place]} and slot {lines.slots[place]}"
        raise _Wrong(place, f"{who} stand there twice")
