"""The planner's question: the fewest servers, or the highest load, at which a metric stays within a limit.

Every size is run on the same seeds, so that two sizes differ by the size and not by luck (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from qoslab.core.context import Context
from qoslab.core.domain import load
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.located import validate
from qoslab.core.outcome import Outcome
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.study_file import overrides, read_study
from qoslab.domains.balancing.traces.bisection import (
    UNSTEADY,
    Answer,
    Judge,
    Point,
    Verdict,
    search_load,
    search_servers,
)

__all__ = ["Capacity", "plan_capacity"]

Vary = Literal["servers", "load"]
_VARIED: dict[str, frozenset[str]] = {
    "servers": frozenset({"servers.count"}),
    "load": frozenset({"load", "rate_per_s"}),
}
"""Values of a scenario that the search sets itself: a grid of them in the file does not matter."""


@dataclass(frozen=True)
class Capacity:
    """What `plan-capacity` answers.

    Attributes:
        metric: The metric.
        limit: What it may be at most.
        method: Label of the method.
        vary: What was searched for.
        seeds: Replications of every size.
        best: The fewest servers or the highest load whose mean meets the limit; None where none does.
        sure: The same, with the whole 95 % interval within the limit; None where none is.
        points: All that was run, by size.
        warnings: Where the answer may mislead.
        recorded: Whether arrivals are one recorded day, the same for every seed.
    """

    metric: str
    limit: float
    method: str
    vary: Vary
    seeds: int
    best: float | None
    sure: float | None
    points: tuple[Point, ...]
    warnings: tuple[str, ...]
    recorded: bool

    @property
    def exit_code(self) -> int:
        """1 where nothing meets the limit."""
        return 1 if self.best is None else 0

    def in_words(self) -> str:
        """The answer, what speaks against it, and every size."""
        return "\n".join([*self._answer(), *self._doubts(), *self._table()])

    def _answer(self) -> list[str]:
        if self.best is None:
            what = "number of servers" if self.vary == "servers" else "load"
            return [f"no {what} tried keeps {self.metric} of {self.method} within {self.limit:g}"]
        aim = "fewest servers" if self.vary == "servers" else "highest load"
        lines = [f"{aim} for {self.metric} <= {self.limit:g} with {self.method}: {self.best:g}"]
        if self.sure is None:
            lines.append("  nowhere is the whole 95 % interval within the limit: run more seeds")
        elif self.sure != self.best:
            lines.append(f"  to be sure of it (whole 95 % interval within the limit): {self.sure:g}")
        return lines

    def _doubts(self) -> list[str]:
        return [f"  WARNING: {words}" for words in self.warnings]

    def _table(self) -> list[str]:
        lines = [f"{self.vary:>10}  {self.metric}, mean of {self.seeds} common seeds, 95 % interval"]
        lines += [
            f"{point.at:>10g}  {point.mean:.4g} ({point.low:.4g} to {point.high:.4g})  {point.verdict}"
            + ("" if point.unsteady < UNSTEADY else ", no steady state")
            for point in self.points
        ]
        if self.recorded:
            lines.append(
                "arrivals are one recorded day: intervals show what the methods' own lots change, not other days"
            )
        return lines


def plan_capacity(
    study: Path,
    /,
    *,
    limit: float,
    metric: str = "response_time_p99_s",
    method: str | None = None,
    vary: Vary = "servers",
    low: float | None = None,
    high: float | None = None,
    seeds: int = 10,
    set: tuple[str, ...] = (),
    data: Path | None = None,
) -> Capacity:
    """The fewest servers, or the highest load, at which a metric stays within a limit.

    The scenario and the method are those of a study file; a method of your own is executed. A grid of the value that
    is searched for does not matter; of any other grid one value is chosen with --set. While the number of servers
    varies the rate of requests stays what the file makes it; while the load varies the servers stay. The exit code
    is 1 where nothing meets the limit.

    Args:
        study: The study file.
        limit: What the metric may be at most, such as 0.2 for 200 ms.
        metric: A metric of the domain for which lower is better.
        method: Which of the file's methods, by its label, such as jsq(d=2); by default the first.
        vary: What to search for.
        low: Where to begin: the fewest servers that the scenario allows (1; 2 with hedge_s; those that its changes
            name), load 0.05.
        high: Where to end: eight times the file's servers, load 0.99.
        seeds: Replications of every size, the same for all.
        set: Values set from outside, such as scenario.load=0.8.
        data: A folder with data files.

    Returns:
        The answer with intervals, and everything that was run.
    """
    known = {one.name: one for one in registry.domain("balancing").metrics}
    if metric not in known or known[metric].direction != "lower":
        names = [one.name for one in known.values() if one.direction == "lower"]
        raise BadInput(
            Problem(message=f"{metric!r} is no metric to be kept low", hint="one of: " + ", ".join(names))
        )
    if seeds < 2:
        raise BadInput(Problem(message=f"must be at least 2, is {seeds}", field="--seeds"))
    if not limit > 0:
        raise BadInput(Problem(message=f"must be above 0, is {limit:g}", field="--limit"))
    case = _Case.read(study, method, vary, set, data)
    if vary == "servers":
        count = int(case.scenario.servers.count)
        bounds = case.fewest() if low is None else int(low), 8 * count if high is None else int(high)
        _check_bounds(*bounds, least=1, most=100_000)
        answer = search_servers(case.judge(case.with_servers(), metric, limit, seeds), *bounds, limit)
    else:
        ends = 0.05 if low is None else low, 0.99 if high is None else high
        _check_bounds(*ends, least=1e-3, most=0.999)
        answer = search_load(case.judge(case.with_load(), metric, limit, seeds), *ends, limit)
    return _capacity(answer, case, metric, limit, vary, seeds)


def _capacity(answer: Answer, case: _Case, metric: str, limit: float, vary: Vary, seeds: int) -> Capacity:
    return Capacity(
        metric,
        limit,
        case.label,
        vary,
        seeds,
        answer.best,
        answer.sure,
        tuple(answer.points),
        tuple(answer.warnings),
        case.scenario.arrivals.kind == "trace",
    )


def _check_bounds(low: float, high: float, *, least: float, most: float) -> None:
    if not least <= low < high <= most:
        message = f"low = {low:g}, high = {high:g} must be in order, between {least:g} and {most:g}"
        raise BadInput(message)


@dataclass(frozen=True)
class _Case:
    """The scenario and method of a study file."""

    table: Mapping[str, Any]
    scenario: Any
    method: Any
    label: str
    base: Path
    context: Context

    @classmethod
    def read(
        cls, file: Path, wanted: str | None, vary: Vary, given: Sequence[str], data: Path | None
    ) -> _Case:
        from qoslab.datasets import resolver

        path = Path(file)
        settings = overrides(given, "every size is run on seeds of this search")
        document, study = read_study(path, settings, _VARIED[vary])
        chosen = _chosen(study.methods, wanted, path)
        method = chosen.build()
        if getattr(method, "weights", None) == "train":
            hint = 'train it in a study first, and name the file: weights = "FILE"'
            message = f"method {chosen.label!r} has no weights yet"
            raise BadInput(Problem(message=message, path=path, hint=hint))
        table = _first_of_grids(document.tree.get("scenario", {}))
        base = path.resolve().parent
        scenario = study.scenarios[0].scenario
        return cls(table, scenario, method, chosen.label, base, Context(dataset=resolver(data)))

    def changed(self, change: Mapping[str, Any]) -> Any:
        table = {**self.table, **change}
        kind = registry.domain("balancing").scenario_type()
        clean = {key: value for key, value in table.items() if value is not None}
        return validate(kind, clean, context={"base": str(self.base)})

    def fewest(self) -> int:
        """Of how many servers the scenario speaks at least."""
        named: list[int] = [number for change in self.scenario.changes for number in change.servers]
        return max([1 if self.scenario.hedge_s is None else 2, *(number + 1 for number in named)])

    def with_servers(self) -> Callable[[float], Any]:
        """Scenarios with other numbers of servers and the file's rate of requests."""
        given = {} if self.table.get("servers") is None else dict(self.table["servers"])
        change: dict[str, Any] = {}
        if self.scenario.load is not None:
            change = {"load": None, "rate_per_s": self._rate()}
        return lambda size: self.changed({**change, "servers": {**given, "count": int(size)}})

    def with_load(self) -> Callable[[float], Any]:
        """Scenarios with other loads on the file's servers; recorded arrivals are stretched in time."""
        change: dict[str, Any] = {"rate_per_s": None}
        if self.scenario.arrivals.kind == "closed":
            message = "closed-loop clients have no load to vary: vary the servers"
            raise BadInput(message)
        if self.scenario.arrivals.kind == "trace":
            change["arrivals"] = {**self.table["arrivals"], "scale": True}
        return lambda value: self.changed({**change, "load": value})

    def _rate(self) -> float:
        from qoslab.domains.balancing.source import make_demand

        return float(make_demand(self.scenario, self.context).rate_per_s)

    def judge(self, scenario_at: Callable[[float], Any], metric: str, limit: float, seeds: int) -> Judge:
        run = load(registry.domain("balancing").run)
        # The label is left empty: all sizes meet the same random numbers.
        paths = [Seed(0, "plan-capacity", "", number) for number in range(seeds)]

        def point(size: float) -> Point:
            outcomes = list(run(scenario_at(size), self.method, paths, self.context))
            _see_that_it_is_measured(self.scenario, outcomes, metric)
            values = [outcome.metrics.get(metric, math.inf) for outcome in outcomes]
            unsteady = sum(outcome.counters.get("unsteady", 0) > 0 for outcome in outcomes) / len(outcomes)
            return _point(size, np.array(values), limit, unsteady)

        return point


def _see_that_it_is_measured(scenario: Any, outcomes: Sequence[Outcome], metric: str) -> None:
    """A metric that the scenario leaves out is no metric that misses its limit."""
    if scenario.metrics == "mean" and not any(metric in outcome.metrics for outcome in outcomes):
        raise BadInput(
            Problem(
                message=f'{metric} is not measured with metrics = "mean"',
                field="scenario.metrics",
                hint='set it to "full": --set scenario.metrics=full',
            )
        )


def _point(size: float, values: Any, limit: float, unsteady: float) -> Point:
    from scipy.special import stdtrit

    if not np.isfinite(values).all():
        return Point(size, math.inf, math.inf, math.inf, "misses", unsteady)
    mean = float(values.mean())
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))
    low, high = mean - half, mean + half
    verdict: Verdict = "meets" if high <= limit else "misses" if low > limit else "undecided"
    return Point(size, mean, low, high, "misses" if unsteady >= UNSTEADY else verdict, unsteady)


def _first_of_grids(node: Any) -> Any:
    """A table with one value for each grid: all that are left are of the value that is searched for."""
    if isinstance(node, Mapping):
        if set(node) == {"grid"} and isinstance(node["grid"], list):
            return _first_of_grids(node["grid"][0])
        return {key: _first_of_grids(value) for key, value in node.items()}
    return [_first_of_grids(item) for item in node] if isinstance(node, list) else node


def _chosen(methods: Sequence[Any], wanted: str | None, path: Path) -> Any:
    if wanted is None:
        return methods[0]
    labels = [case.label for case in methods]
    named = [case for case in methods if case.label == wanted]
    # The name alone is enough where the file varies none of its parameters.
    named = named or [case for case in methods if case.label.partition("(")[0] == wanted]
    if len(named) == 1:
        return named[0]
    message = f"has several methods {wanted!r}" if named else f"has no method {wanted!r}"
    hint = did_you_mean(wanted, labels) if not named else None
    raise BadInput(Problem(message=message, path=path, hint=hint or "it has: " + ", ".join(labels)))
