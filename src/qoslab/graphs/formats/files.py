"""Bounded reading and all-or-nothing writing of text files."""

from __future__ import annotations

from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import write_whole

__all__ = ["MAX_LINKS", "MAX_LIST_BYTES", "MAX_TREE_BYTES", "read_text", "write_text"]

MAX_LIST_BYTES = 256 * 2**20
"""Largest edge list that is read."""

MAX_TREE_BYTES = 64 * 2**20
"""Largest GraphML, GML or JSON file that is read: they are held in memory as trees."""

MAX_LINKS = 5_000_000
"""Most links of one network."""


def read_text(path: Path, limit: int) -> str:
    """The text of a UTF-8 file of at most `limit` bytes.

    Raises:
        BadInput: No such file, too large, not UTF-8.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise BadInput(Problem(path=path, message=message)) from None
    if len(data) > limit:
        message = f"is larger than {limit / 2**20:g} MiB, the most that is read of this format"
        raise BadInput(Problem(path=path, message=message, hint="an edge list may be larger"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(Problem(path=path, line=line, message="is not UTF-8 text")) from None


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole or not at all.

    Raises:
        BadInput: The folder does not exist or cannot be written to.
        DiskFull: There was no room; the old content stands.
    """
    try:
        write_whole(path, text.encode())
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise BadInput(Problem(path=path, message=message)) from None
