"""NumPy archives of the dataset registry: dense tables, tables of several moments, and cells as columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction.data import Codes, FloatArray, Known, impossible
from qoslab.domains.prediction.scenario import Dataset
from qoslab.domains.prediction.sizes import MEASUREMENT

__all__ = ["CERTAIN_SERVICES", "places_are_certain", "read_archive", "seconds"]

CERTAIN_SERVICES = {"wsdream-1-sample/ds1_5pct.npz": 4700}
"""Archives whose services have uncertain places from a number on: the published list of places repeats an id there."""

_MISSING_MS = 65535
"""Stands for not measured among milliseconds."""


def places_are_certain(data: Dataset) -> None:
    """See to it that places are those of the services whose measurements stand beside them.

    Raises:
        BadInput: Services whose places are uncertain would get them.
    """
    first = CERTAIN_SERVICES.get(data.name)
    if first is None or not data.context or not data.service_context:
        return
    if data.services is None or data.services > first:
        message = f"from number {first} on, services of {data.name} have uncertain places"
        hint = f"services = {first}, or service_context = false for the places of users alone"
        raise BadInput(Problem(message=message, field="scenario.data.services", hint=hint))


def read_archive(path: Path, data: Dataset) -> Known:
    """Measurements and context of an archive.

    Args:
        path: The archive.
        data: Which of its arrays are parameters and context. A parameter X is a dense array X as it stands, or X_ms in
            milliseconds, of (users, services) or (slots, users, services); or its cells are the columns X_u, X_s and
            X_v of equal length; or, where it is the only one, the columns u, s and v.

    Raises:
        BadInput: The archive lacks an array, or has two for one parameter, or one is not of its form, or holds what
            cannot be a measurement.
    """
    about = path.stat()
    arrays = _arrays(path, about.st_mtime_ns, about.st_size)
    named = (("user", data.context), ("svc", data.context if data.service_context else ()))
    sides = [_context(arrays, side, kinds, path) for side, kinds in named]
    sizes = tuple(len(next(iter(side.values()))) if side else 0 for side in sides)
    tables = [_table(arrays, name, (sizes[0], sizes[1]), data, path) for name in data.parameters]
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


def seconds(raw: np.ndarray) -> FloatArray:
    """Milliseconds as seconds, of the same shape; NaN for 65535 and for the zeros of the source.

    WS-DREAM's own code, too, counts zeros as not measured.
    """
    return np.where((raw == _MISSING_MS) | (raw == 0), np.nan, raw / 1000.0)


@lru_cache(maxsize=1)  # the cases of a grid over slots share one large archive
def _arrays(path: Path, _changed_ns: int, _size: int) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError):
        message = f"{path.name} is no archive of NumPy arrays (.npz)"
        raise BadInput(Problem(message=message, field="scenario.data.name")) from None


def _table(
    arrays: Mapping[str, Any], name: str, sizes: tuple[int, int], data: Dataset, path: Path
) -> FloatArray:
    """A parameter's values, shape (users, services), NaN where nobody measured; at least of the sizes given."""
    thousandths = f"{name}_ms"
    if name in arrays and thousandths in arrays:
        message = f"{path.name} holds both {name!r} and {thousandths!r}: which one is meant cannot be told"
        place = "scenario.data.parameters"
        raise BadInput(Problem(message=message, field=place, hint="keep one of the two arrays"))
    for stored in (name, thousandths):
        if stored in arrays:
            return _dense(arrays[stored], stored, data.slot, path, milliseconds=stored == thousandths)
    if data.slot is not None:
        raise _no_slots(path, name)
    columns = _columns(arrays, name, data.parameters)
    if columns is None:
        message = f"{path.name} holds no array {name!r}; it holds {', '.join(arrays)}"
        hint: str | None = None
        if {*"usv"} <= arrays.keys():
            hint = "its columns u, s and v are of one parameter: name one"
            if others := _others(arrays):
                hint = (
                    f"it has {', '.join(others)}; its columns u, s and v count only where no other is there"
                )
        raise BadInput(Problem(message=message, field="scenario.data.parameters", hint=hint))
    return _of_columns(*columns, name, sizes, path)


def _dense(array: np.ndarray, stored: str, slot: int | None, path: Path, *, milliseconds: bool) -> FloatArray:
    """A dense array, in seconds where it holds milliseconds; of several slots one, or each cell's mean."""
    if array.ndim not in {2, 3} or array.dtype.kind not in "iuf":
        said = f"the shape {array.shape} and the type {array.dtype}"
        raise _odd(path, f"{stored!r} has {said}, not numbers of users x services")
    if milliseconds and array.dtype != np.uint16:
        raise _odd(path, f"{stored!r} has the type {array.dtype}, milliseconds are of the type uint16")
    if array.ndim == 2:
        if slot is not None:
            raise _no_slots(path, stored)
        return _plain(array, milliseconds=milliseconds)
    if slot is None:
        return _mean(array, milliseconds=milliseconds)
    if slot >= len(array):
        message = f"{path.name}: {stored!r} has the slots 0 to {len(array) - 1}, not {slot}"
        raise BadInput(Problem(message=message, field="scenario.data.slot"))
    return _plain(array[slot], milliseconds=milliseconds)


def _plain(table: np.ndarray, *, milliseconds: bool) -> FloatArray:
    return seconds(table) if milliseconds else table.astype(np.float64)


def _mean(array: np.ndarray, *, milliseconds: bool) -> FloatArray:
    """Each cell's mean over the slots in which it was measured, slot by slot to spare memory."""
    total, count = np.zeros(array.shape[1:]), np.zeros(array.shape[1:])
    for raw in array:
        table = _plain(raw, milliseconds=milliseconds)
        measured = ~np.isnan(table)
        total[measured] += table[measured]
        count += measured
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _no_slots(path: Path, name: str) -> BadInput:
    message = f"{path.name}: {name!r} has no slots"
    return BadInput(Problem(message=message, field="scenario.data.slot", hint="leave `slot` out"))


def _columns(
    arrays: Mapping[str, Any], name: str, parameters: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Users, services and values of a parameter's cells; None where the archive has none of that name.

    Columns without a parameter's name are those of the only parameter that is asked for, whatever its name, unless the
    archive has others, of which it may be a misspelt one.
    """
    nameless = len(parameters) == 1 and not _others(arrays)
    for names in ([f"{name}_{part}" for part in "usv"], list("usv") if nameless else []):
        if names and all(each in arrays for each in names):
            users, services, values = (np.asarray(arrays[each]) for each in names)
            return users, services, values
    return None


def _others(arrays: Mapping[str, Any]) -> list[str]:
    """What may be parameters with a name of their own: tables of numbers, and columns that are named."""
    tables = [name for name, array in arrays.items() if array.ndim in {2, 3} and array.dtype.kind in "iuf"]
    columns = [name[:-2] for name in arrays if name.endswith("_u")]
    return tables + [name for name in columns if {f"{name}_s", f"{name}_v"} <= arrays.keys()]


def _of_columns(
    users: np.ndarray,
    services: np.ndarray,
    values: np.ndarray,
    name: str,
    sizes: tuple[int, int],
    path: Path,
) -> FloatArray:
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
        found[kind] = np.array(arrays[name], np.int64)
    return found


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
