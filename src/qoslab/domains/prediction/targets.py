"""Where commands write what takes minutes or hours to make: looked at before, not after."""

from __future__ import annotations

import tempfile
from pathlib import Path

from qoslab.core.errors import BadInput, Problem

__all__ = ["check_target", "unwritable"]


def check_target(to: Path) -> None:
    """Make sure that a new file or folder can be made there, its missing parents with it.

    Raises:
        BadInput: It exists, or it cannot be made.
    """
    if to.exists():
        message = f"{str(to)!r} exists already"
        raise BadInput(Problem(message=message, field="to", hint="name a new one"))
    above = next(folder for folder in to.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise unwritable(to, error) from None


def unwritable(to: Path, error: OSError) -> BadInput:
    """What to say where it cannot be made."""
    return BadInput(Problem(message=f"{str(to)!r} cannot be written: {error.strerror or error}", field="to"))
