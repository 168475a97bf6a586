"""Files of a results folder: whole or none, durable, and what to say when there is no room for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qoslab.core import files
from qoslab.core.files import DiskFull, sync_folder, write_all

__all__ = ["DiskFull", "full_disk", "replacing", "room_for", "sync_folder", "write_all", "write_whole"]


@contextmanager
def room_for(folder: Path) -> Iterator[None]:
    """Turn the system's complaint about a full disk into ours.

    Raises:
        DiskFull: There was no room.
    """
    with files.room_for(folder, full_disk(folder)):
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
        with files.replacing(path, full_disk(path.parent)) as file:
            yield file
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path) as file:
        file.write(data)


def full_disk(folder: Path) -> str:
    """What to say of a full disk."""
    return (
        f"no space left for results in {str(folder)!r}: every trial that was reported as finished is "
        "stored; free some space and run the same command again, it goes on where it stopped"
    )
