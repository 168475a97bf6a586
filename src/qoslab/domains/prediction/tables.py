"""Measurements in CSV and Parquet files, with every fault named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.domains.prediction.data import Codes, FloatArray, Known, impossible
from qoslab.domains.prediction.scenario import Table
from qoslab.domains.prediction.sheets import Sheet, open_sheet
from qoslab.domains.prediction.sizes import MEASUREMENT, too_large

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_ids", "read_table"]


def read_table(data: Table, context: Context) -> Known:
    """One row per user and service, a column per parameter, and columns of context.

    Users and services are numbered in the order in which they first appear; a context's words are numbered alike on
    both sides. Both are text, as the file has it: 007 and 7 are two users. An empty field is not measured; an empty
    context is unknown.

    Args:
        data: Which file, and its columns.
        context: Knows where a registered file lies.

    Raises:
        BadInput: The file cannot be read, lacks a column, or holds what cannot be a measurement; all that is wrong with
            its columns is named at once.
        MissingData: The dataset is not on this machine.
    """
    sheet = _sheet(_path(data, context), data.columns)
    _columns(sheet, data)
    users, services = (_ids(sheet, name) for name in (data.user, data.service))
    shape = (len(data.parameters), int(users.max()) + 1, int(services.max()) + 1)
    large = too_large(*shape)
    if large is not None:
        raise BadInput(Problem(message=large, path=sheet.path, hint="take some of the users or services"))
    _twice(users, services, sheet, data)
    values = np.full(shape, np.nan)
    problems: list[Problem] = []
    for target, name in zip(values, data.parameters, strict=True):
        column = _numbers(sheet, name, np.array(data.missing, np.float64), problems)
        target[users, services] = column
    if problems:
        raise BadInput(problems)
    return Known(data.parameters, values, *_contexts(sheet, data, users, services))


def read_ids(data: Table, context: Context) -> tuple[list[str], list[str]]:
    """The ids of users and services as the file has them, in the order of their numbers."""
    frame = _sheet(_path(data, context), data.columns).frame
    users, services = (
        _words(frame[column]).unique(maintain_order=True).to_list() for column in (data.user, data.service)
    )
    return users, services


def _path(data: Table, context: Context) -> Path:
    return context.dataset(str(data.dataset)) if data.dataset is not None else Path(str(data.file))


def _sheet(path: Path, columns: Mapping[str, str]) -> Sheet:
    """The file, its columns under the names that are used here."""
    sheet = open_sheet(path)
    frame = sheet.frame
    gone = [name for name in columns.values() if name not in frame.columns]
    if gone:
        hint = did_you_mean(gone[0], frame.columns)
        raise BadInput(Problem(message=f"there is no column {gone[0]!r}", path=path, hint=hint))
    chosen = {there: here for here, there in columns.items()}
    left = [name for name in frame.columns if name in chosen or name not in columns]
    return replace(sheet, frame=frame.select(left).rename(chosen))


def _columns(sheet: Sheet, data: Table) -> None:
    frame, path = sheet.frame, sheet.path
    wanted = [data.user, data.service, *data.parameters]
    wanted += [f"{side}_{kind}" for kind in data.context for side in data.sides]
    problems = [
        Problem(message=f"there is no column {name!r}", path=path, hint=_hint(name, frame.columns, data))
        for name in wanted
        if name not in frame.columns
    ]
    given = [name for name in wanted if name in frame.columns]
    problems += [problem for name in given for problem in _kind(sheet, name, number=name in data.parameters)]
    if not len(frame):
        problems.append(Problem(message="there are no rows", path=path))
    if problems:
        raise BadInput(problems)


def _hint(name: str, columns: list[str], data: Table) -> str | None:
    """What may be meant by a column that is not there."""
    side, _, kind = name.partition("_")
    other = {"user": "service", "service": "user"}.get(side, "")
    if kind in data.context and f"{other}_{kind}" in columns:
        return f"{side}_context = false, if {side}s have none"
    return did_you_mean(name, columns)


def _kind(sheet: Sheet, name: str, *, number: bool) -> Iterator[Problem]:
    """What is wrong with the type of a column, which Parquet files state: lists, times or bytes, for example."""
    import polars as pl

    kind = sheet.frame.schema[name]
    words = kind.base_type() in {pl.String, pl.Categorical, pl.Enum, pl.Null} or kind.is_numeric()
    if not (words or (not number and (kind == pl.Boolean or kind.is_temporal()))):
        wanted = "numbers" if number else "numbers or words"
        yield Problem(message=f"the column {name!r} is of type {kind}; {wanted} are needed", path=sheet.path)


def _ids(sheet: Sheet, name: str) -> Codes:
    column = _words(sheet.frame[name])
    empty = column.is_null()
    if empty.any():
        raise BadInput(sheet.wrong(int(empty.arg_max() or 0), f"{name!r} is empty"))
    seen = {value: number for number, value in enumerate(column.unique(maintain_order=True).to_list())}
    return np.array([seen[value] for value in column.to_list()], np.int64)


def _words(column: pl.Series) -> pl.Series:
    """A column as text; typed columns, which Parquet files have, in the usual way of writing their values.

    NaN among numbers, which many libraries write where nothing is, is nothing.
    """
    import polars as pl

    column = column.fill_nan(None) if column.dtype.is_float() else column
    return column if column.dtype == pl.String else column.cast(pl.String)


def _places(column: pl.Series) -> pl.Series:
    """Words of a context.

    A column of whole numbers with gaps is often written as 10.0; where every word is of that kind, it is meant as 10.
    """
    words = _words(column)
    given = words.drop_nulls()
    return words.str.strip_suffix(".0") if given.str.contains(r"^\d+\.0$").all() else words


def _twice(users: Codes, services: Codes, sheet: Sheet, data: Table) -> None:
    cells = users * (services.max() + 1) + services
    _, first, count = np.unique(cells, return_index=True, return_counts=True)
    if (count > 1).any():
        row = int(np.flatnonzero(cells == cells[first[count > 1].min()])[1])
        user, service = (_words(sheet.frame[name])[row] for name in (data.user, data.service))
        who = f"user {user!r} and service {service!r}"
        raise BadInput(sheet.wrong(row, f"{who} stand there twice"))


def _numbers(sheet: Sheet, name: str, missing: FloatArray, problems: list[Problem]) -> np.ndarray:
    import polars as pl

    column = sheet.frame[name]
    if column.null_count() == len(column):
        problems.append(Problem(message=f"{name!r} has no measurement", path=sheet.path))
        return np.full(len(column), np.nan)
    column = _numeric(column)
    if not column.dtype.is_numeric():
        words = column.cast(pl.Float64, strict=False).is_null() & column.is_not_null()
        row = int(words.arg_max() or 0)
        message = f"{name!r} holds {column[row]!r}, which is no number"
        problems.append(sheet.wrong(row, message))
        return np.full(len(column), np.nan)
    given = column.is_not_null().to_numpy()
    values = column.cast(pl.Float64).fill_null(0.0).to_numpy()
    given = given & ~np.isin(values, missing) & ~(np.isnan(values) & np.isnan(missing).any())
    wrong = np.flatnonzero(given & impossible(values))
    if len(wrong):
        message = f"{name!r} is {values[wrong[0]]:g}; {MEASUREMENT}"
        hint = "leave the field empty where nothing was measured, or name the code in `missing`"
        problems.append(sheet.wrong(int(wrong[0]), message, hint))
    elif not given.any():
        problems.append(Problem(message=f"{name!r} has no measurement", path=sheet.path))
    return np.where(given, values, np.nan)


def _numeric(column: pl.Series) -> pl.Series:
    """A column of text that is numbers throughout as numbers; any other as it is."""
    import polars as pl

    if column.dtype.is_numeric():
        return column
    column = _words(column)
    numbers = column.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == column.null_count() else column


def _contexts(
    sheet: Sheet, data: Table, users: Codes, services: Codes
) -> tuple[dict[str, Codes], dict[str, Codes], dict[str, tuple[str, ...]]]:
    """Codes of users and of services by kind of context, and the word of each code."""
    ids = {"user": users, "service": services}
    found: dict[str, dict[str, Codes]] = {"user": {}, "service": {}}
    vocabulary: dict[str, tuple[str, ...]] = {}
    for kind in data.context:
        columns = {side: _places(sheet.frame[f"{side}_{kind}"]).to_list() for side in data.sides}
        given = dict.fromkeys(word for column in columns.values() for word in column if word is not None)
        number = {word: code for code, word in enumerate(given)}
        for side, column in columns.items():
            codes = np.array([number.get(word, -1) for word in column], np.int64)
            of_id = np.full(int(ids[side].max()) + 1, -1)
            of_id[ids[side][::-1]] = codes[::-1]  # the first row counts
            differs = np.flatnonzero(of_id[ids[side]] != codes)
            if len(differs):
                message = f"{side + '_' + kind!r} of one {side} differs from row to row"
                raise BadInput(sheet.wrong(int(differs[0]), message))
            found[side][kind] = of_id
        vocabulary[kind] = tuple(given)
    return found["user"], found["service"], vocabulary
