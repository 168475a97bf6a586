"""Numba's function cache with our file names, our keys, and no way for a damaged or shared folder to do harm."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator
from numba.core.sigutils import normalize_signature
from numba.core.types import BaseNamedTuple, BaseTuple  # type: ignore[attr-defined]
from numba.core.types import FunctionType as PointerType

with contextlib.suppress(ImportError):  # systems without such locks
    import fcntl

__all__ = ["KernelCache"]

_LOCKS = "fcntl" in globals()
_PATIENCE_S = 120.0
"""How long a process waits for another that compiles the same kernel."""


class _Locator(_CacheLocator):  # type: ignore[misc]
    def __init__(self, place: Path, fingerprint: str) -> None:
        self._place, self._fingerprint = place, fingerprint
        self._py_file = str(place)

    def get_cache_path(self) -> str:
        return str(self._place)

    def get_source_stamp(self) -> str:
        return self._fingerprint

    def get_disambiguator(self) -> str:
        return self._fingerprint


class _Implementation(CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, function: FunctionType, place: Path, fingerprint: str) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(place, fingerprint)
        self._filename_base = f"{function.__name__}-{fingerprint}"


class _Files(IndexDataCacheFile):  # type: ignore[misc]
    """Index and data files that may be damaged.

    Each kernel has an index of its own, written by the process whose turn it is (`KernelCache`) and put in place whole.
    Where two write all the same, one entry may be forgotten: that kernel is compiled again.
    """

    def _data_name(self, number: int) -> str:
        return f"{super()._data_name(number)[:-4]}.{uuid.uuid4().hex[:8]}.nbc"

    def _load_index(self) -> dict[Any, str]:
        try:
            index: dict[Any, str] = super()._load_index()
        except Exception:  # whatever a damaged file makes the unpickler raise: the kernel is compiled again
            return {}
        return index

    def load(self, key: Any) -> Any | None:
        try:
            return super().load(key)
        except Exception:
            return None


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Cache of one kernel's compiled forms, one file each, found by fingerprint and argument types.

    Processes that miss one kernel at the same time take turns: the first compiles, the others wait and read what it
    kept. The workers of a study so compile a kernel once between them, whichever they need.
    """

    def __init__(self, function: FunctionType, place: Path, fingerprint: str) -> None:
        self._turn = _Turn(place, fingerprint)
        self._name, self._py_func = repr(function), function
        self._impl = _Implementation(function, place, fingerprint)
        self._cache_path = str(place)
        self._cache_file = _Files(
            cache_path=str(place), filename_base=self._impl.filename_base, source_stamp=fingerprint
        )
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any | None:
        """The compiled form for a signature; None where it is absent or cannot be read: then it is this process's turn.

        The turn lasts until `end_turn`.
        """
        found = self._read(sig, target_context)
        if found is None:
            self._turn.begin()
            found = self._read(sig, target_context)
        return found

    def end_turn(self) -> None:
        """Let other processes that need this kernel go on."""
        self._turn.end()

    def _read(self, sig: Any, target_context: Any) -> Any | None:
        try:
            return super().load_overload(sig, target_context)
        except Exception:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled form; a full or vanished disk costs only the next process's time."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        # Numba's own key pickles the cells of a closure, and with them the names that it gives dispatchers in each
        # process; what a cell holds is in the fingerprint.
        arguments, _ = normalize_signature(sig)
        return (sig, codegen.magic_tuple(), repr(sorted(_layouts(arguments))))


def _layouts(kinds: Any) -> Iterator[str]:
    """Field names of all NamedTuples in argument types: Numba's own key would not see two fields change places."""
    for kind in kinds:
        if isinstance(kind, BaseNamedTuple):
            yield f"{kind.instance_class.__qualname__}{kind.fields}"
        if isinstance(kind, BaseTuple):
            yield from _layouts(kind.types if hasattr(kind, "types") else [kind.dtype])
        if isinstance(kind, PointerType):
            yield from _layouts(kind.signature.args)


class _Turn:
    """A lock on one kernel among the processes that share a cache; the system frees it when its holder dies.

    It is a range of one byte, its place given by the fingerprint, of a file that each process keeps open. Where there
    is no such lock, or its holder is not done in time, this process goes on alone: that costs time only.
    """

    def __init__(self, place: Path, fingerprint: str) -> None:
        self._file = place / ".turns"
        self._byte = int.from_bytes(hashlib.blake2b(fingerprint.encode(), digest_size=6).digest())
        self._held = False

    def begin(self) -> None:
        """Wait for the turn."""
        handle = _opened(self._file)
        until = time.monotonic() + _PATIENCE_S
        while handle is not None and not self._held and time.monotonic() < until:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._byte)
                self._held = True
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                return

    def end(self) -> None:
        """Give it up."""
        handle = _opened(self._file)
        if self._held and handle is not None:
            self._held = False
            with contextlib.suppress(OSError):
                fcntl.lockf(handle, fcntl.LOCK_UN, 1, self._byte)


@functools.cache
def _opened(path: Path) -> int | None:
    """A handle that stays open: closing any handle of a file would free all locks that the process has on it."""
    if not _LOCKS:
        return None
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
