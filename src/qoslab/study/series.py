"""Series of trials: columns for figures, one Parquet file for each trial and name."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from qoslab.core.outcome import Series
from qoslab.study.files import write_whole
from qoslab.study.interrupt import finished
from qoslab.study.journal import Record

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_series", "write_series"]


def write_series(folder: Path, fingerprint: str, series: Mapping[str, Series]) -> list[str]:
    """Store the series of a trial.

    Args:
        folder: The results folder.
        fingerprint: The trial's.
        series: Columns by series name.

    Returns:
        The names.

    Raises:
        DiskFull: There was no room.
    """
    if not series:
        return []
    import polars as pl

    for name, columns in series.items():
        frame = pl.DataFrame(dict(columns))
        write_whole(_file(folder, name, fingerprint), finished(partial(_packed, frame)))
    return sorted(series)


def read_series(folder: Path, name: str, records: Iterable[tuple[Record, str, str]]) -> pl.DataFrame:
    """A series of all trials that kept it.

    Args:
        folder: The results folder.
        name: Name of the series.
        records: Rows of the journal, each with the labels of its scenario and method.

    Returns:
        Its columns behind `scenario`, `method` and `replication`; without rows where nobody kept it.
    """
    import polars as pl

    frames = []
    for record, scenario, method in records:
        path = _file(folder, name, record["fingerprint"])
        if name not in record["series"] or not path.is_file():
            continue
        labels = (
            pl.lit(scenario).alias("scenario"),
            pl.lit(method).alias("method"),
            pl.lit(record["replication"]).cast(pl.Int64).alias("replication"),
        )
        columns = pl.read_parquet(path)
        frames.append(columns.select(*labels, pl.all()))
    if not frames:
        return pl.DataFrame(schema={"scenario": pl.String, "method": pl.String, "replication": pl.Int64})
    return pl.concat(frames, how="diagonal_relaxed")


def _packed(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _file(folder: Path, name: str, fingerprint: str) -> Path:
    return folder / "series" / quote(name, safe=" ") / f"{fingerprint}.parquet"
