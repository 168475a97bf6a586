"""The results of a study, read back from their folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.core.errors import BadInput
from qoslab.study.journal import Record
from qoslab.study.keep import STUDY
from qoslab.study.series import read_series
from qoslab.study.spec import ReportTable
from qoslab.study.store import Store
from qoslab.study.table import load_table, make_table, rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Results", "StudySummary"]


@dataclass(frozen=True)
class StudySummary:
    """What results know of their study; needs neither the study file nor its domain.

    Attributes:
        name: Its name.
        domain: Name of its domain.
        seeds: Replications of every scenario and method.
        seed: Root of all random numbers.
        report: The `[report]` table.
        scenarios: Labels of the scenarios.
        methods: Methods' ids by label.
        overrides: Values that were set from outside the file.
    """

    name: str
    domain: str
    seeds: int
    seed: int
    report: ReportTable
    scenarios: tuple[str, ...]
    methods: Mapping[str, str]
    overrides: Mapping[str, str]


class Results:
    """A results folder.

    Attributes:
        path: The folder.
        study: What was run.
        table: One row per trial; its columns stand in `docs/concepts/studies.md`.
    """

    def __init__(self, path: Path, store: Store, table: pl.DataFrame) -> None:
        self.path = path
        self.table = table
        self._store = store

    @classmethod
    def open(cls, path: str | Path) -> Results:
        """Open a results folder; it is only read, even while a run adds to it.

        Args:
            path: The folder.

        Raises:
            BadInput: It holds no results.
        """
        folder = Path(path)
        store = Store(folder)
        if store.plan is None:
            message = f"there are no results in {str(path)!r}"
            raise BadInput(message)
        kept = load_table(folder, store.stamp())
        return cls(folder, store, kept if kept is not None else make_table(store))

    @property
    def plan(self) -> Record:
        """The plan as it stands in the journal."""
        plan = self._store.plan
        assert plan is not None
        return plan

    @property
    def study(self) -> StudySummary:
        """What was run."""
        plan = self.plan
        study = plan["study"]
        return StudySummary(
            study["name"],
            study["domain"],
            study["seeds"],
            study["seed"],
            ReportTable.model_validate(study["report"]),
            tuple(case["label"] for case in plan["scenarios"]),
            {case["label"]: case["id"] for case in plan["methods"]},
            study["overrides"],
        )

    @property
    def study_text(self) -> str:
        """The study file."""
        path = self.path / STUDY
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def records(self) -> list[tuple[Record, Record, Record]]:
        """The rows of the table as the journal has them, each with its scenario and its method in the plan."""
        return list(rows(self._store, self.plan))

    def series(self, name: str) -> pl.DataFrame:
        """A series of all trials that kept it.

        Args:
            name: Its name.

        Returns:
            Its columns behind `scenario`, `method` and `replication`; no rows where nobody kept it.
        """
        kept = ((record, scenario["label"], method["label"]) for record, scenario, method in self.records())
        return read_series(self.path, name, kept)

    def series_names(self) -> list[str]:
        """The names of all series that were kept."""
        return sorted({name for record, _, _ in self.records() for name in record["series"]})

    def digest(self) -> str:
        """A digest of scenarios, methods, seeds, status and metrics, whatever order and executor they ran in."""
        names = [name for name in self.plan["metrics"] if name in self.table.columns]
        columns = ["scenario", "method", "replication", "seed_path", "status", *names]
        state = blake2b(digest_size=16)
        for row in sorted(self.table.select(columns).rows(), key=lambda row: row[:3]):
            state.update(repr([_exact(value) for value in row]).encode())
        return state.hexdigest()


def _exact(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value
