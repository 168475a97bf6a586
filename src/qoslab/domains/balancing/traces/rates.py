"""Requests per second over days: series of rates from text files and archives."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.traces.sources import Limits, chunks

__all__ = ["read_rates"]

Reals = NDArray[np.float64]
_LIMITS = Limits(bytes=1 << 28)
_BLOCK = 1 << 18
_MEMBERS = 16
_LONGEST = 64


def read_rates(path: str | Path, *, start: int = 0, count: int | None = None) -> Reals:
    """A series of numbers, separated by blanks or lines.

    Args:
        path: A text file, plain or compressed, or a tar archive that holds one; of an archive the first regular
            file is read. 256 MiB of text at most.
        start: First number to take.
        count: How many to take; None for all.

    Returns:
        The numbers, not negative, shape (count,).

    Raises:
        BadInput: The file cannot be read, something in it is no number, or there are too few.
    """
    path = Path(path)
    parts, seen = [], 0
    last = None if count is None else start + count
    for numbers in _numbers(path):
        parts.append(numbers[max(0, start - seen) : None if last is None else max(0, last - seen)])
        seen += len(numbers)
        if last is not None and seen >= last:
            break
    found = np.concatenate(parts) if parts else np.zeros(0)
    if len(found) == 0 or (count is not None and len(found) < count):
        message = f"holds {seen} numbers, too few for start = {start}" + (
            f", count = {count}" if count else ""
        )
        raise BadInput(Problem(message=message, path=path))
    if not found.max() > 0:
        raise BadInput(Problem(message="all rates are zero there", path=path))
    return found


def _numbers(path: Path) -> Iterator[Reals]:
    rest, seen = b"", 0
    for block in _text(path):
        text = rest + block
        cut = max(text.rfind(b" "), text.rfind(b"\n"), text.rfind(b"\t"), text.rfind(b"\r"))
        rest, text = text[cut + 1 :], text[: max(cut, 0)]
        if len(rest) > _LONGEST:
            raise BadInput(Problem(message=f"number {seen + 1} is {rest[:20]!r}...", path=path))
        numbers = _parsed(text, path, seen)
        seen += len(numbers)
        yield numbers
    yield _parsed(rest, path, seen)


def _parsed(text: bytes, path: Path, seen: int) -> Reals:
    words = text.replace(b",", b" ").split()
    try:
        numbers = np.array(words, dtype="S32").astype(np.float64) if words else np.zeros(0)
    except ValueError:
        numbers = np.full(len(words), np.nan)
    if np.isfinite(numbers).all() and (len(numbers) == 0 or numbers.min() >= 0):
        return numbers
    for place, word in enumerate(words):
        if not _is_rate(word):
            shown = word[:20].decode("latin-1")
            hint = "rates are numbers, not negative, separated by blanks"
            raise BadInput(Problem(message=f"number {seen + place + 1} is {shown!r}", path=path, hint=hint))
    return np.array([float(word) for word in words])


def _is_rate(word: bytes) -> bool:
    try:
        return 0 <= float(word) < float("inf")
    except ValueError:
        return False


def _text(path: Path) -> Iterator[bytes]:
    """The text, out of an archive where it is one."""
    blocks = chunks(path, _LIMITS)
    first = next(blocks, b"")
    if first[257:262] != b"ustar":
        yield first
        yield from blocks
        return
    try:
        # Streamed: members are met one after the other and nothing is written to disk.
        with tarfile.open(
            fileobj=cast("IO[bytes]", _Stream(first, blocks)), mode="r|", bufsize=_BLOCK
        ) as archive:
            for number, member in enumerate(archive):
                if number >= _MEMBERS:
                    break
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    while block := file.read(_BLOCK):
                        yield block
                    return
    except tarfile.TarError as error:
        raise BadInput(Problem(message=f"cannot be read: {error}", path=path)) from None
    raise BadInput(Problem(message="holds no regular file", path=path))


class _Stream:
    """Blocks as a file that can be read forwards."""

    def __init__(self, first: bytes, blocks: Iterator[bytes]) -> None:
        self._held, self._blocks = first, blocks

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, fewer only at the end."""
        parts, have = [self._held], len(self._held)
        while size < 0 or have < size:
            block = next(self._blocks, b"")
            if not block:
                break
            parts.append(block)
            have += len(block)
        joined = b"".join(parts)
        cut = len(joined) if size < 0 else size
        self._held = joined[cut:]
        return joined[:cut]
