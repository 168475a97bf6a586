"""From files to measurements: published text matrices here, other kinds of files in modules of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.archives import places_are_certain, read_archive
from qoslab.domains.prediction.data import Codes, FloatArray, Known, impossible
from qoslab.domains.prediction.place_lists import read_places
from qoslab.domains.prediction.planted import plant
from qoslab.domains.prediction.scenario import Matrices, Planted, Slots, Source, Table
from qoslab.domains.prediction.sheets import decoded, refuse_strange_digits, unpacked
from qoslab.domains.prediction.sizes import MEASUREMENT
from qoslab.domains.prediction.slots import mean_tables, read_slots
from qoslab.domains.prediction.tables import read_table

__all__ = ["read", "read_matrices"]


def read(data: Source, seed: Seed, context: Context) -> Known:
    """All measurements of a scenario's data.

    Args:
        data: Where they come from.
        seed: Draws what is planted; with folds the one of the round, whose replications share a world.
        context: Finds datasets.

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
    places_are_certain(data)
    return read_archive(context.dataset(data.name), data)


def _path(file: str, context: Context) -> Path:
    """Where a file lies: one of the user's own has been found already, one of the registry is looked up."""
    return Path(file) if Path(file).is_absolute() else context.dataset(str(file))


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
        lists = [
            read_places(_path(file, context), size, what)
            for what, file, size in zip(
                ("users", "services"), (data.users, data.services), tables[0].shape, strict=True
            )
        ]
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
            refuse_strange_digits(line)
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


def _codes(users: np.ndarray, services: np.ndarray) -> tuple[Codes, Codes, tuple[str, ...]]:
    """One numbering for both sides, -1 for `null` and empty words; and the words in its order."""
    words = np.unique(np.concatenate([users, services]))
    words = words[~np.isin(words, ("", "null", "NULL"))]
    number = {word: i for i, word in enumerate(words.tolist())}
    both = [
        np.array([number.get(word, -1) for word in side.tolist()], np.int64) for side in (users, services)
    ]
    return both[0], both[1], tuple(number)
