"""The journals of a results folder."""

from __future__ import annotations

from pathlib import Path

from qoslab.core import journal
from qoslab.core.journal import Record, encode, journals, parse, read
from qoslab.study.files import full_disk

__all__ = ["Journal", "Record", "encode", "journals", "parse", "read"]


class Journal(journal.Journal):
    """The journal of one process of a study; a full disk is told in a study's words."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, full_disk(folder))
