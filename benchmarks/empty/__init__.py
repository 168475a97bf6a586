"""A domain whose trials do nothing: what is left is what a study itself costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.domain import Domain
from qoslab.core.method import method
from qoslab.core.metric import Metric
from qoslab.core.outcome import Outcome
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed


class Nothing(Scenario):
    """A world of one number."""

    load: float = Field(default=0.5, ge=0, le=1, description="A number that grids can vary.")


def example() -> Nothing:
    return Nothing()


@method("empty", "idle", summary="Does nothing.", origin="ours")
@dataclass(frozen=True)
class Idle:
    """Does nothing.

    Attributes:
        level: A number that grids can vary.
    """

    level: int = 0


def run(scenario: Nothing, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    for seed in seeds:
        context.check_time()
        yield Outcome({"response_time_s": scenario.load + method.level + 1e-3 * seed.replication})


registry.add_domain(
    Domain(
        name="empty",
        summary="Trials that do nothing.",
        scenario="benchmarks.empty:Nothing",
        run="benchmarks.empty:run",
        metrics=(Metric("response_time_s", "s", "lower", "A number."),),
        methods="benchmarks.empty",
        baseline="idle",
        example="benchmarks.empty:example",
    )
)
