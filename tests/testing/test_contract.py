"""The contract, over everything that is registered; and that a broken method does not pass it."""

import importlib.util
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field

from qoslab.core.domain import Command, FigureEntry
from qoslab.core.method import MethodEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.testing import ContractError, domain_checks, method_checks, registered_methods
from qoslab.testing import domains as domain_contract
from qoslab.testing import methods as contract

PROBE = {"learn": "torch", "optimize": "cvxpy", "ray": "ray", "bench": "surprise"}
"""A module that tells whether an extra is installed."""

RUNS = {
    "gives_one_outcome_per_seed",
    "reports_only_declared_metrics",
    "is_deterministic",
    "leaves_its_inputs_alone",
    "does_not_depend_on_the_list_of_seeds",
    "does_not_depend_on_kept_series",
    "keeps_its_time_limit",
}
"""Checks that run the method, and so need its extra."""


@pytest.mark.parametrize("check", method_checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("entry", registered_methods(), ids=lambda entry: entry.id)
def test_every_method_keeps_the_contract(entry, check):
    probe = PROBE.get(entry.extra or "")
    if check.__name__ in RUNS and probe and importlib.util.find_spec(probe) is None:
        pytest.skip(f"needs the extra '{entry.extra}'")
    check(entry)


@pytest.mark.parametrize("check", domain_checks(), ids=lambda check: check.__name__)
@pytest.mark.parametrize("domain", registry.domains(), ids=lambda domain: domain.name)
def test_every_domain_keeps_the_contract(domain, check):
    check(domain)


def entry(cls, **changes):
    """A method of the influence domain that is registered nowhere."""
    values = {
        "domain": "influence",
        "name": "broken",
        "cls": cls,
        "summary": "broken on purpose",
        "citation": "",
        "information": None,
        "extra": None,
        "origin": "ours",
    }
    return MethodEntry(**(values | changes))


@dataclass(frozen=True)
class Base:
    """Chooses the first agents. No parameters."""

    def select(self, opinions, rng):
        return list(range(opinions.followers))


class Undocumented(Base):
    pass


Undocumented.__doc__ = "Undocumented()"


@dataclass(frozen=True)
class NoDefault(Base):
    """One parameter without a default.

    Attributes:
        size: a size.
    """

    size: int


@dataclass(frozen=True)
class Unexplained(Base):
    """A parameter that nobody explains."""

    size: int = 1


@dataclass(frozen=True)
class Keeps(Base):
    """Keeps more than its parameters. No parameters."""

    def __post_init__(self):
        object.__setattr__(self, "secret", 1)


@dataclass(frozen=True)
class Unpicklable(Base):
    """Cannot be sent to a worker.

    Attributes:
        function: a function.
    """

    function: object = lambda x: x


@dataclass(frozen=True)
class Restless(Base):
    """Draws from a generator that no seed rules. No parameters."""

    def select(self, opinions, rng):
        fresh = np.random.default_rng()
        return [int(i) for i in fresh.choice(len(opinions.gain), opinions.followers, replace=False)]


@dataclass(frozen=True)
class Credulous(Base):
    """Takes whatever it is given.

    Attributes:
        size: a size.
    """

    size: Any = 1


@dataclass(frozen=True)
class Vague(Base):
    """Refuses a value without saying which.

    Attributes:
        size: a size.
    """

    size: Any = 1

    def __post_init__(self):
        if self.size != 1:
            raise ValueError("no")


@dataclass(frozen=True)
class Lax(Base):
    """Declares a limit that its type takes back.

    Attributes:
        size: a size.
    """

    size: Annotated[float, Field(ge=0)] | float = 1.0


_CALLS: list[int] = []


@dataclass(frozen=True)
class Remembers(Base):
    """Chooses by how often it was called. No parameters."""

    def select(self, opinions, rng):
        _CALLS.append(1)
        return [len(_CALLS) % len(opinions.gain)]


@pytest.mark.parametrize(
    ("check", "cls", "message"),
    [
        (contract.has_a_page_to_show, Undocumented, "needs a docstring"),
        (contract.has_a_page_to_show, Unexplained, "does not explain size"),
        (contract.constructor_only_stores, NoDefault, "has no default"),
        (contract.constructor_only_stores, Keeps, "keeps \\['secret'\\]"),
        (contract.rejects_bad_values, Credulous, "'size' accepts a value of no fitting type"),
        (contract.rejects_bad_values, Vague, "does not name 'size'"),
        (contract.rejects_bad_values, Lax, "'size' accepts -1"),
        (contract.is_deterministic, Restless, "two runs of one seed differ"),
        (contract.does_not_depend_on_the_list_of_seeds, Remembers, "lists of 2 and 64|alone and one of 64"),
    ],
)
def test_a_broken_method_is_named(check, cls, message):
    with pytest.raises(ContractError, match=f"influence/broken: .*({message})"):
        check(entry(cls))


def test_a_method_that_ignores_its_seed_is_named(monkeypatch):
    """The influence domain's run, with every seed replaced by the first."""
    from qoslab.domains.influence import model

    real = model.run
    monkeypatch.setattr(model, "run", lambda s, m, seeds, c: real(s, m, [Seed()] * len(list(seeds)), c))
    with pytest.raises(ContractError, match="ignores its seed"):
        contract.is_deterministic(entry(Base))


def test_what_cannot_be_pickled_is_named():
    with pytest.raises((ContractError, Exception), match=r"pickle|lambda"):
        contract.survives_pickling(entry(Unpicklable))


def test_a_paper_needs_its_citation():
    with pytest.raises(ContractError, match="BibTeX"):
        contract.has_a_page_to_show(entry(Base, origin="paper"))
    contract.has_a_page_to_show(entry(Base, origin="paper", citation="@article{x}"))


def test_a_run_that_ignores_its_time_is_named(monkeypatch):
    """The influence domain's run with its clock taken away."""
    monkeypatch.setattr("qoslab.core.context.Context.check_time", lambda self: None)
    with pytest.raises(ContractError, match=r"call context\.check_time"):
        contract.keeps_its_time_limit(entry(Base))


def test_the_sound_method_passes_everything():
    for check in method_checks():
        check(entry(Base))


PREFIX = "qoslab.domains.influence."


@pytest.mark.parametrize(
    ("check", "changes", "message"),
    [
        (
            "metrics_are_well_named",
            {"metrics": (Metric("rate", "1/s", "higher", "x"),)},
            "must end in '_per_s'",
        ),
        ("metrics_are_well_named", {"metrics": ()}, "unique names"),
        ("everything_named_exists", {"skeleton": "nowhere.py.txt"}, "no file 'nowhere.py.txt'"),
        ("everything_named_exists", {"warm": PREFIX + "model:warm"}, "has no 'warm'|does not exist"),
        ("verify_can_be_called", {"verify": PREFIX + "model:distance"}, r"verify\(quick=..., context=...\)"),
        (
            "nothing_is_wrong_with_the_example",
            {"check": "qoslab.domains.entanglement.checking:check"},
            "fault with the example: network.directed",
        ),
        (
            "nothing_is_wrong_with_the_example",
            {"check": PREFIX + "model:make_opinions"},
            "check failed: TypeError",
        ),
        ("nothing_is_wrong_with_the_example", {"check": "builtins:list"}, "must yield a Problem"),
        (
            "the_example_is_warmed",
            {"warm": PREFIX + "scenario:example"},
            r"callable as warm\(cases, context\)",
        ),
        ("the_example_is_warmed", {"warm": PREFIX + "model:make_opinions"}, r"callable as warm\(cases"),
        ("the_example_is_warmed", {"warm": "json:dump"}, "has no attribute 'write'"),
        (
            "figures_draw_the_example",
            {"figures": (FigureEntry("f", PREFIX + "model:run", "x"),)},
            "figure 'f'",
        ),
        (
            "figures_draw_the_example",
            {"figures": (FigureEntry("f", PREFIX + "figures:distance_by_rank", "x", ("nothing",)),)},
            r"needs series \['nothing'\]",
        ),
        (
            "commands_have_help",
            {"commands": (Command("c", PREFIX + "model:make_opinions", "x"),)},
            "does not explain 'scenario'",
        ),
        ("protocol_is_offered", {"protocol": "qoslab.domains.prediction.model:Predictor"}, "has no predict"),
    ],
)
def test_a_broken_domain_is_named(check, changes, message):
    domain = replace(registry.domain("influence"), **changes)
    with pytest.raises(ContractError, match=f"influence: .*({message})"):
        getattr(domain_contract, check)(domain)
