"""Readers: distributions, series of rates, recorded arrivals, recorded speeds."""

from __future__ import annotations

import bz2
import lzma
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.arrivals import RateSeries, Trace
from qoslab.domains.balancing.laws import Empirical

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Recorded", "distribution", "numbers", "rates", "relative_speeds", "trace"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Recorded:
    """Recorded requests in order of time.

    Attributes:
        times: Arrivals, s from the first, shape (k,).
        sizes: Work, s, shape (k,), or (0,) where none is recorded.
        flows: Keys of flows, int64, shape (k,), or (0,).
    """

    times: Reals
    sizes: Reals
    flows: NDArray[np.int64]


def located(file: str | None, dataset: str | None, context: Context) -> Path:
    """The path of an own or a registered file."""
    if file is not None:
        return Path(file)
    assert dataset is not None
    return context.dataset(dataset)


def numbers(path: Path) -> Reals:
    """All numbers of a text file, plain or compressed, separated by white space or commas.

    Raises:
        BadInput: Something in it is not a number; with file and line.
    """
    found: list[float] = []
    for line, text in enumerate(_text(path).splitlines(), start=1):
        for word in text.replace(",", " ").split():
            try:
                found.append(float(word))
            except ValueError:
                raise _bad(path, f"{word!r} is not a number", line) from None
    if not found:
        raise _bad(path, "the file holds no numbers")
    values = np.array(found)
    if not np.isfinite(values).all():
        raise _bad(path, "the file holds infinite or missing values")
    return values


def distribution(law: Empirical, context: Context) -> tuple[Reals, Reals]:
    """Values and cumulative shares of an empirical law, both increasing, the shares from 0 to 1.

    Raises:
        BadInput: The file is no cumulative distribution.
    """
    path = located(law.file, law.dataset, context)
    table = numbers(path)
    if len(table) % 2:
        raise _bad(path, "two numbers are needed on each line: value and cumulative share")
    points, shares = table.reshape(-1, 2).T
    if (np.diff(points) < 0).any() or (np.diff(shares) < 0).any() or shares[0] < 0 or points[0] < 0:
        raise _bad(path, "values and cumulative shares must not be negative and must not decrease")
    if shares[-1] <= 0 or points[-1] <= 0:
        raise _bad(path, "the last value and share must be positive")
    shares = shares / shares[-1]
    if shares[0] > 0:  # mass at the first value
        points, shares = np.concatenate([[points[0]], points]), np.concatenate([[0.0], shares])
    return points, shares


def rates(series: RateSeries, context: Context) -> Reals:
    """The rates of a series, relative to each other.

    Raises:
        BadInput: A rate is negative, or nothing is left of the series.
    """
    values = np.array(series.rates, np.float64)
    if not series.rates:
        path = located(series.file, series.dataset, context)
        values = numbers(path)
        if (values < 0).any():
            raise _bad(path, "a rate is negative")
    end = None if series.count is None else series.start + series.count
    values = values[series.start : end]
    if not len(values) or values.sum() <= 0:
        message = f"nothing is left of the series from {series.start} on"
        raise BadInput(Problem(message=message, field="scenario.arrivals.start"))
    return values


def trace(arrivals: Trace, context: Context) -> Recorded:
    """Recorded arrivals, sorted by time, the first at 0.

    Raises:
        BadInput: A column does not exist or holds something else than numbers or times.
    """
    path = located(arrivals.file, arrivals.dataset, context)
    frame = _frame(path)
    times = _times(path, _column(path, frame, arrivals.time))
    order = np.argsort(times, kind="stable")
    if not len(times):
        raise _bad(path, "the file holds no requests")
    parts = {arrivals.size: 1.0} if isinstance(arrivals.size, str) else arrivals.size or {}
    columns = [factor * _reals(path, _column(path, frame, name)) for name, factor in parts.items()]
    sizes = np.sum(columns, axis=0) if columns else np.zeros(0)
    if len(sizes) and (sizes <= 0).any():
        line = int(np.flatnonzero(sizes <= 0)[0]) + 2
        raise _bad(path, "sizes must be positive", line)
    flows = np.zeros(0, np.int64)
    if arrivals.flow is not None:
        flows = np.unique(_column(path, frame, arrivals.flow).to_numpy(), return_inverse=True)[1].astype(
            np.int64
        )
    sizes = np.asarray(sizes, np.float64)
    return Recorded(
        times[order] - times[order[0]],
        sizes[order] if len(sizes) else sizes,
        flows[order] if len(flows) else flows,
    )


def relative_speeds(file: str | None, dataset: str | None, context: Context) -> list[Reals]:
    """Recorded speeds, one series for each server of the file, each divided by its mean.

    Columns `server` (or `VM_id`) and `value`; rows in order of time.
    """
    path = located(file, dataset, context)
    frame = _frame(path)
    name = "VM_id" if "VM_id" in frame.columns else "server"
    owners = _column(path, frame, name).to_numpy()
    values = _reals(path, _column(path, frame, "value"))
    if (values <= 0).any():
        raise _bad(path, "speeds must be positive")
    series = [values[owners == owner] for owner in dict.fromkeys(owners.tolist())]
    return [one / one.mean() for one in series]


def _text(path: Path) -> str:
    name = path.name.lower()
    raw = path.read_bytes()
    if name.endswith((".tbz2", ".tar.bz2", ".tar.gz", ".tgz", ".tar.xz")):
        with tarfile.open(path) as archive:
            members = [member for member in archive.getmembers() if member.isfile()]
            if len(members) != 1:
                raise _bad(path, f"the archive holds {len(members)} files, not one")
            inside = archive.extractfile(members[0])
            assert inside is not None
            raw = inside.read()
    elif name.endswith(".bz2"):
        raw = bz2.decompress(raw)
    elif name.endswith(".xz"):
        raw = lzma.decompress(raw)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _bad(path, "this is no text file") from None


def _frame(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=10_000, comment_prefix="#")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _bad(path, f"this cannot be read as a table: {str(error).splitlines()[0]}") from None


def _column(path: Path, frame: pl.DataFrame, name: str) -> pl.Series:
    if name not in frame.columns:
        hint = f"its columns are {', '.join(frame.columns)}"
        raise BadInput(Problem(message=f"there is no column {name!r}", path=path, hint=hint))
    return frame.get_column(name)


def _reals(path: Path, column: pl.Series) -> Reals:
    import polars as pl

    try:
        values: Reals = column.cast(pl.Float64).to_numpy().astype(np.float64)
    except pl.exceptions.PolarsError:
        raise _bad(path, f"column {column.name!r} holds something that is no number") from None
    if not np.isfinite(values).all():
        line = int(np.flatnonzero(~np.isfinite(values))[0]) + 2
        raise _bad(path, f"column {column.name!r} holds a missing value", line)
    return values


def _times(path: Path, column: pl.Series) -> Reals:
    """Seconds, from numbers or from timestamps such as 2023-11-16 18:17:03.9799600."""
    import polars as pl

    if column.dtype == pl.String:
        try:
            column = column.str.to_datetime(time_unit="ns", strict=True)
        except pl.exceptions.PolarsError:
            raise _bad(path, f"column {column.name!r} holds neither numbers nor timestamps") from None
    if column.dtype.is_temporal():
        whole = column.cast(pl.Datetime("ns")).cast(pl.Int64)
        return _reals(path, whole - whole.min()) * 1e-9
    return _reals(path, column)


def _bad(path: Path, message: str, line: int | None = None) -> BadInput:
    return BadInput(Problem(message=message, path=path, line=line))
