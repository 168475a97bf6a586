"""Unfinished files beside the one they will become.

Every part has a name of its own and its writer holds an advisory lock on it, which the kernel drops when the
writer dies, however it dies. So nobody ever waits: two processes that fetch one file write two parts and the
later `os.replace` puts the same bytes in place again; a part that nobody holds was left behind and may be resumed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from qoslab.datasets.errors import FetchError

__all__ = ["Part", "open_part"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN}


class Part:
    """A locked, growing file; made by `open_part`.

    Attributes:
        target: The file it will become.
        path: Where it lies until then.
        size: Bytes in it.
        validator: The server's word for the version these bytes are of (strong ETag or Last-Modified), or "".
    """

    def __init__(self, target: Path, path: Path, descriptor: int) -> None:
        self.target, self.path, self._descriptor = target, path, descriptor
        self.size = os.fstat(descriptor).st_size
        self.validator = ""

    def begin(self, url: str, validator: str) -> None:
        """Drop all bytes and start anew with the version of `url` that `validator` names."""
        os.ftruncate(self._descriptor, 0)
        self.size, self.validator = 0, validator
        note = json.dumps({"url": url, "validator": validator})
        with self._disk_errors():
            # Written before the first byte: bytes without a note are never resumed.
            temporary = self._note.with_suffix(".tmp")
            try:
                temporary.write_text(note, encoding="utf-8")
                os.replace(temporary, self._note)
            finally:
                temporary.unlink(missing_ok=True)

    def recall(self, url: str) -> None:
        """Keep the bytes only if they came from this address; else empty the part."""
        try:
            note = json.loads(self._note.read_bytes())
            same, validator = note["url"] == url, str(note["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            same, validator = False, ""
        if same:
            self.validator = validator
        else:
            os.ftruncate(self._descriptor, 0)
            self.size = 0

    def append(self, data: bytes) -> None:
        """Write bytes at the end.

        Raises:
            FetchError: The disk is full or a quota is reached; what was written stays and can be resumed.
        """
        view = memoryview(data)
        with self._disk_errors():
            while view:
                written = os.pwrite(self._descriptor, view, self.size)
                self.size += written
                view = view[written:]

    def publish(self) -> None:
        """Put the finished file in place at once, and clear away what nobody works on any more."""
        with self._disk_errors():
            os.fsync(self._descriptor)
        os.replace(self.path, self.target)
        self._note.unlink(missing_ok=True)
        folder = os.open(self.target.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # Some network disks cannot sync a folder.
                os.fsync(folder)
        finally:
            os.close(folder)
        for stray in _abandoned(self.target):
            stray.discard()
            stray.close()

    def discard(self) -> None:
        """Remove the part."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.size = 0

    def close(self) -> None:
        """Give up the lock; an empty part is removed, any other stays for the next attempt."""
        if self._descriptor < 0:
            return
        if self.size == 0 and _is_open_at(self._descriptor, self.path):
            self.discard()
        os.close(self._descriptor)
        self._descriptor = -1

    @property
    def _note(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            message = (
                f"no room for {self.target.name} in {self.target.parent} after {self.size} bytes "
                f"({error.strerror}); make room, or set QOSLAB_CACHE to a folder on another disk, and run the "
                "same command again"
            )
            raise FetchError(message) from error


@contextlib.contextmanager
def open_part(target: Path, *, resume: bool = True) -> Iterator[Part]:
    """The part to write a file's bytes to: the longest one left behind, else a new one.

    Args:
        target: The file it will become; its folder is made where absent.
        resume: Whether bytes left behind may be used.

    Yields:
        A part that no other process writes to.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = next(_abandoned(target), None) if resume else None
    if part is None:
        part = _new(target)
    try:
        yield part
    finally:
        part.close()


def _new(target: Path) -> Part:
    while True:
        path = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        # Where the disk has no locks (disks say so in many ways) the part is still ours alone by its name; it just
        # cannot be resumed.
        if _lock(descriptor) not in _TAKEN and _is_open_at(descriptor, path):
            return Part(target, path, descriptor)
        os.close(descriptor)  # Another process took it for abandoned between the two calls.


def _abandoned(target: Path) -> Iterator[Part]:
    """Parts of a file that nobody holds, the longest first; each is locked by us when it comes."""
    found: list[tuple[int, Path]] = []
    for path in target.parent.glob(glob.escape(target.name) + ".*.part"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_size, path))
    for _, path in sorted(found, reverse=True):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        # Without the second question we could hold a part that its owner has just renamed into place, and
        # write over the finished file.
        if _lock(descriptor) is None and _is_open_at(descriptor, path):
            yield Part(target, path, descriptor)
        else:
            os.close(descriptor)


def _lock(descriptor: int) -> int | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno
    return None


def _is_open_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except OSError:
        return False
