"""Speeds of equal servers that wander: recorded benchmarks as series of relative speeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.traces.tables import Table, open_table
from qoslab.domains.balancing.traces.timestamps import iso_ns, plausible_iso

__all__ = ["SpeedSeries", "read_drift"]

Reals = NDArray[np.float64]
_SERVER = ("server", "VM_id", "vm_id", "vm", "host", "machine")
_VALUE = ("value", "speed", "relative_speed", "score")
_TIME = ("starttime", "time_s", "time", "timestamp")


@dataclass(frozen=True)
class SpeedSeries:
    """How the speed of one server went.

    Attributes:
        server: Its name in the file.
        time_s: When each speed began to hold, s after the first, not decreasing, shape (k,).
        speed: Speeds relative to the server's median, positive, shape (k,).
    """

    server: str
    time_s: Reals
    speed: Reals

    def sampled(self, step_s: float) -> Reals:
        """The speed at 0, `step_s`, 2 `step_s` ... up to the last time: each holds until the next begins."""
        grid = np.arange(0.0, self.time_s[-1] + step_s / 2, step_s)
        return self.speed[np.searchsorted(self.time_s, grid, side="right") - 1]


def read_drift(path: str | Path, *, time_scale: float = 1.0) -> tuple[SpeedSeries, ...]:
    """Read a CSV or Parquet file of measured speeds, several servers below each other.

    Args:
        path: Columns for the server (`server` or `VM_id`), its value where higher is faster (`value`), and the
            time (`starttime`, `time_s`; where there is none, rows are one second apart).
        time_scale: Recorded seconds are multiplied with this: 1/86400 turns days into seconds.

    Returns:
        One series for each server, in the order of their names; each is divided by its own median, so that
        what is left is drift, not the difference between servers.

    Raises:
        BadInput: The file cannot be read, lacks a column, or holds a value that is no positive number.
    """
    import polars as pl

    if not 0 < time_scale < np.inf:
        message = f"time_scale must be positive, is {time_scale:g}"
        raise BadInput(message)
    table = open_table(Path(path))
    server, value = _column(table, _SERVER), _column(table, _VALUE)
    time = next((name for name in _TIME if name in table.columns), None)
    number = pl.col(value).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    items = [pl.col(server).cast(pl.String).alias("server"), number.alias("value")]
    if time is not None:
        dated = plausible_iso(table.first_value(time) or "")
        plain = pl.col(time).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        items.append((iso_ns(time).cast(pl.Float64) / 1e9 if dated else plain).alias("time"))
    frame = table.collect(items)
    bad = frame.select(
        pl.any_horizontal(
            *(~pl.col(c).is_finite().fill_null(value=False) for c in frame.columns if c != "server"),
            pl.col("server").is_null(),
            ~(pl.col("value") > 0).fill_null(value=False),
        )
    ).to_series()
    if bad.any():
        rows = bad.arg_true().to_numpy()[:5]
        used = [value] if time is None else [value, time]
        raise BadInput(table.problems(rows, used, time=time or ""))
    if frame.height == 0:
        raise BadInput(Problem(message="has no rows", path=table.path))
    return tuple(
        _series(str(name[0]), part, time_scale)
        for name, part in sorted(
            frame.group_by("server", maintain_order=True), key=lambda item: _key(item[0][0])
        )
    )


def _key(name: object) -> tuple[int, str]:
    text = str(name)
    return (int(text), "") if text.isdecimal() and len(text) < 12 else (1 << 62, text)


def _series(name: str, part: object, scale: float) -> SpeedSeries:
    import polars as pl

    assert isinstance(part, pl.DataFrame)
    value = part.get_column("value").to_numpy()
    time = (
        part.get_column("time").to_numpy()
        if "time" in part.columns
        else np.arange(len(value), dtype=np.float64)
    )
    order = np.argsort(time, kind="stable")
    return SpeedSeries(name, (time[order] - time[order[0]]) * scale, value[order] / np.median(value))


def _column(table: Table, names: tuple[str, ...]) -> str:
    for name in names:
        if name in table.columns:
            return name
    message = f"has no column {names[0]!r}"
    raise BadInput(
        Problem(message=message, path=table.path, hint="the file has: " + ", ".join(table.columns[:20]))
    )
