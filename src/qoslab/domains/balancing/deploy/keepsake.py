"""The keepsake: a proxy's original weights in a file, so that they can be put back even after a crash."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qoslab.core.errors import BadInput, Problem

__all__ = ["Keepsake", "Kept"]


class Kept(BaseModel):
    """What the file holds.

    Attributes:
        socket: The proxy's socket.
        backend: The backend's name.
        weights: Weights to put back, by server.
        process: The proxy's process that they were changed in; None where that was not kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: str
    backend: str
    weights: dict[str, int] = Field(max_length=10_000)
    process: str | None = None


class Keepsake:
    """Original weights of one backend, kept while it is steered.

    Args:
        socket: The proxy's socket.
        backend: The backend's name.
        folder: Where the file lies; the user's state folder by default.

    Attributes:
        path: The file.
    """

    def __init__(self, socket: Path, backend: str, folder: Path | None = None) -> None:
        self._socket, self._backend = str(socket.resolve()), backend
        key = hashlib.sha256(f"{self._socket}\n{backend}".encode()).hexdigest()[:16]
        self.path = (folder or user_state_path("qoslab")) / f"steer-{key}.json"
        self._lock: int | None = None

    def lock(self) -> None:
        """Make sure that nobody else steers this backend; the lock ends with the process.

        Raises:
            BadInput: Somebody does.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        path = self.path.with_suffix(".lock")
        while self._lock is None:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                message = f"backend {self._backend!r} is being steered already"
                raise BadInput(Problem(message=message, field="backend")) from None
            # Whoever held it may have taken the file away since it was opened: a lock on no file keeps nobody out.
            if _is_open_as(path, lock):
                self._lock = lock
            else:
                os.close(lock)

    def unlock(self) -> None:
        """Let others steer; the lock's file goes, too."""
        if self._lock is not None:
            self.path.with_suffix(".lock").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def read(self) -> Kept | None:
        """What an earlier run left to be put back; None where there is nothing.

        Raises:
            BadInput: The file cannot be read as such.
        """
        try:
            return Kept.model_validate_json(self.path.read_bytes(), strict=True)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            message = f"no readable record of weights: {str(error).splitlines()[0]}"
            hint = "put the weights right by hand, then delete the file"
            raise BadInput(Problem(message=message, path=self.path, hint=hint)) from None

    def write(self, weights: Mapping[str, int], process: str) -> None:
        """Keep the weights of a process of the proxy; the file is there whole or not at all."""
        kept = Kept(socket=self._socket, backend=self._backend, weights=dict(weights), process=process)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(kept.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def forget(self) -> None:
        """The weights have been put back."""
        self.path.unlink(missing_ok=True)


def _is_open_as(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
