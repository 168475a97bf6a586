"""CSV and Parquet files as lazy tables: only asked columns are read, and a bad row is found by line and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.core.errors import BadInput, Problem, did_you_mean

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["MAX_ROWS", "Table", "open_table"]

MAX_ROWS = 50_000_000
"""Rows taken from one file; larger ones are refused unless the caller says how many rows to take."""

_MAX_LINE = 1 << 20
_QUOTE = 160


@dataclass(frozen=True)
class Table:
    """A file with named columns.

    Attributes:
        path: The file.
        columns: Its column names.
        frame: What polars will read; of a CSV every column is text.
        separator: Between the columns of a CSV; None for Parquet.
        rows: How many rows to take at most; None for all.
    """

    path: Path
    columns: tuple[str, ...]
    frame: pl.LazyFrame
    separator: str | None
    rows: int | None

    def collect(self, expressions: Sequence[pl.Expr]) -> pl.DataFrame:
        """Evaluate expressions row by row, streaming.

        Raises:
            BadInput: The file is damaged or has more than `MAX_ROWS` rows.
        """
        frame = self.frame.select(expressions)
        taken = self._run(frame.head(self.rows if self.rows is not None else MAX_ROWS + 1))
        if self.rows is None and taken.height > MAX_ROWS:
            hint = "take a part of it: rows (--rows)"
            raise BadInput(Problem(message=f"has more than {MAX_ROWS:,} rows", path=self.path, hint=hint))
        return taken

    def first_value(self, column: str) -> str | None:
        """The first value of a column that is there, as text; None where all of the first rows lack it."""
        import polars as pl

        head = self._run(self.frame.select(pl.col(column).cast(pl.String)).head(1000))
        values = (str(value).strip() for value in head.get_column(column).drop_nulls())
        return next((value for value in values if value), None)

    def largest(self, column: str) -> float:
        """The largest absolute number in the first 1000 rows of a column; 0 where there is none."""
        import polars as pl

        number = pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
        head = self._run(self.frame.select(number.alias("number")).head(1000))
        numbers = head.get_column("number").drop_nulls().abs()
        finite = numbers.filter(numbers.is_finite())
        return float(str(finite.max())) if len(finite) else 0.0

    def problems(self, rows: NDArray[Any], columns: Sequence[str], *, time: str) -> list[Problem]:
        """What is wrong with some rows.

        Args:
            rows: 0-based numbers of rows, increasing.
            columns: The columns in use.
            time: Which of them holds times.
        """
        found = self._csv_rows(rows) if self.separator is not None else self._parquet_rows(rows)
        return [_problem(self.path, row, line, columns, time, self.separator) for line, row in found]

    def _run(self, frame: pl.LazyFrame) -> pl.DataFrame:
        import polars as pl

        try:
            return frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise BadInput(self._damage(str(error))) from None

    def _damage(self, words: str) -> Problem:
        ragged = self._ragged() if self.separator is not None else None
        if ragged is not None:
            return ragged
        return Problem(message=f"cannot be read: {words.strip().splitlines()[0][:300]}", path=self.path)

    def _ragged(self) -> Problem | None:
        try:
            for line, cells in _csv_lines(self.path, str(self.separator)):
                if len(cells) > len(self.columns):
                    message = f"the line has {len(cells)} values, the header {len(self.columns)}"
                    return Problem(message=message, path=self.path, line=line)
        except (csv.Error, OSError) as error:
            return Problem(message=f"cannot be read: {error}", path=self.path)
        return None

    def _csv_rows(self, rows: NDArray[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        wanted = set(rows.tolist())
        last = max(wanted)
        for number, (line, cells) in enumerate(_csv_lines(self.path, str(self.separator))):
            if number in wanted:
                yield line, dict(zip(self.columns, cells, strict=False))
            if number >= last:
                return

    def _parquet_rows(self, rows: NDArray[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        for number in rows.tolist():
            frame = self._run(self.frame.slice(number, 1))
            yield number + 1, frame.row(0, named=True)


def open_table(path: Path, rows: int | None = None) -> Table:
    """Look at a file's header.

    Args:
        path: A `.parquet` file, or a CSV (`.csv`, `.tsv`, `.txt`) whose first line names its columns.
        rows: How many rows to take at most.

    Raises:
        BadInput: There is no such file, or its header cannot be used.
    """
    import polars as pl

    if not path.is_file():
        known = [file.name for file in islice(path.parent.glob("*"), 500)] if path.parent.is_dir() else []
        message = "is a folder, not a file" if path.is_dir() else "there is no such file"
        raise BadInput(Problem(message=message, path=path, hint=did_you_mean(path.name, known)))
    if rows is not None and rows < 1:
        message = f"rows must be 1 or more, is {rows}"
        raise BadInput(message)
    if path.suffix.lower() in {".parquet", ".pq"}:
        try:
            lazy = pl.scan_parquet(path, glob=False)
            columns = tuple(lazy.collect_schema().names())
        except (pl.exceptions.PolarsError, OSError) as error:
            message = f"is not a Parquet file: {str(error).splitlines()[0][:200]}"
            raise BadInput(Problem(message=message, path=path)) from None
        return Table(path, columns, lazy, None, rows)
    columns, separator = _header(path)
    lazy = pl.scan_csv(path, separator=separator, infer_schema=False, encoding="utf8-lossy", glob=False)
    lazy = lazy.rename(dict(zip(_run_schema(lazy, path), columns, strict=True)))
    return Table(path, columns, lazy, separator, rows)


def _run_schema(lazy: pl.LazyFrame, path: Path) -> list[str]:
    import polars as pl

    try:
        return lazy.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"cannot be read: {str(error).splitlines()[0][:200]}"
        raise BadInput(Problem(message=message, path=path)) from None


def _header(path: Path) -> tuple[tuple[str, ...], str]:
    with path.open("rb") as file:
        raw = file.readline(_MAX_LINE)
    if not raw.strip():
        raise BadInput(Problem(message="is empty, or begins with an empty line", path=path, line=1))
    if b"\0" in raw or len(raw) >= _MAX_LINE:
        raise BadInput(
            Problem(message="is not a text file", path=path, line=1, hint="give a CSV or Parquet file")
        )
    text = raw.decode("utf-8-sig", "replace").rstrip("\r\n")
    separator = max(",;\t|", key=text.count)
    names = [name.strip() for name in next(csv.reader([text], delimiter=separator))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(
            Problem(message=f"column {twice[0]!r} stands twice", path=path, line=1, quote=text[:_QUOTE])
        )
    if all(_is_number(name) for name in names):
        hint = "let the first line name the columns, such as time_s,service_s"
        raise BadInput(Problem(message="has no header", path=path, line=1, quote=text[:_QUOTE], hint=hint))
    return tuple(names), separator


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and cells behind the header, as polars counts rows."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader((line.replace("\0", " ") for line in file), delimiter=separator)
        next(reader, None)
        line = reader.line_num + 1
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1


def _problem(
    path: Path, row: dict[str, Any], line: int, columns: Sequence[str], time: str, separator: str | None
) -> Problem:
    for name in columns:
        value = row.get(name)
        text = "" if value is None else str(value).strip()
        if not text:
            message = f"column {name!r} is empty"
        elif name == time and not _is_number(text):
            message = f"column {name!r} is no time: {text[:60]!r}"
        elif not _is_number(text):
            message = f"column {name!r} is no number: {text[:60]!r}"
        elif text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
            message = f"column {name!r} is {text}"
        elif name != time and float(text) < 0:
            message = f"column {name!r} is negative: {text[:60]}"
        else:
            continue
        if name == time and text and _looks_dated(text):
            continue
        return Problem(
            message=message, path=path, line=line, column=_column(row, name, separator), field=None
        )
    return Problem(message="the row cannot be used", path=path, line=line)


def _looks_dated(text: str) -> bool:
    import re

    from qoslab.domains.balancing.traces.timestamps import ISO

    return re.match(ISO, text[:60]) is not None


def _column(row: dict[str, Any], name: str, separator: str | None) -> int | None:
    """1-based character of a cell in its line, where no cell before it is quoted."""
    if separator is None:
        return None
    before = 0
    for column, value in row.items():
        if column == name:
            return before + 1
        text = str(value)
        if separator in text or '"' in text or "\n" in text:
            return None
        before += len(text) + 1
    return None
