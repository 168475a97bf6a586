"""The results of a study, read back from their folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from qoslab.core.errors import BadInput
from qoslab.study.cases import Kept, MethodCase
from qoslab.study.journal import Record
from qoslab.study.keep import STUDY, kept_method_file
from qoslab.study.series import read_series
from qoslab.study.spec import ReportTable
from qoslab.study.store import Store
from qoslab.study.table import load_table, make_table, metric_columns, rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Results", "StudySummary", "default_results"]


@dataclass(frozen=True)
class StudySummary:
    """What results know of their study; neither the study file nor its domain needs to be there.

    Attributes:
        name: Its name.
        domain: Name of its domain.
        seeds: Replications of every scenario and method.
        seeds_planned: How many there were to be before a run until a precision added some.
        seed: Root of all random numbers.
        time_limit_s: Wall seconds that a trial may take.
        report: The `[report]` table.
        scenarios: Labels of the scenarios.
        methods: The methods.
        text: The study file.
        overrides: Values that were set from outside the file.
        recorded: What each scenario replays for every seed; empty where it draws everything.
        file: Name of the study file; None for a study made in Python.
    """

    name: str
    domain: str
    seeds: int
    seeds_planned: int
    seed: int
    time_limit_s: float
    report: ReportTable
    scenarios: tuple[str, ...]
    methods: tuple[MethodCase, ...]
    text: bytes = field(repr=False)
    overrides: Mapping[str, str]
    recorded: tuple[str, ...] = ()
    file: str | None = None


def default_results(study_file: str | Path) -> Path:
    """The usual results folder of a study file: `NAME.results` beside it."""
    path = Path(study_file)
    return path.with_name(f"{path.stem}.results")


class Results:
    """A results folder.

    Attributes:
        path: The folder.
        study: What was run.
        table: One row per trial; its columns stand in `docs/concepts/studies.md`.
        plan: The plan as it stands in the journal.
        interrupted: Whether the run that gave them was stopped before its end.
    """

    def __init__(
        self,
        path: Path,
        table: pl.DataFrame,
        plan: Record,
        store: Store | None = None,
        *,
        interrupted: bool = False,
    ) -> None:
        self.path = path
        self.table = table
        self.plan = plan
        self.interrupted = interrupted
        self._kept = store

    def __repr__(self) -> str:
        """The study's name, how many trials have which status, and the folder."""
        status = self.table["status"].value_counts().sort("count", descending=True)
        counts = ", ".join(f"{count} {name}" for name, count in status.iter_rows())
        return (
            f"<{type(self).__name__} of {self.study.name!r}: {counts or 'no trial'}; in {str(self.path)!r}>"
        )

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a results folder; it is only read, even while a run adds to it.

        Args:
            path: The folder.

        Raises:
            BadInput: It holds no results.
        """
        folder = Path(path)
        if (kept := load_table(folder)) is not None:
            return cls(folder, *kept)
        return cls.of(Store(folder))

    @classmethod
    def of(cls, store: Store, *, interrupted: bool = False) -> Self:
        """The results in an open folder.

        Raises:
            BadInput: It holds none.
        """
        if store.plan is None:
            message = f"there are no results in {str(store.folder)!r}"
            raise BadInput(message)
        return cls(store.folder, make_table(store), store.plan, store, interrupted=interrupted)

    @property
    def _store(self) -> Store:
        """The journals; read only where the table is not enough."""
        if self._kept is None:
            self._kept = Store(self.path)
        return self._kept

    @property
    def study(self) -> StudySummary:
        """What was run."""
        plan = self.plan
        study = plan["study"]
        path = self.path / STUDY
        return StudySummary(
            name=study["name"],
            domain=study["domain"],
            seeds=study["seeds"],
            seeds_planned=study.get("seeds_planned", study["seeds"]),
            seed=study["seed"],
            time_limit_s=study["time_limit_s"],
            report=ReportTable.model_validate(study["report"]),
            scenarios=tuple(case["label"] for case in plan["scenarios"]),
            methods=tuple(_method(self.path, study["domain"], case) for case in plan["methods"]),
            text=path.read_bytes() if path.is_file() else b"",
            overrides=study["overrides"],
            recorded=tuple(case.get("recorded", "") for case in plan["scenarios"]),
            file=study.get("file"),
        )

    def records(self) -> list[tuple[Record, Record, Record]]:
        """The rows of the table as the journal has them, each with its scenario and its method in the plan."""
        return list(rows(self._store, self.plan))

    def trainings(self) -> dict[str, Record]:
        """The trainings that the table's rows rest on, by fingerprint."""
        pairs = {record["pair"] for record, _, _ in self.records()}
        return {name: one for name, one in self._store.trainings.items() if one["pair"] in pairs}

    def run_record(self, name: str) -> Record:
        """What is common to all rows of one run: versions, commit."""
        return self._store.runs.get(name, {"kind": "run", "id": name, "at": "", "versions": "{}", "git": ""})

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
        names = metric_columns(self.plan["metrics"], self.table.columns)
        columns = ["scenario", "method", "replication", "seed_path", "status", *names]
        state = blake2b(digest_size=16)
        for row in sorted(self.table.select(columns).rows(), key=lambda row: row[:3]):
            state.update(repr([_exact(value) for value in row]).encode())
        return state.hexdigest()


def _method(folder: Path, domain: str, case: Record) -> MethodCase:
    file = kept_method_file(folder, case["content"], case["file"]) if case.get("file") else None
    name = case["id"].partition("/")[2]
    return MethodCase(case["label"], case["id"], case["varied"], Kept(file, domain, name, case["params"]))


def _exact(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value
