"""Readers of the two binary formats that image sets come in: IDX (MNIST, EMNIST) and CIFAR-10's batches."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem

__all__ = ["read_cifar", "read_idx"]

Bytes = NDArray[np.uint8]

_UNSIGNED_BYTE = 8
_MOST_BYTES = 1 << 31
_CIFAR_PIXELS = 3 * 32 * 32


def read_idx(path: str | Path) -> Bytes:
    """An IDX file of unsigned bytes, packed by gzip or not, as an array of the shape it declares.

    The format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a
    big-endian 32-bit number, then the values, the last dimension running fastest.

    Raises:
        BadInput: It is no IDX file of bytes, or longer or shorter than it says.
    """
    content = _content(Path(path))
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
    parts = []
    for path in paths:
        content = np.frombuffer(_content(Path(path)), np.uint8)
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
