r"""An append-only journal of JSON records that survives kills, full disks and torn writes.

One record is one line of ASCII text: the record separator of RFC 7464, the length of the payload and a CRC32
as eight hexadecimal digits each, a blank, the payload as JSON, a line feed. JSON never holds a raw 0x1E, so a
reader that meets a damaged record finds the next one by searching for the separator: damage costs what it
touches and nothing behind it.

Every writing process has a journal of its own, made under a name that did not exist. So no lock is needed,
none survives a kill, and nobody writes behind another's torn record.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from zlib import crc32

from qoslab.core.files import room_for, sync_folder, write_all

__all__ = ["Journal", "Record", "encode", "journals", "parse", "read"]

Record = dict[str, Any]
"""What a record holds: a JSON object."""

_MARK = b"\x1e"
_HEAD = len(_MARK) + 8 + 8 + 1
_PATTERN = "journal.*"


def encode(record: Mapping[str, Any]) -> bytes:
    """A record as the bytes that stand in a journal.

    Raises:
        ValueError: It holds NaN or infinity, which JSON does not know.
    """
    payload = json.dumps(record, separators=(",", ":"), allow_nan=False).encode("ascii")
    size = b"%08x" % len(payload)
    return _MARK + size + b"%08x " % crc32(size + payload) + payload + b"\n"


def parse(data: bytes) -> tuple[list[Record], int]:
    """The whole records of a stretch of journal.

    Args:
        data: Bytes of a journal, of any origin: damaged and torn records are passed over.

    Returns:
        The records in their order, and how many bytes were used: what follows may be a record that another
        process is still writing.
    """
    found: list[Record] = []
    used = 0
    at = data.find(_MARK)
    while at >= 0:
        record, end = _record_at(data, at)
        if record is not None:
            found.append(record)
            used = end
        at = data.find(_MARK, end)
    return found, used


def _record_at(data: bytes, at: int) -> tuple[Record | None, int]:
    """The record whose mark stands at an offset, or None; and where to search on."""
    start = at + _HEAD
    try:
        size, crc = int(data[at + 1 : at + 9], 16), int(data[at + 9 : at + 17], 16)
    except ValueError:
        return None, at + 1
    end = start + size
    payload = data[start:end]
    # The line feed belongs to the record: with it a torn write cannot look complete.
    if data[end : end + 1] != b"\n" or crc32(data[at + 1 : at + 9] + payload) != crc:
        return None, at + 1
    try:
        record = json.loads(payload.decode("ascii"))
    except (ValueError, RecursionError):
        return None, at + 1
    return (record, end + 1) if isinstance(record, dict) else (None, at + 1)


def journals(folder: Path) -> list[Path]:
    """The journal files of a folder, in the order of their names, which is that of their making."""
    return sorted(folder.glob(_PATTERN))


def read(folder: Path) -> Iterator[Record]:
    """Every whole record of a folder, journal by journal."""
    for path in journals(folder):
        yield from parse(path.read_bytes())[0]


class Journal:
    """The journal of one writing process; its file is made with the first record.

    Use it as a context manager, or call `close`.

    Args:
        folder: Where its file lies; made where it is missing.
        full: What to say of a full disk instead of the usual.
    """

    def __init__(self, folder: Path, full: str = "") -> None:
        self._folder = folder
        self._full = full
        self._file: int | None = None
        self._end = 0
        self.path: Path | None = None

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Store records; on return they are on the disk.

        Args:
            records: They are written and synchronised together.

        Raises:
            DiskFull: There was no room; none of these records counts as stored.
            OSError: The disk failed otherwise.
        """
        data = b"".join(encode(record) for record in records)
        if not data:
            return
        with room_for(self._folder, self._full):
            try:
                if self._file is None:
                    self._file = self._create()
                write_all(self._file, data)
                os.fsync(self._file)
            except OSError:
                self._cut()
                raise
        self._end += len(data)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
        name = f"journal.{time.time_ns():020d}-{os.urandom(4).hex()}"
        self.path = self._folder / name
        file = os.open(self.path, flags, 0o644)
        sync_folder(self._folder)
        return file

    def _cut(self) -> None:
        """Take back what was written of records that did not fit; readers would pass over it anyway."""
        if self._file is None:
            return
        try:
            os.ftruncate(self._file, self._end)
        except OSError:
            return
