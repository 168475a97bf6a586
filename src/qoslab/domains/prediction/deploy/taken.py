"""The folder of measurements that a server takes in: whose they are, whether it can be written, what of it is whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import room_for, write_whole
from qoslab.core.journal import encode, journals, parse
from qoslab.domains.prediction.deploy.desk import Desk
from qoslab.domains.prediction.deploy.kept import About, KeptModel

__all__ = ["check_folder", "claim", "damaged", "open_desk"]

_OWNER = "of.json"
"""File that says of which model the measurements of a folder are."""

_MARK = encode({})[:1]


def check_folder(folder: Path, about: About) -> None:
    """Make sure that a folder is no other model's and takes what will be delivered; it is made where it is missing.

    Args:
        folder: Where measurements are kept.
        about: The model's description.

    Raises:
        BadInput: It is the folder of another model, or cannot be written.
        DiskFull: There is no room.
    """
    _check_owner(folder, about)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def claim(folder: Path, about: About) -> None:
    """Make the folder that of a model: once what it holds was taken in, and before anything is acknowledged.

    Args:
        folder: Where measurements are kept; made where it is missing.
        about: The model's description.

    Raises:
        BadInput: It is the folder of another model, or cannot be written.
        DiskFull: There is no room.
    """
    check_folder(folder, about)
    with _writing(folder):
        if not (folder / _OWNER).exists():
            write_whole(folder / _OWNER, json.dumps(_owner(about)).encode())


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        with room_for(folder):
            yield
    except OSError as error:
        message = f"measurements cannot be kept in {str(folder)!r}: {error.strerror or error}"
        raise BadInput(Problem(message=message, field="journal", hint="name another folder")) from None


def open_desk(model: KeptModel, folder: Path) -> Desk:
    """A desk that knows what was delivered before; nothing is written until something is delivered.

    Raises:
        BadInput: The folder is that of another model, or what it holds is no measurement.
    """
    _check_owner(folder, model.about)
    return Desk(model, folder)


def damaged(folder: Path) -> int:
    """How many records of a folder are torn or damaged; they are passed over."""
    total = 0
    for path in journals(folder):
        data = path.read_bytes()
        # A record is one line and begins with a mark: damage of either leaves the other to be counted.
        written = max(data.count(_MARK), len(data.splitlines()))
        total += written - len(parse(data)[0])
    return total


def _owner(about: About) -> dict[str, object]:
    return {"sha256": about.sha256, "parameters": list(about.parameters)}


def _check_owner(folder: Path, about: About) -> None:
    path = folder / _OWNER
    try:
        owner = json.loads(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, ValueError) as error:
        message = f"it cannot be read: {error}"
        raise BadInput(Problem(message=message, path=path, field="journal")) from None
    if owner is not None and owner != _owner(about):
        hint = (
            f"name another folder, or delete {str(path)!r} and have them taken in by this model all the same"
        )
        message = "these measurements were delivered to another model"
        raise BadInput(Problem(message=message, path=folder, field="journal", hint=hint))
