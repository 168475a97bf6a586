"""What every domain promises, each promise as one function that raises `ContractError` where it is broken."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from qoslab.core.domain import Domain, load
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.testing.methods import ContractError

__all__ = ["DomainCheck", "domain_checks"]

DomainCheck = Callable[[Domain], None]


def domain_checks() -> list[DomainCheck]:
    """The promises of a domain."""
    return [
        everything_named_exists,
        metrics_are_well_named,
        scenario_fields_are_explained,
        baseline_is_a_method,
        quickstart_is_a_valid_study,
    ]


def everything_named_exists(domain: Domain) -> None:
    """Every import path leads somewhere, and the scenario is a `Scenario`."""
    targets = [domain.scenario, domain.run, domain.example, *([domain.verify] if domain.verify else [])]
    targets += [command.target for command in domain.commands] + [figure.target for figure in domain.figures]
    for target in targets:
        try:
            load(target)
        except (ImportError, AttributeError) as error:
            _fail(domain, f"{target!r} does not exist: {error}")
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


def scenario_fields_are_explained(domain: Domain) -> None:
    """Every field of the scenario, at any depth, has a description; a tag with one possible value needs none."""
    for path, description in _fields(domain.scenario_type()):
        if not description:
            _fail(domain, f"scenario field {path!r} has no description")


def baseline_is_a_method(domain: Domain) -> None:
    """The default baseline is a registered method."""
    registry.method(domain.name, domain.baseline)


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
