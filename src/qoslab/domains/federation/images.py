"""Readers of the binary formats that image sets come in: IDX (MNIST, EMNIST), CIFAR-10's batches, and archives of them.

Members of archives are read where they lie: nothing is unpacked to the disk, and no name in one is used as a path.
"""

from __future__ import annotations

import gzip
import math
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem

__all__ = ["CIFAR_BATCHES", "Bytes", "read_cifar", "read_cifar_archive", "read_emnist_archive", "read_idx"]

Bytes = NDArray[np.uint8]

_UNSIGNED_BYTE = 8
_MOST_BYTES = 1 << 31
_CIFAR_PIXELS = 3 * 32 * 32

CIFAR_BATCHES = tuple(f"cifar-10-batches-bin/data_batch_{k}.bin" for k in range(1, 6))
"""Members of CIFAR-10's archive: 10,000 training images each."""


def read_idx(path: str | Path) -> Bytes:
    """An IDX file of unsigned bytes, packed by gzip or not, as an array of the shape it declares.

    The format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit number, then the values, the last dimension running fastest.

    Raises:
        BadInput: It is no IDX file of bytes, or longer or shorter than it says.
    """
    return _idx(_content(Path(path)), path)


def read_emnist_archive(path: str | Path, split: str) -> tuple[Bytes, Bytes]:
    """The training images of a split of EMNIST, shape (n, 28, 28), upright, and their classes from 0 on, shape (n,).

    The archive holds two gzip-packed IDX files for each split, images with rows and columns exchanged; classes of
    `letters` are counted from 1 there.

    Args:
        path: gzip.zip.
        split: balanced, byclass, bymerge, digits, letters or mnist.

    Raises:
        BadInput: It is no such archive.
    """
    found = []
    for what in ("images-idx3", "labels-idx1"):
        name = f"gzip/emnist-{split}-train-{what}-ubyte.gz"
        try:
            with zipfile.ZipFile(path) as archive, archive.open(name) as packed, gzip.open(packed) as stream:
                content = stream.read(_MOST_BYTES)
        except (KeyError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
            raise _wrong(path, f"has no readable member {name}: {error}") from error
        found.append(_idx(content, path))
    images, labels = found
    return images.transpose(0, 2, 1), labels - labels.min(initial=255)


def _idx(content: bytes, path: str | Path) -> Bytes:
    if len(content) < 4 or content[:2] != b"\0\0":
        raise _wrong(path, "is no IDX file: it does not begin with two zero bytes")
    kind, dimensions = content[2], content[3]
    if kind != _UNSIGNED_BYTE:
        raise _wrong(path, f"holds values of type {kind}; unsigned bytes (8) are read")
    head = 4 + 4 * dimensions
    if dimensions == 0 or len(content) < head:
        raise _wrong(path, "ends within its header")
    shape = tuple(int(size) for size in np.frombuffer(content[4:head], ">u4"))
    if len(content) - head != math.prod(shape):
        raise _wrong(path, f"holds {len(content) - head} values and declares {' x '.join(map(str, shape))}")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def read_cifar(paths: Sequence[str | Path]) -> tuple[Bytes, Bytes]:
    """CIFAR-10's binary batches: images, shape (n, 3, 32, 32), and classes, shape (n,).

    A record is one byte of class, 0 to 9, and 1,024 bytes each of red, green and blue, row by row.

    Raises:
        BadInput: A file is no whole number of records, or names a class above 9.
    """
    return _batches([(path, _content(Path(path))) for path in paths])


def read_cifar_archive(path: str | Path) -> tuple[Bytes, Bytes]:
    """The 50,000 training images of cifar-10-binary.tar.gz, as `read_cifar` gives them.

    Raises:
        BadInput: It is no such archive.
    """
    found: list[tuple[str | Path, bytes]] = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for name in CIFAR_BATCHES:
                member = archive.extractfile(name)
                if member is None:
                    raise _wrong(path, f"has no file {name}")
                found.append((path, member.read(_MOST_BYTES)))
    except (KeyError, tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _wrong(path, f"is no archive of CIFAR-10's binary batches: {error}") from error
    return _batches(found)


def _batches(contents: Sequence[tuple[str | Path, bytes]]) -> tuple[Bytes, Bytes]:
    parts = []
    for path, raw in contents:
        content = np.frombuffer(raw, np.uint8)
        if not len(content) or len(content) % (1 + _CIFAR_PIXELS):
            raise _wrong(path, f"has {len(content)} bytes, no whole number of records of {1 + _CIFAR_PIXELS}")
        records = content.reshape(-1, 1 + _CIFAR_PIXELS)
        if records[:, 0].max() > 9:
            record = int(np.argmax(records[:, 0] > 9))
            raise _wrong(path, f"record {record} is of class {records[record, 0]}; there are 0 to 9")
        parts.append(records)
    whole = np.concatenate(parts)
    return whole[:, 1:].reshape(-1, 3, 32, 32), whole[:, 0]


def _content(path: Path) -> bytes:
    raw = path.read_bytes()
    if raw[:2] != b"\x1f\x8b":
        return raw
    try:
        with gzip.open(path) as stream:
            content = stream.read(_MOST_BYTES)
    except (EOFError, OSError, zlib.error) as error:
        raise _wrong(path, f"cannot be unpacked: {error}") from error
    return content


def _wrong(path: str | Path, what: str) -> BadInput:
    return BadInput(Problem(message=f"{Path(path).name} {what}", path=Path(path), field="scenario.data"))
