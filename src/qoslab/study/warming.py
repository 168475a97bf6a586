"""Compiling in advance: the kernels that trials need are in the cache on disk before the first trial is dealt out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qoslab.core.context import Context
from qoslab.core.domain import Domain, load
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.study.cases import Given, MethodSource
from qoslab.study.plan import Pair
from qoslab.study.work import explain, mark_loaded

__all__ = ["Warming", "not_compiled", "warming_for"]


@dataclass(frozen=True)
class Warming:
    """What is to be compiled: called where trials will run; false where there is nothing to do. It can be pickled.

    Attributes:
        domain: The domain.
        scenarios: The scenarios that trials wait for.
        sources: Where their methods come from.
        pairs: Which goes with which: places in the two lists.
        dataset: Finds a data file.
    """

    domain: Domain
    scenarios: tuple[Scenario, ...] = ()
    sources: tuple[MethodSource, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    dataset: Callable[[str], Path] | None = None

    def __bool__(self) -> bool:
        return self.domain.warm is not None and bool(self.pairs)

    def __call__(self) -> str:
        """Compile, or read from the cache, what runs of these scenarios and methods need.

        Returns:
            What went wrong, or nothing: a study goes on all the same, and its trials tell.
        """
        try:
            if self.domain.warm is not None:
                registry.add_domain(self.domain)
                given: dict[str, Any] = {} if self.dataset is None else {"dataset": self.dataset}
                load(self.domain.warm)(list(self._cases()), Context(**given))
                for scenario, method in self.pairs:
                    mark_loaded(self.domain, self.scenarios[scenario], self.sources[method])
        except BadInput:  # a mistake in a method: its trials tell it
            return ""
        except (Exception, SystemExit) as error:
            return explain(error, Given(None))
        return ""

    def _cases(self) -> Iterator[tuple[Scenario, Any]]:
        """The pairs; a method that cannot be made is left to its trials."""
        made: dict[int, Any] = {}
        for scenario, method in self.pairs:
            if method not in made:
                try:
                    made[method] = self.sources[method].build()
                except Exception:
                    made[method] = None
            if made[method] is not None:
                yield self.scenarios[scenario], made[method]


def not_compiled(problem: str) -> str:
    """What a person is told of a warming that went wrong."""
    return f"kernels could not be compiled in advance: {problem}"


def warming_for(domain: Domain, pairs: Iterable[Pair], dataset: Callable[[str], Path]) -> Warming:
    """What is to be compiled for trials of these pairs.

    Args:
        domain: The study's domain.
        pairs: Scenarios and methods that have trials to do; one that comes twice counts once.
        dataset: Finds a data file.
    """
    if domain.warm is None:
        return Warming(domain)
    distinct = {pair.fingerprint: pair for pair in pairs}.values()
    scenarios = {pair.scenario.label: pair.scenario.scenario for pair in distinct}
    sources = {pair.method.label: pair.method.source for pair in distinct}
    places = {label: place for place, label in enumerate(scenarios)}
    ranks = {label: rank for rank, label in enumerate(sources)}
    return Warming(
        domain,
        tuple(scenarios.values()),
        tuple(sources.values()),
        tuple((places[pair.scenario.label], ranks[pair.method.label]) for pair in distinct),
        dataset,
    )
