"""Reading a study file; everything that is wrong with it is said at once, each with its line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from qoslab.core.domain import Domain, load
from qoslab.core.errors import BadInput, did_you_mean
from qoslab.core.located import Located, read_toml, validate, with_overrides
from qoslab.core.registry import registry
from qoslab.core.scenario import dataset_names
from qoslab.study.build import Builder
from qoslab.study.cases import MethodCase, ScenarioCase
from qoslab.study.spec import ReportTable, StudyTable

if TYPE_CHECKING:
    from qoslab.study.study import Study

__all__ = ["check_datasets", "check_report", "read_study"]

_SECTIONS = ("study", "scenario", "method", "report")
_M = TypeVar("_M", bound=BaseModel)


def read_study(path: Path, overrides: Mapping[str, str]) -> Study:
    """See `Study.from_file`."""
    from qoslab.study.study import Study

    path = path.absolute()
    located = with_overrides(read_toml(path), overrides)
    reader = _Reader(located, path)
    parts = reader.read()
    return Study(**parts, path=path, text=path.read_bytes(), overrides=dict(overrides))


class _Reader:
    """Reads the sections of a file, as far as each can be understood."""

    def __init__(self, located: Located, path: Path) -> None:
        self._located = located
        self._tree = located.tree
        nothing = Domain("none", "none", "no:thing", "no:thing", (), "none", "none", "no:thing")
        self._build = Builder(nothing, path.parent, located)

    def read(self) -> dict[str, Any]:
        """The arguments of `Study`.

        Raises:
            BadInput: Anything is wrong.
        """
        for key in self._tree:
            if key not in _SECTIONS:
                hint = did_you_mean(key, _SECTIONS)
                self._build.blame((key,), "a study file has no such section", hint, key=True)
        study = self._section("study", StudyTable)
        report = self._section("report", ReportTable)
        domain = self._domain()
        scenarios: tuple[ScenarioCase, ...] = ()
        methods: tuple[MethodCase, ...] = ()
        if domain is not None:
            self._build.domain, self._build.table = domain, study
            scenarios = self._build.scenarios(self._tree.get("scenario", {}))
            methods = self._methods()
            self._build.fit(scenarios, methods)
            check_datasets(self._build, scenarios)
            # A label can be judged only where every method could be read.
            if report is not None:
                whole = len({case.label for case in methods}) >= len(self._tables())
                check_report(self._build, report, methods if whole else None)
        self._build.finish()
        assert study is not None
        return study.model_dump() | {"scenario": scenarios, "methods": methods, "report": report}

    def _section(self, name: str, model: type[_M]) -> _M | None:
        table = self._tree.get(name, {})
        if not isinstance(table, Mapping):
            self._build.blame((name,), f"is no table: begin it with [{name}]")
            return None
        try:
            return validate(model, table, self._located, (name,))
        except BadInput as error:
            self._build.problems += error.problems
            return None

    def _domain(self) -> Domain | None:
        table = self._tree.get("study")
        name = table.get("domain") if isinstance(table, Mapping) else None
        if not isinstance(name, str) or not name:
            return None
        try:
            return registry.domain(name)
        except BadInput as error:
            for problem in error.problems:
                self._build.blame(("study", "domain"), problem.message, problem.hint)
            return None

    def _tables(self) -> list[Any]:
        tables = self._tree.get("method", [])
        return tables if isinstance(tables, list) else []

    def _methods(self) -> tuple[MethodCase, ...]:
        tables = self._tree.get("method", [])
        if not isinstance(tables, list) or not all(isinstance(table, Mapping) for table in tables):
            self._build.blame(("method",), "is no array of tables: begin each method with [[method]]")
            return ()
        return self._build.methods(tables)


def check_report(build: Builder, report: ReportTable, methods: tuple[MethodCase, ...] | None) -> None:
    """Whether the metric and the baseline that a report names exist.

    Args:
        build: Takes note of problems.
        report: The table.
        methods: The study's methods; None where not all of them could be read.
    """
    metrics = [metric.name for metric in build.domain.metrics]
    if report.metric is not None and report.metric not in metrics:
        message = f"domain {build.domain.name!r} has no metric {report.metric!r}"
        build.blame(("report", "metric"), message, did_you_mean(report.metric, metrics))
    labels = None if methods is None else [case.label for case in methods]
    if report.baseline is not None and labels is not None and report.baseline not in labels:
        message = f"the study has no method labelled {report.baseline!r}"
        build.blame(("report", "baseline"), message, did_you_mean(report.baseline, labels))


def check_datasets(build: Builder, scenarios: tuple[ScenarioCase, ...]) -> None:
    """Whether the datasets that scenarios name are registered; they need not be on this machine."""
    for name in dict.fromkeys(name for case in scenarios for name in dataset_names(case.scenario)):
        try:
            load("qoslab.datasets.registry:resolve")(name)
        except BadInput as error:
            for problem in error.problems:
                build.blame(("scenario",), problem.message, problem.hint)
