"""Lines of plain or compressed text files, in bounded memory, whatever the file holds."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qoslab.core.errors import BadInput, Problem

__all__ = ["Limits", "chunks", "lines"]

_BLOCK = 1 << 18


@dataclass(frozen=True)
class Limits:
    """How much a file may be.

    Attributes:
        bytes: Decompressed bytes in all.
        ratio: Decompressed bytes per byte of a compressed file, beyond the first 64 MiB. Logs reach about 50.
        line: Bytes of a line; the rest of a longer one is dropped.
        lzma_memory: Bytes an xz stream may ask for.
    """

    bytes: int = 1 << 36
    ratio: int = 400
    line: int = 1 << 15
    lzma_memory: int = 1 << 28


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...


def lines(path: Path, limits: Limits | None = None) -> Iterator[tuple[int, bytes, bool]]:
    """Lines of a text file, decompressed where it is gzip, bzip2 or xz (told from its first bytes).

    Args:
        path: The file.
        limits: Bounds.

    Yields:
        The 1-based number of the line, its bytes without line end, and whether it was whole.

    Raises:
        BadInput: The file cannot be read or decompressed, or is beyond its limits.
    """
    limits = limits or Limits()
    number, rest, cut = 1, b"", False
    for block in chunks(path, limits):
        parts = block.split(b"\n")
        for part in parts[:-1]:
            line = part if not rest else rest + part
            whole = not cut and len(line) <= limits.line
            yield number, line[: limits.line].rstrip(b"\r"), whole
            number, rest, cut = number + 1, b"", False
        rest += parts[-1]
        if len(rest) > limits.line:
            rest, cut = rest[: limits.line], True
    if rest:
        yield number, rest.rstrip(b"\r"), not cut


def chunks(path: Path, limits: Limits | None = None) -> Iterator[bytes]:
    """The bytes of a file in blocks, decompressed; the same errors as `lines`."""
    limits = limits or Limits()
    if not path.is_file():
        message = "is a folder, not a file" if path.is_dir() else "there is no such file"
        raise BadInput(Problem(message=message, path=path))
    total = 0
    try:
        most = min(limits.bytes, (1 << 26) + limits.ratio * path.stat().st_size)
        for block in _blocks(path, limits):
            total += len(block)
            if total > most:
                message = f"holds more than {most:,} bytes when decompressed"
                raise BadInput(Problem(message=message, path=path, hint="split it, or check what it is"))
            yield block
    except (OSError, zlib.error, lzma.LZMAError, EOFError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise BadInput(Problem(message=f"cannot be read: {words}", path=path)) from None


def _blocks(path: Path, limits: Limits) -> Iterator[bytes]:
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        if not head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
            while block := file.read(_BLOCK):
                yield block
            return
        decoder = _decoder(head, limits)
        pending = b""
        while True:
            data = pending or file.read(_BLOCK)
            if not data:
                if not decoder.eof:
                    message = "the compressed data ends too early"
                    raise EOFError(message)
                return
            if decoder.eof:
                # Members may follow each other (rotated logs are often joined so); zeros may pad the end.
                data = data.lstrip(b"\0")
                if not data:
                    pending = b""
                    continue
                decoder = _decoder(head, limits)
            out = decoder.decompress(data, _BLOCK)
            if out:
                yield out
            yield from _drained(decoder)
            pending = decoder.unused_data if decoder.eof else b""


def _drained(decoder: _Decoder) -> Iterator[bytes]:
    """What a decoder still holds back because of the bound on a block."""
    while not decoder.eof:
        held = getattr(decoder, "unconsumed_tail", b"")
        if not held and getattr(decoder, "needs_input", True):
            return
        out = decoder.decompress(held, _BLOCK)
        if not out and not held:
            return
        if out:
            yield out


def _decoder(head: bytes, limits: Limits) -> _Decoder:
    if head.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31)
    if head.startswith(b"BZh"):
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(memlimit=limits.lzma_memory)
