"""A results folder as records: what every journal in it says, merged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qoslab.study.journal import Record, journals, parse

__all__ = ["Key", "Store"]

Key = tuple[str, str, int]
"""Labels of scenario and method, and the replication."""


class Store:
    """The merged journals of a results folder; `refresh` reads what was added since.

    Attributes:
        trials: The record that counts for each fingerprint: the finished one, else the last.
        latest: The last record of each scenario, method and replication, whatever its fingerprint.
        trainings: The record that counts for each training's fingerprint.
        plans: The plans, in the order of their time.
        runs: What is common to the rows of one run, by the run's name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trials: dict[str, Record] = {}
        self.latest: dict[Key, Record] = {}
        self.trainings: dict[str, Record] = {}
        self.plans: list[Record] = []
        self.runs: dict[str, Record] = {}
        self._read: dict[Path, int] = {}
        self.refresh()

    @property
    def plan(self) -> Record | None:
        """The last plan that was run; it says which rows make the table."""
        return self.plans[-1] if self.plans else None

    def refresh(self) -> None:
        """Read what this process and others have written since the last time."""
        for path in journals(self.folder):
            for record in self._new(path):
                self.add(record)

    def add(self, record: Record) -> None:
        """Take up one record; one of an unknown kind, from a later version, is passed over."""
        match record.get("kind"):
            case "trial":
                _keep_better(self.trials, record)
                self.latest[record["scenario"], record["method"], record["replication"]] = record
            case "training":
                _keep_better(self.trainings, record)
            case "plan":
                self.plans.append(record)
                self.plans.sort(key=lambda plan: int(plan["at"]))
            case "run":
                self.runs[record["id"]] = record

    def done(self, fingerprint: str) -> bool:
        """Whether a trial is finished and went well."""
        record = self.trials.get(fingerprint)
        return record is not None and record["status"] == "done"

    def _new(self, path: Path) -> Iterator[Record]:
        at = self._read.get(path, 0)
        if path.stat().st_size <= at:
            return
        with path.open("rb") as file:
            file.seek(at)
            records, used = parse(file.read())
        self._read[path] = at + used
        yield from records


def _keep_better(kept: dict[str, Record], record: dict[str, Any]) -> None:
    before = kept.get(record["fingerprint"])
    if before is None or before["status"] != "done":
        kept[record["fingerprint"]] = record
