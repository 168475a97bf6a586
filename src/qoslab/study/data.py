"""Where runs find their data files: the data room, reached by its import path as domains are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qoslab.core.domain import load

__all__ = ["DataFiles"]

_LOCATE = "qoslab.datasets.locate:locate"


@dataclass(frozen=True)
class DataFiles:
    """From `DATASET/FILE` to a verified local path; can be sent to a worker, which then looks by itself.

    Attributes:
        folder: A folder to look in first; then `QOSLAB_DATA` and the user's cache.
    """

    folder: Path | None = None

    def __call__(self, name: str) -> Path:
        """The path of a data file.

        Raises:
            MissingData: It is not on this machine.
            BadInput: There is no such dataset or file.
        """
        path: Path = load(_LOCATE)(name, data=self.folder).path
        return path
