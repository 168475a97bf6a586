"""What every domain promises, each promise as one function that raises `ContractError` where it is broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from qoslab.core.context import Context
from qoslab.core.domain import Domain, load
from qoslab.core.errors import Problem, problem_in
from qoslab.core.metric import unit_suffix
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed
from qoslab.testing.methods import ContractError

__all__ = ["DomainCheck", "domain_checks"]

DomainCheck = Callable[[Domain], None]


def domain_checks() -> list[DomainCheck]:
    """The promises of a domain."""
    return [
        everything_named_exists,
        metrics_are_well_named,
        verify_can_be_called,
        nothing_is_wrong_with_the_example,
        the_example_is_warmed,
        figures_draw_the_example,
        commands_have_help,
        protocol_is_offered,
        scenario_fields_are_explained,
        baseline_is_a_method,
        quickstart_is_a_valid_study,
    ]


def everything_named_exists(domain: Domain) -> None:
    """Every import path leads somewhere, and the scenario is a `Scenario`."""
    optional = [target for target in (domain.verify, domain.warm, domain.protocol, domain.check) if target]
    targets = [domain.scenario, domain.run, domain.example, *optional]
    targets += [command.target for command in domain.commands] + [figure.target for figure in domain.figures]
    for target in targets:
        try:
            load(target)
        except (ImportError, AttributeError) as error:
            _fail(domain, f"{target!r} does not exist: {error}")
    for path in (domain.quickstart_path(), domain.skeleton_path()):
        if path is not None and not path.is_file():
            _fail(domain, f"there is no file {path.name!r} beside its `__init__.py`")
    if not issubclass(domain.scenario_type(), Scenario):
        _fail(domain, "its scenario is no subclass of qoslab.core.scenario.Scenario")


def metrics_are_well_named(domain: Domain) -> None:
    """Names are unique, lower case, and every metric is explained."""
    names = [metric.name for metric in domain.metrics]
    if len(set(names)) != len(names) or not names:
        _fail(domain, "needs metrics with unique names")
    for metric in domain.metrics:
        if not metric.name.isidentifier() or metric.name != metric.name.lower() or not metric.summary:
            _fail(domain, f"metric {metric.name!r} needs a lower-case identifier and a summary")
        if not metric.has_its_suffix:
            suffix = unit_suffix(metric.unit)
            _fail(domain, f"metric {metric.name!r} is in {metric.unit!r}: its name must end in {suffix!r}")


def verify_can_be_called(domain: Domain) -> None:
    """The verify function takes `quick` and `context` by name; it is not run, since it may be slow."""
    function = domain.verify_function()
    if function is None:
        return
    try:
        inspect.signature(function).bind(quick=True, context=Context())
    except TypeError as error:
        _fail(domain, f"verify must be callable as verify(quick=..., context=...): {error}")
    if not inspect.isgeneratorfunction(function):
        _fail(domain, "verify must `yield` its checks, each as it ends")


def nothing_is_wrong_with_the_example(domain: Domain) -> None:
    """The check function takes a scenario, and has nothing to say of the small one."""
    try:
        found: list[Any] = list(domain.faults(domain.example_scenario(), [Seed()]))
    except Exception as error:
        _fail(domain, str(problem_in(error, Path.cwd(), "check")))
    for one in found:
        if not isinstance(one, Problem):
            _fail(domain, f"check must yield a Problem for each fault, not {type(one).__name__}")
        _fail(domain, f"check finds fault with the example: {one}")


def the_example_is_warmed(domain: Domain) -> None:
    """Compiling in advance takes no cases, and the small scenario under the baseline, named twice."""
    if domain.warm is None:
        return
    function = load(domain.warm)
    try:
        inspect.signature(function).bind([], Context())
    except TypeError as error:
        _fail(domain, f"warm must be callable as warm(cases, context): {error}")
    case = domain.example_scenario(), registry.method(domain.name, domain.baseline).cls()
    for cases in ([], [case, case]):
        try:
            function(cases, Context())
        except Exception as error:
            _fail(domain, str(problem_in(error, Path.cwd(), "warm")))


def figures_draw_the_example(domain: Domain) -> None:
    """Every figure draws the small scenario's outcome, by the baseline, with the series it needs.

    The first two seeds are run; the figure gets the same rows and series as in a report.
    """
    if not domain.figures:
        return
    rows, series = _example_table(domain)
    for figure in domain.figures:
        missing = [name for name in figure.needs if name not in series]
        if missing:
            _fail(domain, f"figure {figure.name!r} needs series {missing}, which the example does not give")
        try:
            drawn = load(figure.target)(rows, {name: series[name] for name in figure.needs})
        except Exception as error:
            problem = problem_in(error, Path.cwd(), f"figure {figure.name!r}")
            _fail(domain, str(problem))
        if drawn is not None and not hasattr(drawn, "savefig"):
            _fail(domain, f"figure {figure.name!r} gave {type(drawn).__name__}, not a matplotlib Figure")


def commands_have_help(domain: Domain) -> None:
    """Every command is a function whose parameters have types and a line each in its docstring."""
    for command in domain.commands:
        function = load(command.target)
        text = inspect.getdoc(function) or ""
        if not text:
            _fail(domain, f"command {command.name!r} needs a docstring: it is the command's help")
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.annotation is inspect.Parameter.empty:
                _fail(domain, f"command {command.name!r}: parameter {name!r} needs a type")
            if f"{name}:" not in text:
                _fail(
                    domain, f"command {command.name!r}: its docstring does not explain {name!r} under `Args:`"
                )


def protocol_is_offered(domain: Domain) -> None:
    """Every registered method offers what the domain's protocol asks for."""
    for entry in registry.methods(domain.name):
        lacks = domain.lacking(entry.cls)
        if lacks is not None:
            _fail(domain, f"{entry.id}: {lacks}")


def _example_table(domain: Domain) -> tuple[Any, dict[str, Any]]:
    """Rows and series of the small scenario under the baseline, as a report would hand them to a figure."""
    import polars as pl

    method = registry.method(domain.name, domain.baseline).cls()
    seeds = [Seed(0, "contract", "", replication) for replication in range(2)]
    outcomes = domain.run_function()(domain.example_scenario(), method, seeds, Context(keep_series=True))
    rows: list[dict[str, Any]] = []
    series: dict[str, list[Any]] = {}
    for seed, outcome in zip(seeds, outcomes, strict=True):
        place = {"scenario": "", "method": domain.baseline, "replication": seed.replication}
        rows.append(place | {"status": "done", "reason": ""} | dict(outcome.metrics))
        for name, columns in outcome.series.items():
            keys = [pl.lit(value).alias(key) for key, value in place.items()]
            series.setdefault(name, []).append(pl.DataFrame(dict(columns)).select(*keys, pl.all()))
    table = pl.DataFrame(rows).with_columns(caveat=pl.lit(None, pl.String))
    return table, {name: pl.concat(parts) for name, parts in series.items()}


def scenario_fields_are_explained(domain: Domain) -> None:
    """Every field of the scenario, at any depth, has a description; a tag with one possible value needs none."""
    for path, description in _fields(domain.scenario_type()):
        if not description:
            _fail(domain, f"scenario field {path!r} has no description")


def baseline_is_a_method(domain: Domain) -> None:
    """The default baseline and the methods that next steps are for are registered."""
    named = (step[0] for step in domain.next_steps if step[0] != "*")
    for method in (domain.baseline, *named):
        registry.method(domain.name, method)


def quickstart_is_a_valid_study(domain: Domain) -> None:
    """The quick-start study passes `qoslab check`."""
    from qoslab.study.study import Study

    path = domain.quickstart_path()
    if path is not None:
        Study.from_file(path)


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    for name, field in model.model_fields.items():
        if not (get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1):
            yield prefix + name, field.description
        for part in _models(field.annotation):
            yield from _fields(part, f"{prefix}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _fail(domain: Domain, message: str) -> None:
    complaint = f"{domain.name}: {message}"
    raise ContractError(complaint)
