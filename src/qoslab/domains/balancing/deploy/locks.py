"""Locks that end with their process: one controller for one backend."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from qoslab.core.errors import BadInput, Problem

__all__ = ["Lock", "ProxyLock"]


class Lock:
    """A lock on a file that is there only while somebody holds it.

    Args:
        path: The file; its folder exists.
        backend: The backend that it stands for.
    """

    def __init__(self, path: Path, backend: str) -> None:
        self._path, self._backend = path, backend
        self._lock: int | None = None

    def take(self) -> None:
        """Make sure that nobody else holds it.

        Raises:
            BadInput: Somebody does.
            OSError: The file cannot be made.
        """
        while self._lock is None:
            lock = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                message = f"backend {self._backend!r} is being steered already"
                raise BadInput(Problem(message=message, field="backend")) from None
            # Whoever held it may have taken the file away since it was opened: a lock on no file keeps nobody out.
            if _is_open_as(self._path, lock):
                self._lock = lock
            else:
                os.close(lock)

    def release(self) -> None:
        """Let others have it; the file goes, too."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


class ProxyLock:
    """One controller for one backend of one process of a proxy, by whatever socket it is reached.

    Its file lies in the folder for temporary files, and so it holds among the controllers of one user.

    Args:
        backend: The backend's name.
        tell: Called with a note where no lock can be had.
    """

    def __init__(self, backend: str, tell: Callable[[str], None]) -> None:
        self._backend, self._tell, self._process = backend, tell, ""
        self._lock: Lock | None = None

    def follow(self, process: str) -> None:
        """Hold the lock for this process, and no longer that for the one before.

        Args:
            process: The proxy's process, by its number and start.

        Raises:
            BadInput: Somebody else steers the backend.
        """
        if process == self._process:
            return
        key = hashlib.sha256(f"{process}\n{self._backend}".encode()).hexdigest()[:16]
        lock = Lock(Path(tempfile.gettempdir()) / f"qoslab-steer-{os.getuid()}-{key}.lock", self._backend)
        try:
            lock.take()
        except OSError as error:
            self._tell(f"whether somebody else steers this backend cannot be told: {error}")
            self.release()
        else:
            self.release()
            self._lock = lock
        self._process = process

    def release(self) -> None:
        """Let others steer."""
        if self._lock is not None:
            self._lock.release()
        self._lock, self._process = None, ""


def _is_open_as(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
