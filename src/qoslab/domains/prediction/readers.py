"""From files to measurements: archives, published text matrices, CSV and Parquet tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import MEASUREMENT, Codes, FloatArray, Known, impossible
from qoslab.domains.prediction.planted import plant
from qoslab.domains.prediction.scenario import Dataset, Matrices, Planted, Slots, Source, Table
from qoslab.domains.prediction.sheets import decoded, unpacked
from qoslab.domains.prediction.slots import mean_tables, read_slots
from qoslab.domains.prediction.tables import read_table

__all__ = ["read", "read_archive", "read_matrices"]


def read(data: Source, seed: Seed, context: Context) -> Known:
    """All measurements of a scenario's data.

    Raises:
        BadInput: A file does not hold what it should, and the message names the place; or a parameter is 0 wherever it
            was measured.
        MissingData: The dataset is not on this machine.
    """
    world = _read(data, seed, context)
    for name, table in zip(world.parameters, world.values, strict=True):
        if not np.nanmax(table) > 0:
            message = f"{name!r} is 0 wherever it was measured: there is nothing to predict"
            raise BadInput(Problem(message=message, field="scenario.data.parameters"))
    return world


def _read(data: Source, seed: Seed, context: Context) -> Known:
    if isinstance(data, Planted):
        return plant(data, seed.generator("planted"))
    if isinstance(data, Table):
        return read_table(data, context)
    if isinstance(data, Matrices):
        return read_matrices(data, context)
    if isinstance(data, Slots):
        files = {name: read_slots(_path(file, context)) for name, file in data.files.items()}
        return Known(tuple(files), mean_tables(files, data.slot))
    return read_archive(context.dataset(data.name), data)


def _path(file: str, context: Context) -> Path:
    """Where a file lies: one of the user's own has been found already, one of the registry is looked up."""
    return Path(file) if Path(file).is_absolute() else context.dataset(str(file))


def read_archive(path: Path, data: Dataset) -> Known:
    """A NumPy archive: a dense array per parameter, or its users, services and values as columns of equal length."""
    arrays = _arrays(path)
    sides = [_context(arrays, side, data.context, path) for side in ("user", "svc")]
    sizes = tuple(len(next(iter(side.values()))) if side else 0 for side in sides)
    tables = [_one(arrays, name, (sizes[0], sizes[1]), path) for name in data.parameters]
    shape = tuple(max(table.shape[axis] for table in tables) for axis in (0, 1))
    values = np.full((len(tables), *shape), np.nan)
    for target, table in zip(values, tables, strict=True):
        target[: table.shape[0], : table.shape[1]] = table
    for side, codes, size in zip(("user", "svc"), sides, shape, strict=True):
        for kind, column in codes.items():
            if column.shape != (size,):
                raise _odd(path, f"{side}_{kind} has the shape {column.shape}, the table has {size} of these")
    keep = slice(data.services)
    services = {kind: codes[keep] for kind, codes in sides[1].items()}
    return _checked(Known(data.parameters, values[:, :, keep], sides[0], services), path)


def _arrays(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError):
        message = f"{path.name} is no archive of NumPy arrays (.npz)"
        raise BadInput(Problem(message=message, field="scenario.data.name")) from None


def _one(arrays: Mapping[str, Any], name: str, sizes: tuple[int, int], path: Path) -> FloatArray:
    if name in arrays:
        if arrays[name].ndim != 2 or arrays[name].dtype.kind not in "iuf":
            said = f"the shape {arrays[name].shape} and the type {arrays[name].dtype}"
            raise _odd(path, f"{name!r} has {said}, not numbers of users x services")
        return np.asarray(arrays[name], np.float64)
    columns = [arrays.get(f"{name}_{part}") for part in "usv"]
    if any(column is None for column in columns):
        message = f"{path.name} holds no array {name!r}; it holds {', '.join(arrays)}"
        raise BadInput(Problem(message=message, field="scenario.data.parameters"))
    users, services, values = (np.asarray(column) for column in columns)
    if users.ndim != 1 or not users.shape == services.shape == values.shape:
        shapes = ", ".join(str(column.shape) for column in (users, services, values))
        raise _odd(path, f"the columns of {name!r} have the shapes {shapes}, not one length")
    if not len(users):
        raise _odd(path, f"{name!r} has no measurement")
    for what, ids, size in (("user", users, sizes[0]), ("service", services, sizes[1])):
        if ids.min() < 0 or (size and ids.max() >= size):
            wrong = int(ids.min() if ids.min() < 0 else ids.max())
            raise _odd(path, f"{what} {wrong} of {name!r} is out of range")
    shape = (max(sizes[0], int(users.max()) + 1), max(sizes[1], int(services.max()) + 1))
    cells = users.astype(np.int64) * shape[1] + services
    if len(np.unique(cells)) < len(cells):
        raise _odd(path, f"{name!r} has a cell twice")
    table = np.full(shape, np.nan)
    table[users, services] = values
    return table


def _odd(path: Path, message: str) -> BadInput:
    return BadInput(Problem(message=f"{path.name}: {message}", field="scenario.data.name"))


def _context(arrays: Mapping[str, Any], side: str, kinds: tuple[str, ...], path: Path) -> dict[str, Codes]:
    found = {}
    for kind in kinds:
        name = f"{side}_{kind}"
        if name not in arrays:
            message = f"{path.name} holds no array {name!r}; it holds {', '.join(arrays)}"
            raise BadInput(Problem(message=message, field="scenario.data.context"))
        found[kind] = np.asarray(arrays[name], np.int64)
    return found


def read_matrices(data: Matrices, context: Context) -> Known:
    """WS-DREAM #1 in its published form: `rtMatrix.txt`, `tpMatrix.txt`, and the lists of users and services."""
    tables: list[FloatArray] = []
    for name, file in data.files.items():
        path = _path(file, context)
        table = _matrix(path, name)
        if tables and table.shape != tables[0].shape:
            message = f"{path.name} has the shape {table.shape}, other files have {tables[0].shape}"
            raise BadInput(Problem(message=message, field=f"scenario.data.files.{name}"))
        tables.append(table)
    users: dict[str, Codes] = {}
    services: dict[str, Codes] = {}
    vocabulary: dict[str, tuple[str, ...]] = {}
    if data.users is not None and data.services is not None:
        lists = [_places(_path(file, context)) for file in (data.users, data.services)]
        for what, rows, size in zip(("users", "services"), lists, tables[0].shape, strict=True):
            if len(rows) != size:
                message = f"the list has {len(rows)} {what}, the matrices have {size}"
                raise BadInput(Problem(message=message, field=f"scenario.data.{what}"))
        for column, kind in enumerate(("country", "as")):
            words = [np.array([row[column] for row in rows]) for rows in lists]
            users[kind], services[kind], vocabulary[kind] = _codes(*words)
    return Known(tuple(data.files), np.stack(tables), users, services, vocabulary)


def _matrix(path: Path, name: str) -> FloatArray:
    """One row of a parameter's values per user, -1 where nobody measured; empty lines are passed over."""
    rows: list[FloatArray] = []
    for number, line in enumerate(decoded(unpacked(path), path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = np.array(line.split(), np.float64)
        except ValueError as error:
            raise BadInput(Problem(message=str(error), path=path, line=number)) from None
        if rows and len(row) != len(rows[0]):
            message = f"the row has {len(row)} values, the first has {len(rows[0])}"
            raise BadInput(Problem(message=message, path=path, line=number))
        wrong = impossible(row) & (row != -1)
        if wrong.any():
            service = wrong.argmax()
            message = f"{name!r} of user {len(rows)} and service {service} is {row[service]:g}; {MEASUREMENT}"
            hint = "-1 stands for not measured"
            raise BadInput(Problem(message=message, path=path, line=number, hint=hint))
        rows.append(row)
    if not rows or not rows[0].size:
        raise BadInput(Problem(message="there are no values", path=path))
    table = np.stack(rows)
    if (table == -1).all():
        raise BadInput(Problem(message=f"{name!r} has no measurement", path=path))
    return np.where(table == -1, np.nan, table)


_PLACE_COLUMNS = {7: (2, 4), 9: (4, 6)}
"""Country and AS in lists of users (seven columns) and of services (nine)."""


def _places(path: Path) -> list[tuple[str, str]]:
    """Country and AS of each row of userlist.txt or wslist.txt, in the order of the file, which is that of the ids."""
    raw = unpacked(path)
    found: list[tuple[str, str]] = []
    for line in raw.decode("utf-8", errors="replace").splitlines()[2:]:
        parts = [part.strip() for part in line.split("\t")]
        if not line.strip():
            continue
        columns = _PLACE_COLUMNS.get(len(parts))
        if columns is None:
            message = f"{len(parts)} columns; a list of users has 7, one of services 9"
            raise BadInput(Problem(message=message, path=path, line=len(found) + 3))
        found.append((parts[columns[0]], parts[columns[1]]))
    return found


def _codes(users: np.ndarray, services: np.ndarray) -> tuple[Codes, Codes, tuple[str, ...]]:
    """One numbering for both sides, -1 for `null` and empty words; and the words in its order."""
    words = np.unique(np.concatenate([users, services]))
    words = words[~np.isin(words, ("", "null", "NULL"))]
    number = {word: i for i, word in enumerate(words.tolist())}
    both = [
        np.array([number.get(word, -1) for word in side.tolist()], np.int64) for side in (users, services)
    ]
    return both[0], both[1], tuple(number)


def _checked(world: Known, path: Path) -> Known:
    """The same measurements of an archive, where every one can be, and some of every parameter."""
    for name, table in zip(world.parameters, world.values, strict=True):
        if np.isnan(table).all():
            message = f"{path.name}: {name!r} has no measurement"
            raise BadInput(Problem(message=message, field="scenario.data.parameters"))
        wrong = np.argwhere(impossible(table) & ~np.isnan(table))
        if len(wrong):
            user, service = wrong[0]
            message = (
                f"{path.name}: {name!r} of user {user} and service {service} is {table[user, service]:g}; "
                f"{MEASUREMENT}"
            )
            raise BadInput(Problem(message=message, field="scenario.data"))
    return world
