"""CSV and Parquet files as frames whose rows know where they stand."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from qoslab.core.errors import BadInput, Problem

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Sheet", "decoded", "open_sheet", "refuse_strange_digits", "unpacked"]

_MOST_SHOWN = 5
"""Rows of a wrong length that are named."""


@dataclass(frozen=True)
class Sheet:
    """A table of a file.

    Attributes:
        path: The file.
        frame: Its rows; text without the blanks around it, null where nothing is left. Categories of a Parquet file are
            text, and all columns of a CSV file: only who asks knows whether 007 is a number or an id.
        lines: Line of each row; None where the file has no lines.
    """

    path: Path
    frame: pl.DataFrame
    lines: Sequence[int] | None

    def wrong(self, row: int, message: str, hint: str | None = None) -> Problem:
        """What is wrong with a row, with its line, or its number from one on."""
        if self.lines is None:
            return Problem(message=f"row {row + 1}: {message}", path=self.path, hint=hint)
        return Problem(message=message, path=self.path, line=self.lines[row], hint=hint)


def open_sheet(path: Path) -> Sheet:
    """A .csv, .csv.gz or .parquet file; empty lines of a CSV file are passed over.

    Raises:
        BadInput: It is no such file, it is damaged, a row has more or fewer fields than the header, or two columns have
            one name.
    """
    import polars as pl

    try:
        if path.suffix == ".parquet":
            return Sheet(path, _trimmed(pl.read_parquet(path)), None)
        if path.suffix == ".csv" or path.suffixes[-2:] == [".csv", ".gz"]:
            return _of_csv(path, decoded(unpacked(path), path))
    except (pl.exceptions.PolarsError, csv.Error, OSError) as error:
        first = str(error).splitlines()[0]
        raise BadInput(Problem(message=f"it cannot be read: {first}", path=path)) from None
    message = f"{path.name!r} is neither .csv nor .csv.gz nor .parquet"
    raise BadInput(Problem(message=message, field="scenario.data.file"))


def unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked where its name ends in .gz.

    Raises:
        BadInput: It cannot be read, or is damaged.
    """
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(Problem(message=f"it cannot be read: {error}", path=path)) from None


def refuse_strange_digits(line: str) -> None:
    """Python's float() would take 1_0 and digits of any script, which no file of numbers means.

    Raises:
        ValueError: A word of the line has an underscore or another script.
    """
    if line.isascii() and "_" not in line:
        return
    for word in line.split():  # blanks of other scripts are blanks
        if not word.isascii() or "_" in word:
            message = f"could not convert string to float: {word!r}"
            raise ValueError(message)


def decoded(raw: bytes, path: Path) -> str:
    """Text in UTF-8.

    Raises:
        BadInput: It is in another encoding; the line of the first such byte is named.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"it cannot be read: byte {raw[error.start]:#04x} is not UTF-8"
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(
            Problem(message=message, path=path, line=line, hint="save the file as UTF-8")
        ) from None


def _of_csv(path: Path, text: str) -> Sheet:
    import polars as pl

    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines)
    ends, empty = [0], set()
    names: list[str] = []
    ragged: list[Problem] = []
    quoted = '"' in text
    for fields in reader:
        first = ends[-1] + 1
        ends.append(reader.line_num)
        if not fields or (len(fields) == 1 and not fields[0].strip()):
            empty.add(first)
        elif not names:
            names = [name.strip() for name in fields]
            _apart(names, path, first)
        elif len(fields) != len(names) and len(ragged) < _MOST_SHOWN:
            many = "field" if len(fields) == 1 else "fields"
            message = f"the row has {len(fields)} {many}, the header has {len(names)}"
            ragged.append(Problem(message=message, path=path, line=first))
        if quoted:
            _must_be_clear("".join(lines[first - 1 : reader.line_num]), path, first)
    if ragged:
        raise BadInput(ragged)
    starts = [before + 1 for before, _ in pairwise(ends) if before + 1 not in empty]
    if empty:
        text = "".join(line for number, line in enumerate(lines, 1) if number not in empty)
    frame = pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=False)
    if len(frame) != len(starts) - 1:
        message = f"it cannot be read: {len(starts) - 1} rows by their quotes, {len(frame)} by their lines"
        raise BadInput(Problem(message=message, path=path))
    frame.columns = names
    return Sheet(path, _trimmed(frame), starts[1:])


_FIELD = r'(?:"[^"]*(?:""[^"]*)*"|[^",]*)'
_ROW = re.compile(rf"{_FIELD}(?:,{_FIELD})*\r?\n?")
"""A row of fields that have no quote, or are quoted as a whole with the quotes in them doubled."""


def _must_be_clear(row: str, path: Path, line: int) -> None:
    """Refuse quotes that readers of CSV take in different ways, such as those of `"Foo" Inc`."""
    if '"' in row and not _ROW.fullmatch(row):
        message = f"a quote stands beside other characters of a field in {row.strip()[:60]!r}"
        hint = "quote the whole field, and double the quotes in it"
        raise BadInput(Problem(message=message, path=path, line=line, hint=hint))


def _apart(header: Sequence[str], path: Path, line: int) -> None:
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        message = f"two columns have the name {twice[0]!r}"
        raise BadInput(Problem(message=message, path=path, line=line))


def _trimmed(frame: pl.DataFrame) -> pl.DataFrame:
    """Text without the blanks around it, null where nothing is left; categories, which are text, become it first."""
    import polars as pl

    categories = [
        name for name, kind in frame.schema.items() if kind.base_type() in {pl.Categorical, pl.Enum}
    ]
    frame = frame.with_columns(pl.col(categories).cast(pl.String))
    return frame.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
