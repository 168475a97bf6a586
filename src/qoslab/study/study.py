"""A study: scenarios x methods x seeds, from a TOML file or from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.core.located import validate
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.study.build import Builder
from qoslab.study.cases import MethodCase, ScenarioCase
from qoslab.study.read import check_report, read_study
from qoslab.study.spec import ReportTable, SeriesKept, StudyTable

if TYPE_CHECKING:
    from qoslab.study.plan import Plan
    from qoslab.study.results import Results

__all__ = ["Study"]


@dataclass(frozen=True, init=False)
class Study:
    """Scenarios x methods x seeds of one domain.

    Attributes:
        name: Its name.
        domain: Name of its domain.
        scenarios: The scenarios, each under its label.
        methods: The methods, each under its label.
        seeds: Replications of every scenario and method.
        seeds_planned: How many there were to be before a run until a precision added some.
        seed: Root of all random numbers.
        time_limit_s: Wall seconds that a trial may take.
        train_limit_s: Wall seconds that a training may take.
        series: Which replications keep their series.
        report: What is asked of the results.
        path: The study file; None for a study made in Python.
        text: The study file's bytes.
        overrides: Values that were set from outside the file.
    """

    name: str
    domain: str
    scenarios: tuple[ScenarioCase, ...]
    methods: tuple[MethodCase, ...]
    seeds: int
    seeds_planned: int = field(compare=False)
    seed: int
    time_limit_s: float
    train_limit_s: float
    series: SeriesKept
    report: ReportTable
    path: Path | None = field(compare=False)
    text: bytes = field(repr=False, compare=False)
    overrides: Mapping[str, str]

    def __init__(
        self,
        *,
        name: str,
        domain: str,
        scenario: Scenario | Mapping[str, Any] | Sequence[Any],
        methods: Sequence[Any],
        seeds: int = 20,
        seed: int = 0,
        time_limit_s: float = 3600.0,
        train_limit_s: float = 86400.0,
        series: SeriesKept = "first",
        report: ReportTable | Mapping[str, Any] | None = None,
        path: Path | None = None,
        text: bytes = b"",
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """Put a study together in Python.

        Args:
            name: Its name; it stands in every seed.
            domain: Name of the domain.
            scenario: A scenario; a dictionary of its values, in which `{"grid": [...]}` may stand for any value;
                or a list of these.
            methods: Methods: an instance, a name, a pair of name and parameters (with grids, too), or a class
                of your own, such as a frozen dataclass from a notebook.
            seeds: Replications of every scenario and method.
            seed: Root of all random numbers.
            time_limit_s: Wall seconds that a trial may take.
            train_limit_s: Wall seconds that a training may take.
            series: Which replications keep their series.
            report: Values of the `[report]` table.
            path: The study file, where there is one.
            text: Its bytes.
            overrides: Values that were set from outside the file.

        Raises:
            BadInput: Anything is wrong; all problems are named at once.
        """
        table = validate(
            StudyTable,
            {
                "name": name,
                "domain": domain,
                "seeds": seeds,
                "seed": seed,
                "time_limit_s": time_limit_s,
                "train_limit_s": train_limit_s,
                "series": series,
            },
        )
        base = path.parent if path is not None else Path.cwd()
        build = Builder(registry.domain(domain), base, table=table)
        asked = report if isinstance(report, ReportTable) else validate(ReportTable, report or {})
        given = table.model_dump() | {
            "scenarios": build.scenarios(scenario),
            "methods": build.methods(methods),
            "report": asked,
            "path": path,
            "text": text,
            "seeds_planned": table.seeds,
            "overrides": dict(overrides or {}),
        }
        build.fit(given["scenarios"], given["methods"])
        check_report(build, asked, given["methods"])
        build.finish()
        for key, value in given.items():
            object.__setattr__(self, key, value)

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, str] | None = None) -> Study:
        """Read a study file. No user's file is executed.

        Args:
            path: The file.
            overrides: Values to set, by dotted name, such as `{"scenario.load": "0.9", "study.seeds": "5"}`;
                each is a TOML value, and text where it is none.

        Raises:
            BadInput: Anything is wrong with it; all problems are named at once, each with its line.
        """
        return read_study(Path(path), overrides or {})

    @property
    def results_path(self) -> Path:
        """The usual results folder: `NAME.results`, beside the study file or in the current folder."""
        if self.path is not None:
            return self.path.with_name(f"{self.path.stem}.results")
        return Path.cwd() / f"{self.name}.results"

    def plan(self, results: Path | None = None, *, data: Path | None = None) -> Plan:
        """See `qoslab.study.plan.plan`."""
        from qoslab.study.plan import plan

        return plan(self, results, data=data)

    def run(self, out: Path | None = None, **options: Any) -> Results:
        """See `qoslab.study.run.run`."""
        from qoslab.study.run import run

        return run(self, out, **options)

    def with_seeds(self, seeds: int) -> Study:
        """The same study with another number of replications; how many were planned stays as it is."""
        import copy

        other = copy.copy(self)
        object.__setattr__(other, "seeds", seeds)
        return other

    def with_precision(self, precision: float | None) -> Study:
        """The same study with another precision in its `[report]` table."""
        import copy

        other = copy.copy(self)
        object.__setattr__(other, "report", self.report.model_copy(update={"precision": precision}))
        return other

    def summary(self) -> dict[str, Any]:
        """What is common to all trials, as it stands in the journal."""
        return {
            "name": self.name,
            "domain": self.domain,
            "seeds": self.seeds,
            "seeds_planned": self.seeds_planned,
            "seed": self.seed,
            "time_limit_s": self.time_limit_s,
            "train_limit_s": self.train_limit_s,
            "series": self.series,
            "report": self.report.model_dump(),
            "overrides": dict(self.overrides),
            "file": self.path.name if self.path else None,
        }
