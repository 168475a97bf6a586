"""Whole files or none, and what to say when there is no room for them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qoslab.core.errors import QoslabError

__all__ = ["DiskFull", "room_for", "sync_folder", "write_all", "write_whole"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFull(QoslabError):
    """There is no room to store results; what was stored before stays good."""


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Turn the system's complaint about a full disk into ours.

    Raises:
        DiskFull: There was no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        message = (
            f"no space left for results in {str(folder)!r}: every trial that was reported as finished is "
            "stored; free some space and run the same command again, it goes on where it stopped"
        )
        raise DiskFull(message) from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that readers see its old or its new content, never a part.

    Args:
        path: The file; its folder is made where it is missing.
        data: The content.

    Raises:
        DiskFull: There was no room; the old content stands.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    with room_for(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("xb") as file:
                write_all(file.fileno(), data)
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        sync_folder(path.parent)


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
