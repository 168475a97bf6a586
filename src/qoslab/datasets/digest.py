"""Checksums of a file, read once."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["CHUNK_BYTES", "Digest", "digest_of"]

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Digest:
    r"""What a file's bytes are known by.

    Attributes:
        bytes: Length of the file.
        sha256: SHA-256 of its content, hexadecimal.
        git_sha1: SHA-1 of `blob <bytes>\0` and the content: the name git gives to these bytes. Many public
            datasets have no published checksum, but every copy of them in a git repository has this one.
    """

    bytes: int
    sha256: str
    git_sha1: str


def digest_of(path: Path) -> Digest:
    """The checksums of a file.

    Args:
        path: The file.

    Returns:
        All checksums from one reading.

    Raises:
        OSError: The file cannot be read, or its length changed while it was read.
    """
    with path.open("rb") as file:
        return digest_of_stream(file)


def digest_of_stream(file: BinaryIO) -> Digest:
    """The checksums of an open regular file, from its first byte whatever its position.

    Raises:
        OSError: The file's length changed while it was read.
    """
    size = os.fstat(file.fileno()).st_size
    sha256 = hashlib.sha256()
    # Git's name of a blob is an identifier fixed by git, not a choice of ours; hosts in FIPS mode allow it so.
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    file.seek(0)
    read = 0
    while chunk := file.read(CHUNK_BYTES):
        read += len(chunk)
        sha256.update(chunk)
        git.update(chunk)
    if read != size:
        message = f"{file.name} changed while it was read ({size} bytes, then {read})"
        raise OSError(message)
    return Digest(bytes=size, sha256=sha256.hexdigest(), git_sha1=git.hexdigest())
