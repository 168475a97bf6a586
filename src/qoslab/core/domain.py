"""A field of work: its scenario type, its run function, what it measures, draws and offers."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from qoslab.core.errors import BadInput, Problem, did_you_mean, problem_in
from qoslab.core.metric import Direction, Metric

if TYPE_CHECKING:
    from typing_extensions import TypeIs

    from qoslab.core.check import Check
    from qoslab.core.context import Context
    from qoslab.core.outcome import Outcome
    from qoslab.core.scenario import Scenario
    from qoslab.core.seeds import Seed

__all__ = [
    "CheckFunction",
    "Command",
    "Domain",
    "FigureEntry",
    "FitFunction",
    "RunFunction",
    "SeededCheckFunction",
    "VerifyFunction",
    "WarmFunction",
    "load",
]


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


class WarmFunction(Protocol):
    """Compiles in advance.

    Its cases are the pairs of a scenario and a method that have trials to do. An exception keeps no study from
    running: its trials then compile themselves, and tell what is wrong.
    """

    def __call__(self, cases: Sequence[tuple[Any, Any]], context: Context) -> None: ...  # noqa: D102


class CheckFunction(Protocol):
    """Says what is wrong with a scenario beyond its values: what its parts do not allow one another, or its files hold.

    It runs nothing and yields a `Problem` for each; `field` is the dotted place in the scenario, such as
    `requests.0.source`. Its files are at hand, its datasets need not be.
    """

    def __call__(self, scenario: Any) -> Iterable[Problem]: ...  # noqa: D102


class SeededCheckFunction(Protocol):
    """A `CheckFunction` with a second parameter `seeds`, by its name: it may say which replications cannot be.

    It is given the seeds of the study's replications, in their order.
    """

    def __call__(self, scenario: Any, seeds: Iterable[Seed]) -> Iterable[Problem]: ...  # noqa: D102


class FitFunction(Protocol):
    """Says what of a method does not fit a scenario, such as a list that is not as long as something of the network.

    It runs nothing and yields a `Problem` for each; `field` is the dotted place in the method. Only methods that are at
    hand as instances are looked at, and only with scenarios that nothing is wrong with.
    """

    def __call__(self, scenario: Any, method: Any) -> Iterable[Problem]: ...  # noqa: D102


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
    it stands, rows (dictionaries, dataclasses, a polars frame) as a table, with `--json` anything as JSON; a
    whole number is the exit code.
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
        warm: Import path of a function `(cases, context)` that compiles what runs of these cases need into the
            cache on disk, or reads it from there, each kernel once (see `WarmFunction`). A study calls it once,
            before any trial's time counts.
        verify: Import path of the verify function (see `VerifyFunction`).
        quickstart: File name, beside the domain's `__init__.py`, of the study that `demo` starts from.
        skeleton: File name, beside the domain's `__init__.py`, of the method file that `new --method` writes.
        next_steps: For a verdict: a method's name, the command that puts it to work, and, where "To put {method} to
            work" does not say it, what the command is for; those of `*` are for methods without one of their own. In
            a command `{study}`, `{method}`, `{metric}`, `{limit}` (what the method reached) and `{set}` (values of
            grids) stand for the study's own; it is left out where the study has no such value.
        protocol: Import path of a class whose public methods are what every method of the domain offers; a
            study says which one a method lacks before anything runs.
        check: Import path of a function that says what is wrong with a scenario (see `CheckFunction` and
            `SeededCheckFunction`).
        alarms: Counters that a verdict tells of where they are above 0: pairs of the counter's name and its meaning.
        fit: Import path of a function that says what of a method does not fit a scenario (see `FitFunction`).
        caveats: Counters that are 1 in a trial whose figures are not what they seem: pairs of the counter's name and
            what follows `METHOD at CASE` in a sentence. A verdict says so where most trials of a method in a case are.

    Raises:
        TypeError: A field has a wrong type; all of them are named.
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
    next_steps: tuple[tuple[str, str] | tuple[str, str, str], ...] = ()
    protocol: str | None = None
    check: str | None = None
    alarms: tuple[tuple[str, str], ...] = ()
    fit: str | None = None
    caveats: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse fields of a wrong type, where the author can still see which line wrote them."""
        wrong = list(_wrong_fields(self))
        if wrong:
            message = f"Domain {self.name!r}: " + "; ".join(wrong)
            raise TypeError(message)

    def scenario_type(self) -> type[Scenario]:
        """The domain's scenario class.

        Raises:
            BadInput: The import path leads nowhere, or its module fails; so for all that is loaded here.
        """
        return cast("type[Scenario]", self.loaded("scenario"))

    def run_function(self) -> RunFunction:
        """The domain's run function."""
        return cast("RunFunction", self.loaded("run"))

    def verify_function(self) -> VerifyFunction | None:
        """The domain's verify function, or None."""
        return cast("VerifyFunction", self.loaded("verify")) if self.verify else None

    def check_function(self) -> CheckFunction | SeededCheckFunction | None:
        """The domain's check function, or None."""
        return cast("CheckFunction | SeededCheckFunction", self.loaded("check")) if self.check else None

    def faults(self, scenario: Scenario, seeds: Iterable[Seed]) -> Iterable[Problem]:
        """What the check function finds wrong with a scenario; nothing without one.

        Args:
            scenario: The scenario.
            seeds: Those of its replications, for a function that asks for them.
        """
        look = self.check_function()
        if look is None:
            return ()
        return look(scenario, seeds) if _asks_for_seeds(look) else look(scenario)

    def fit_function(self) -> FitFunction | None:
        """The domain's function for what does not fit, or None."""
        return cast("FitFunction", self.loaded("fit")) if self.fit else None

    def example_scenario(self) -> Scenario:
        """The small scenario of the contract tests."""
        return cast("Scenario", self.loaded("example")())

    def loaded(self, part: str) -> Any:
        """What the import path in a field leads to.

        Args:
            part: Name of the field, such as `run`.

        Raises:
            BadInput: The module or the name does not exist, or the module fails while it is imported.
        """
        return load_part(getattr(self, part), f"domain {self.name!r}, {part}")

    def offered(self) -> dict[str, str]:
        """What every method of the domain offers: call signatures by name; empty without a protocol."""
        if self.protocol is None:
            return {}
        kind = self.loaded("protocol")
        names = [name for name in vars(kind) if not name.startswith("_") and callable(getattr(kind, name))]
        return {name: f"{name}({', '.join(_parameters(getattr(kind, name)))})" for name in names}

    def lacking(self, method: Any) -> str | None:
        """What a method lacks of its domain's protocol, as a sentence; None where it is complete.

        Args:
            method: A method's instance or class.
        """
        calls = self.offered()
        missing = [name for name in calls if not callable(getattr(method, name, None))]
        if not missing:
            return None
        kind = method if isinstance(method, type) else type(method)
        return f"{self.name} methods offer {', '.join(calls.values())}; {kind.__name__} has no {', '.join(missing)}"

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


def load_part(target: str, what: str) -> Any:
    """The object that `package.module:name` names, or one sentence on why there is none.

    Args:
        target: Import path, a colon, and the name within the module.
        what: Whose import path this is, such as `domain 'coin', run`.

    Raises:
        BadInput: The module or the name does not exist, or the module fails while it is imported.
    """
    path, _, name = target.partition(":")
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not (path == error.name or path.startswith(f"{error.name}.")):
            raise
        message = f"{what}: {target!r} leads nowhere: there is no module {error.name!r}"
        raise BadInput(message) from None
    except (SyntaxError, NameError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise BadInput(problem_in(error, Path.cwd(), f"{what}: {target!r}")) from None
    if not hasattr(module, name):
        message = f"{what}: {target!r} leads nowhere: module {path!r} has no {name!r}"
        raise BadInput(Problem(message=message, hint=did_you_mean(name, vars(module))))
    return getattr(module, name)


def _asks_for_seeds(function: CheckFunction | SeededCheckFunction) -> TypeIs[SeededCheckFunction]:
    """Whether a check function has a second parameter `seeds`; those without a signature, built in, have none."""
    try:
        return list(inspect.signature(function).parameters)[1:2] == ["seeds"]
    except (TypeError, ValueError):
        return False


def _parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_LISTS: dict[str, tuple[type, str]] = {
    "metrics": (Metric, "Metric(name, unit, direction, summary)"),
    "figures": (FigureEntry, "FigureEntry(name, target, summary)"),
    "commands": (Command, "Command(name, target, summary)"),
}


def _wrong_fields(domain: Domain) -> Iterator[str]:
    if not isinstance(domain.name, str) or not _NAME.fullmatch(domain.name):
        yield "name must be lower-case letters, digits and underscores, beginning with a letter"
    for name in ("scenario", "run", "example", "warm", "verify", "protocol", "check", "fit"):
        optional = name in {"warm", "verify", "protocol", "check", "fit"}
        yield from _wrong_target(name, getattr(domain, name), optional=optional)
    for name in ("summary", "methods", "baseline"):
        if not isinstance(getattr(domain, name), str) or not getattr(domain, name):
            yield f"{name} is {getattr(domain, name)!r}, must be text"
    for name in ("quickstart", "skeleton"):
        if not isinstance(getattr(domain, name), str | None):
            yield f"{name} is {getattr(domain, name)!r}, must be a file name"
    for name, (kind, example) in _LISTS.items():
        yield from _wrong_list(name, getattr(domain, name), kind, example)
    yield from _wrong_rows("next_steps", domain.next_steps, "(method, command)", lengths=(2, 3))
    yield from _wrong_rows("alarms", domain.alarms, "(counter, meaning)", lengths=(2,))
    yield from _wrong_rows("caveats", domain.caveats, "(counter, meaning)", lengths=(2,))
    for metric in domain.metrics if isinstance(domain.metrics, tuple) else ():
        if isinstance(metric, Metric) and metric.direction not in get_args(Direction):
            yield f"metric {metric.name!r} has direction {metric.direction!r}, must be lower, higher or neither"


def _wrong_target(name: str, value: object, *, optional: bool = False) -> Iterator[str]:
    if (value is not None or not optional) and not (isinstance(value, str) and _TARGET.fullmatch(value)):
        yield f"{name} is {value!r}, must be an import path `package.module:name`"


def _wrong_rows(name: str, value: Any, example: str, *, lengths: tuple[int, ...]) -> Iterator[str]:
    if not isinstance(value, tuple):
        yield f"{name} is {value!r}, must be a tuple of {example}"
        return
    for number, row in enumerate(value):
        if not (
            isinstance(row, tuple) and len(row) in lengths and all(isinstance(word, str) for word in row)
        ):
            yield f"{name}[{number}] is {row!r}, must be {example}"


def _wrong_list(name: str, value: Any, kind: type, example: str) -> Iterator[str]:
    if not isinstance(value, tuple):
        comma = " (a tuple of one needs a comma: (item,))" if isinstance(value, kind) else ""
        yield f"{name} is {value!r}, must be a tuple of {example}{comma}"
        return
    for number, item in enumerate(value):
        if not isinstance(item, kind):
            yield f"{name}[{number}] is {item!r}, must be {example}"
        elif isinstance(item, FigureEntry | Command):
            yield from _wrong_target(f"{name}[{number}].target", item.target)
            needs: Any = getattr(item, "needs", ())
            if not isinstance(needs, tuple):
                yield f"{name}[{number}].needs is {needs!r}, must be a tuple of names: ({needs!r},)"
