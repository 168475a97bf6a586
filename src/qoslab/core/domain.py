"""A field of work: its scenario type, its run function, what it measures, draws and offers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from qoslab.core.metric import Metric

if TYPE_CHECKING:
    from qoslab.core.check import Check
    from qoslab.core.context import Context
    from qoslab.core.outcome import Outcome
    from qoslab.core.scenario import Scenario
    from qoslab.core.seeds import Seed

__all__ = ["Command", "Domain", "FigureEntry", "RunFunction", "VerifyFunction", "load"]


class RunFunction(Protocol):
    """Runs one method on one scenario for a list of seeds.

    It yields one `Outcome` per seed, in their order, each the same whatever the list: replicas and learned
    policies may be batched, but no outcome may depend on its neighbours. It calls `context.check_time()`.
    """

    def __call__(  # noqa: D102
        self, scenario: Any, method: Any, seeds: Sequence[Seed], context: Context
    ) -> Iterator[Outcome]: ...


class VerifyFunction(Protocol):
    """Checks a domain against closed forms and published figures; yields each check as it ends."""

    def __call__(self, *, quick: bool, context: Context) -> Iterator[Check]: ...  # noqa: D102


def load(target: str) -> Any:
    """The object that `package.module:name` names; the module is imported now.

    Args:
        target: Import path, a colon, and the name within the module.
    """
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Command:
    """A command of a domain, `qoslab DOMAIN NAME`: a plain typed function, imported when it is called.

    Its parameters with their types and docstring make the command line. What it returns is printed: text as
    it stands, anything else as a table or, with `--json`, as JSON.
    """

    name: str
    target: str
    summary: str


@dataclass(frozen=True)
class FigureEntry:
    """A figure of a domain: a function `(rows, series) -> matplotlib Figure`, or None when it has no data.

    `rows` is the table of results (polars, one row per trial, see `study/table.py`); `series` maps each
    series name in `needs` to a polars frame: its columns behind `scenario`, `method` and `replication`.
    """

    name: str
    target: str
    summary: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """A registered domain. Everything heavy stands behind an import path and is loaded on first use.

    Attributes:
        name: The domain's name, also its folder and its prefix in `DOMAIN/METHOD`.
        summary: One line.
        scenario: Import path of the `Scenario` subclass.
        run: Import path of the run function (see `RunFunction`).
        metrics: What every outcome may hold; the first is the default metric of a report.
        methods: The package whose modules register the domain's methods when they are imported.
        baseline: Name of the method that comparisons use when a study names none.
        example: Import path of a function without arguments that gives a small scenario, run within a second:
            contract tests use it, and it needs no data files.
        figures: The domain's figures in the order of the report.
        commands: The domain's own commands.
        warm: Import path of a function without arguments that compiles the domain's kernels into the cache on
            disk; a study calls it once before its workers start.
        verify: Import path of the verify function (see `VerifyFunction`).
        quickstart: File name, beside the domain's `__init__.py`, of the study that `demo` starts from.
        skeleton: File name, beside the domain's `__init__.py`, of the method file that `new --method` writes.
        next_steps: For a verdict: pairs of method name (or `*`) and the command that puts it to work.
    """

    name: str
    summary: str
    scenario: str
    run: str
    metrics: tuple[Metric, ...]
    methods: str
    baseline: str
    example: str
    figures: tuple[FigureEntry, ...] = ()
    commands: tuple[Command, ...] = ()
    warm: str | None = None
    verify: str | None = None
    quickstart: str | None = None
    skeleton: str | None = None
    next_steps: tuple[tuple[str, str], ...] = ()

    def scenario_type(self) -> type[Scenario]:
        """The domain's scenario class."""
        return cast("type[Scenario]", load(self.scenario))

    def run_function(self) -> RunFunction:
        """The domain's run function."""
        return cast("RunFunction", load(self.run))

    def verify_function(self) -> VerifyFunction | None:
        """The domain's verify function, or None."""
        return cast("VerifyFunction", load(self.verify)) if self.verify else None

    def example_scenario(self) -> Scenario:
        """The small scenario of the contract tests."""
        return cast("Scenario", load(self.example)())

    def quickstart_path(self) -> Path | None:
        """Where the quick-start study stands, or None."""
        return self._beside(self.quickstart)

    def skeleton_path(self) -> Path | None:
        """Where the skeleton of a method stands, or None."""
        return self._beside(self.skeleton)

    def _beside(self, name: str | None) -> Path | None:
        package = importlib.import_module(self.methods.rpartition(".")[0])
        return Path(str(package.__file__)).with_name(name) if name else None

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        A domain whose worlds name their own quantities (QoS parameters, classes of service) declares `mae` and
        reports `mae` over all of them and `mae[rt]` for one: the part in brackets belongs to the world.

        Raises:
            KeyError: The domain has no such metric.
        """
        base, _, part = name.partition("[")
        for metric in self.metrics:
            if metric.name == base:
                return (
                    replace(metric, name=name, summary=f"{metric.summary}, {part[:-1]}") if part else metric
                )
        raise KeyError(name)
