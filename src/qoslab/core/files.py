"""Whole files or none, and what to say when there is no room for them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from qoslab.core.errors import QoslabError

__all__ = ["DiskFull", "replacing", "room_for", "sync_folder", "write_all", "write_whole"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFull(QoslabError):
    """There is no room; what was stored before stays good."""


@contextmanager
def room_for(path: Path, message: str = "") -> Iterator[None]:
    """Turn the system's complaint about a full disk into ours.

    Args:
        path: What is written.
        message: What to say instead of the usual.

    Raises:
        DiskFull: There was no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        usual = f"no space left for {str(path)!r}: free some space and run the same command again"
        raise DiskFull(message or usual) from error


@contextmanager
def replacing(path: Path, message: str = "") -> Iterator[BinaryIO]:
    """Write a file so that readers see its old or its new content, never a part, even after a power cut.

    Args:
        path: The file; its folder exists.
        message: What to say of a full disk instead of the usual.

    Yields:
        A new file beside it, open for reading and writing, that takes its place at the end of the block; an exception
        in the block leaves the old content.

    Raises:
        DiskFull: There was no room.
        OSError: The folder is not there or cannot be written to.
    """
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}-{secrets.token_hex(4)}.part")
    with room_for(path, message):
        try:
            with beside.open("x+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise


def write_whole(path: Path, data: bytes, message: str = "") -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path, message) as file:
        file.write(data)


def write_all(file: int, data: bytes) -> None:
    """Write all bytes to a file descriptor, however many calls the system wants for that."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable, where the system offers that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
