"""What every method promises, each promise as one function that raises `ContractError` where it is broken."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput
from qoslab.core.method import MethodEntry
from qoslab.core.outcome import Outcome
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed

__all__ = ["ContractError", "MethodCheck", "Sample", "method_checks", "registered_methods", "sample"]

MethodCheck = Callable[[MethodEntry], None]

_MANY = 64
"""Length of the longest list of seeds that a run is called with."""


_DRAWS = 4
"""Seeds among which not all may give the same numbers."""


class ContractError(AssertionError):
    """A method or domain breaks a promise of the contract; the message names it and the promise."""


@dataclass(frozen=True)
class Sample:
    """A method at work in the contract tests: its domain, the domain's small scenario, and an instance."""

    domain: Domain
    scenario: Scenario
    method: Any

    def run(self, seeds: Sequence[Seed], context: Context | None = None) -> list[Outcome]:
        """The outcomes of the method on the small scenario, one per seed."""
        run = self.domain.run_function()
        return list(run(self.scenario, self.method, seeds, context or Context()))


def sample(entry: MethodEntry) -> Sample:
    """The method with its example's parameters (else its defaults) on its domain's small scenario.

    Raises:
        ContractError: A parameter has no default, so nobody can try the method without reading about it.
    """
    domain = registry.domain(entry.domain)
    required = [f.name for f in dataclasses.fields(entry.cls) if _required(f)]
    _demand(not required, entry, f"parameter {', '.join(required)} has no default: give every parameter one")
    return Sample(domain, domain.example_scenario(), entry.cls(**entry.example))


def registered_methods(domain: str | None = None) -> list[MethodEntry]:
    """Every registered method, or those of one domain, for `pytest.mark.parametrize`."""
    domains = [registry.domain(domain)] if domain else registry.domains()
    return [entry for one in domains for entry in registry.methods(one.name)]


def method_checks() -> list[MethodCheck]:
    """The promises of a method, in the order in which their failure is easiest to understand."""
    return [
        has_a_page_to_show,
        constructor_only_stores,
        survives_pickling,
        rejects_unknown_parameters,
        rejects_bad_values,
        gives_one_outcome_per_seed,
        reports_only_declared_metrics,
        is_deterministic,
        leaves_its_inputs_alone,
        does_not_depend_on_the_list_of_seeds,
        does_not_depend_on_kept_series,
        keeps_its_time_limit,
    ]


def seeds(count: int) -> list[Seed]:
    """Seeds of the contract tests."""
    return [Seed(0, "contract", "", replication) for replication in range(count)]


def has_a_page_to_show(entry: MethodEntry) -> None:
    """A summary of one line, and a docstring that explains every parameter."""
    _demand(bool(entry.summary) and "\n" not in entry.summary, entry, "needs a summary of one line")
    text = entry.cls.__doc__ or ""
    _demand(not text.startswith(f"{entry.cls.__name__}("), entry, "its class needs a docstring")
    unexplained = [f.name for f in dataclasses.fields(entry.cls) if f"{f.name}:" not in text]
    _demand(not unexplained, entry, f"its docstring does not explain {', '.join(unexplained)}")
    cited = entry.origin != "paper" or "@" in entry.citation
    _demand(cited, entry, "origin 'paper' needs the paper's BibTeX as citation")


def constructor_only_stores(entry: MethodEntry) -> None:
    """Two instances of the same parameters are equal, and hold their parameters and nothing else."""
    first, second = sample(entry).method, sample(entry).method
    _demand(first == second, entry, "two instances with the same parameters differ")
    names = {f.name for f in dataclasses.fields(entry.cls)}
    extra = set(getattr(first, "__dict__", {})) - names
    _demand(not extra, entry, f"its constructor keeps {sorted(extra)} beside its parameters")


def survives_pickling(entry: MethodEntry) -> None:
    """A worker process receives the method and the scenario unchanged."""
    given = sample(entry)
    for what in (given.method, given.scenario):
        back = pickle.loads(pickle.dumps(what))
        _demand(back == what, entry, f"{type(what).__name__} changes when it is sent to a worker process")


def rejects_unknown_parameters(entry: MethodEntry) -> None:
    """A parameter that does not exist is refused by its name."""
    from qoslab.core.located import validate_dataclass

    try:
        validate_dataclass(entry.cls, {"no_such_parameter": 1})
    except BadInput as error:
        _demand("no_such_parameter" in str(error), entry, "the refusal does not name the parameter")
    else:
        _demand(False, entry, "an unknown parameter is accepted")  # noqa: FBT003


def rejects_bad_values(entry: MethodEntry) -> None:
    """A value of no fitting type, no number, or just past a declared limit is refused by its parameter's name."""
    from qoslab.core.located import validate_dataclass

    for name, hint in get_type_hints(entry.cls, include_extras=True).items():
        for value in _bad_values(hint):
            try:
                validate_dataclass(entry.cls, {name: value})
            except BadInput as error:
                _demand(name in str(error), entry, f"the refusal of {value!r} does not name {name!r}")
            else:
                _demand(False, entry, f"parameter {name!r} accepts {value!r}")  # noqa: FBT003


def gives_one_outcome_per_seed(entry: MethodEntry) -> None:
    """As many outcomes as seeds, in their order."""
    given = sample(entry)
    _demand(len(given.run(seeds(2))) == 2, entry, "two seeds did not give two outcomes")
    _demand(given.run([]) == [], entry, "no seeds did not give no outcomes")


def reports_only_declared_metrics(entry: MethodEntry) -> None:
    """Metrics are finite (an `Outcome` refuses others), declared by the domain, and there is at least one."""
    given = sample(entry)
    outcome = given.run(seeds(1))[0]
    declared = {metric.name for metric in given.domain.metrics}
    unknown = {name for name in outcome.metrics if name.partition("[")[0] not in declared}
    _demand(not unknown, entry, f"reports metrics its domain does not declare: {sorted(unknown)}")
    _demand(bool(outcome.metrics), entry, "reports no metric")


def is_deterministic(entry: MethodEntry) -> None:
    """The same seed gives the same numbers; another seed is another draw of the world."""
    given = sample(entry)
    drawn = _numbers(given.run(seeds(_DRAWS)))
    _demand(drawn == _numbers(given.run(seeds(_DRAWS))), entry, "two runs of one seed differ")
    _demand(
        any(one != drawn[0] for one in drawn), entry, f"{_DRAWS} seeds give one outcome: it ignores its seed"
    )


def leaves_its_inputs_alone(entry: MethodEntry) -> None:
    """Neither the method nor the scenario nor the seeds change during a run."""
    given = sample(entry)
    ours = seeds(2)
    before = copy.deepcopy((given.scenario, given.method, ours))
    given.run(ours)
    _demand((given.scenario, given.method, ours) == before, entry, "a run changed its inputs")


def does_not_depend_on_the_list_of_seeds(entry: MethodEntry) -> None:
    """A seed gives the same outcome alone, as one of two, and as one of 64."""
    given = sample(entry)
    many = _numbers(given.run(seeds(_MANY)))
    _demand(
        _numbers(given.run(seeds(2))) == many[:2], entry, "outcomes differ between lists of 2 and 64 seeds"
    )
    alone = [_numbers(given.run([seed]))[0] for seed in (seeds(_MANY)[0], seeds(_MANY)[-1])]
    _demand(alone == [many[0], many[-1]], entry, "outcomes differ between a seed alone and one of 64")


def does_not_depend_on_kept_series(entry: MethodEntry) -> None:
    """Keeping series for figures changes no metric."""
    given = sample(entry)
    kept = given.run(seeds(1), Context(keep_series=True))
    plain = given.run(seeds(1))
    _demand(dict(kept[0].metrics) == dict(plain[0].metrics), entry, "keeping series changes the metrics")


def keeps_its_time_limit(entry: MethodEntry) -> None:
    """A run whose time is over stops with `TimeLimitExceeded`."""
    given = sample(entry)
    late = Context(time_limit_s=0.0, started=time.monotonic() - 1.0)
    try:
        given.run(seeds(1), late)
    except TimeLimitExceeded:
        return
    _demand(False, entry, "a run whose time is over goes on: call context.check_time()")  # noqa: FBT003


class _Nothing:
    """A value that fits no type."""

    def __repr__(self) -> str:
        return "a value of no fitting type"


def _bad_values(hint: Any) -> Iterator[Any]:
    """Values that a parameter of this annotation must refuse."""
    yield _Nothing()
    bounds: list[Any] = []
    kinds = set(_parts(hint, bounds))
    if float in kinds:
        yield math.nan
    if kinds & {int, float} and str not in kinds:
        yield "no number"
    if any(get_origin(kind) is Literal for kind in kinds):
        yield "no such choice"
    for bound in bounds:
        for attribute, step in (("gt", 0), ("lt", 0), ("ge", -1), ("le", 1)):
            limit = getattr(bound, attribute, None)
            if isinstance(limit, int | float):
                yield limit + step


def _parts(hint: Any, bounds: list[Any]) -> Iterator[Any]:
    """The alternatives of an annotation; limits that hold for its only alternative are collected on the way."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        for extra in extras:
            bounds.extend([extra, *getattr(extra, "metadata", ())])
        yield from _parts(inner, bounds)
    elif get_origin(hint) in {Union, types.UnionType}:
        for inner in get_args(hint):
            yield from _parts(inner, bounds)
    else:
        yield hint


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _numbers(outcomes: Sequence[Outcome]) -> list[tuple[dict[str, float], dict[str, int]]]:
    return [(dict(outcome.metrics), dict(outcome.counters)) for outcome in outcomes]


def _demand(condition: bool, entry: MethodEntry, message: str) -> None:  # noqa: FBT001
    if not condition:
        complaint = f"{entry.id}: {message}"
        raise ContractError(complaint)
