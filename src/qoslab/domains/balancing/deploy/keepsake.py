"""The keepsake: a proxy's original weights in a file, so that they can be put back even after a crash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from platformdirs import user_state_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.deploy.locks import Lock

__all__ = ["Keepsake", "Kept"]

_LONG = 2**16


class Kept(BaseModel):
    """What the file holds.

    Attributes:
        socket: The proxy's socket.
        backend: The backend's name.
        weights: Weights to put back, by server.
        process: The proxy's process that they were changed in; None where that was not kept.
        in_force: The weights in force, by server: before the last change, and after it; empty where they were not kept.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: str
    backend: str
    weights: dict[str, int] = Field(max_length=10_000)
    process: str | None = None
    in_force: dict[str, Annotated[list[int], Field(min_length=1)]] = Field(default={}, max_length=10_000)


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
        self._beside = self.path.with_suffix(".in_force")
        self._lock = Lock(self.path.with_suffix(".lock"), backend)
        self._written: dict[str, object] | None = None
        self._room = 0

    def lock(self) -> None:
        """Make sure that nobody else steers this backend; the lock ends with the process.

        Raises:
            BadInput: Somebody does, or the folder cannot be had.
        """
        folder = self.path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.take()
        except OSError as error:
            why = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
            message = f"no record of weights can be kept in {str(folder)!r}: {why}"
            hint = "name a folder with --state that you may write to, or that can be made"
            raise BadInput(Problem(message=message, field="state", hint=hint)) from None

    def unlock(self) -> None:
        """Let others steer; the lock's file goes, too."""
        self._lock.release()

    def read(self) -> Kept | None:
        """What an earlier run left to be put back; None where there is nothing.

        Raises:
            BadInput: The file cannot be read as such.
        """
        try:
            left = Kept.model_validate_json(self.path.read_bytes(), strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError) as error:
            message = f"no readable record of weights: {str(error).splitlines()[0]}"
            hint = "put the weights right by hand, then delete the file"
            raise BadInput(Problem(message=message, path=self.path, hint=hint)) from None

        beside = self._in_force()
        if beside is not None and beside.process == left.process:
            return left.model_copy(update={"in_force": beside.in_force})
        return left

    def _in_force(self) -> Kept | None:
        """The last whole line of the file beside; only the very last one can have been cut short by a kill."""
        with suppress(OSError):
            for line in reversed(self._beside.read_bytes().splitlines()[-2:]):
                with suppress(ValidationError):
                    return Kept.model_validate_json(line, strict=True)
        return None

    def write(
        self, weights: Mapping[str, int], process: str, in_force: Mapping[str, list[int]] | None = None
    ) -> None:
        """Keep the weights of a process of the proxy; their file is there whole or not at all.

        The weights outlive the machine's loss of power. What is in force, which changes each second and matters only
        while the proxy runs, lies in a file beside them that need not: a line for each change, of which the last whole
        one counts, and which is begun anew before it grows long. One that a kill cuts short is of a change that was
        not made yet.

        Args:
            weights: Weights to put back, by server.
            process: The proxy's process.
            in_force: The weights in force, by server: before the change that is to follow, and after it.

        Raises:
            OSError: A file cannot be written.
        """
        kept: dict[str, object] = {"socket": self._socket, "backend": self._backend}
        kept |= {"weights": dict(weights), "process": process}
        if kept != self._written:
            record = Kept(socket=self._socket, backend=self._backend, weights=dict(weights), process=process)
            _replace(self.path, record.model_dump_json(indent=1).encode(), durable=True)
            self._written, self._room = kept, 0
        line = to_json(kept | {"in_force": in_force or {}}) + b"\n"
        # Until this line is there whole, none may follow: what fails may leave half a line behind.
        room, self._room = self._room, 0
        if len(line) > room or not _append(self._beside, line):
            _replace(self._beside, line, durable=False)
            room = _LONG
        self._room = room - len(line)

    def forget(self) -> None:
        """The weights have been put back."""
        self.path.unlink(missing_ok=True)
        self._beside.unlink(missing_ok=True)
        self._written = None


def _append(path: Path, line: bytes) -> bool:
    """Add a line to a file; whether all of it was. Costs a fifth of replacing the file."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return False
    try:
        return os.write(file, line) == len(line)
    except OSError:
        return False
    finally:
        os.close(file)


def _replace(path: Path, text: bytes, *, durable: bool) -> None:
    """Write a file that is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
