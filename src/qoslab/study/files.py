"""Files of a results folder: whole or none, durable, and what to say when there is no room for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qoslab.core import files
from qoslab.core.files import DiskFull

__all__ = ["DiskFull", "replacing", "room_for", "sync_folder", "write_all", "write_whole"]


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Turn the system's complaint about a full disk into ours.

    Raises:
        DiskFull: There was no room.
    """
    with files.room_for(folder, _full(folder)):
        yield


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file so that readers see its old or its new content, never a part.

    Args:
        path: The file; its folder is made where it is missing.

    Yields:
        A file that takes its place at the end of the block.

    Raises:
        DiskFull: There was no room; the old content stands.
    """
    with room_for(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path, _full(path.parent)) as file:
            yield file
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path) as file:
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


def _full(folder: Path) -> str:
    return (
        f"no space left for results in {str(folder)!r}: every trial that was reported as finished is "
        "stored; free some space and run the same command again, it goes on where it stopped"
    )
