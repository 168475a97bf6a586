"""The planner's question: the fewest servers, or the highest load, at which a metric stays within a limit.

Every size is run on the same seeds, so that two sizes differ by the size and not by luck (common random numbers).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from qoslab.core.context import Context
from qoslab.core.domain import load
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import Located, read_toml, validate, validate_dataclass
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed

__all__ = ["Answer", "Point", "plan_capacity", "search_load", "search_servers"]

Judge = Callable[[float], "Point"]
_LOAD_STEP = 0.005
_NEIGHBOURS = 3


@dataclass(frozen=True)
class Point:
    """The metric at one number of servers or one load.

    Attributes:
        at: Servers or load.
        mean: Mean over the seeds.
        low: Lower end of its 95 % interval (Student).
        high: Upper end.
        verdict: `meets`, `misses`, or `undecided` where the limit lies within the interval.
    """

    at: float
    mean: float
    low: float
    high: float
    verdict: Literal["meets", "misses", "undecided"]


@dataclass
class Answer:
    """What was found.

    Attributes:
        best: The fewest servers or the highest load whose mean meets the limit; None where none does.
        sure: The same, with the whole interval within the limit; None where none is.
        points: All that was run, by size.
        warnings: Where the answer may mislead.
    """

    best: float | None
    sure: float | None
    points: list[Point]
    warnings: list[str] = field(default_factory=list)


def search_servers(judge: Judge, low: int, high: int, limit: float) -> Answer:
    """Bisection over whole numbers of servers; three neighbours on each side of the answer are run too.

    Args:
        judge: Runs one size.
        low: Fewest servers to think of.
        high: Most.
        limit: What the metric may be at most.
    """
    seen: dict[int, Point] = {}

    def at(size: int) -> Point:
        if size not in seen:
            seen[size] = judge(size)
        return seen[size]

    def least(good: Callable[[Point], bool]) -> int | None:
        if not good(at(high)):
            return None
        bad, fine = low - 1, high
        while fine - bad > 1:
            middle = (bad + fine) // 2
            bad, fine = (bad, middle) if good(at(middle)) else (middle, fine)
        return fine

    best = least(lambda point: point.mean <= limit)
    sure = least(lambda point: point.verdict == "meets")
    if best is not None:
        for size in range(max(low, best - _NEIGHBOURS), min(high, best + _NEIGHBOURS) + 1):
            at(size)
        best = min((size for size in seen if size <= best and seen[size].mean <= limit), default=best)
    points = [seen[size] for size in sorted(seen)]
    return Answer(best, sure, points, _doubts(points, limit, falling=True))


def search_load(judge: Judge, low: float, high: float, limit: float) -> Answer:
    """Bisection over loads to within 0.005; the same arguments and result as `search_servers`."""
    seen: dict[float, Point] = {}

    def at(value: float) -> Point:
        if value not in seen:
            seen[value] = judge(value)
        return seen[value]

    def most(good: Callable[[Point], bool]) -> float | None:
        if not good(at(low)):
            return None
        if good(at(high)):
            return high
        fine, bad = low, high
        while bad - fine > _LOAD_STEP:
            middle = round((fine + bad) / 2, 4)
            fine, bad = (middle, bad) if good(at(middle)) else (fine, middle)
        return fine

    best = most(lambda point: point.mean <= limit)
    sure = most(lambda point: point.verdict == "meets")
    points = [seen[value] for value in sorted(seen)]
    return Answer(best, sure, points, _doubts(points, limit, falling=False))


def _doubts(points: list[Point], limit: float, *, falling: bool) -> list[str]:
    """Says so where the metric does not go one way as the size grows, beyond the intervals."""
    rising = points[::-1] if falling else points
    missed = [point for point in rising if point.mean > limit]
    found = []
    if missed:
        first = rising.index(missed[0])
        later = [point for point in rising[first:] if point.mean <= limit]
        if later:
            found.append(
                f"not monotone: {missed[0].at:g} misses the limit, but {later[0].at:g} meets it, though it is the "
                "harder case; there may be more such gaps between the sizes that were run"
            )
    for one, two in pairwise(rising):
        if two.high < one.low and not found:
            found.append(
                f"not monotone: the metric is worse at {one.at:g} than at {two.at:g}, the harder case"
            )
    return found


def plan_capacity(
    study: Path,
    /,
    *,
    limit: float,
    metric: str = "response_time_p99_s",
    method: str | None = None,
    vary: Literal["servers", "load"] = "servers",
    low: float | None = None,
    high: float | None = None,
    seeds: int = 10,
    data: Path | None = None,
) -> str:
    """The fewest servers, or the highest load, at which a metric stays within a limit.

    The scenario and the method are those of a study file; a grid has no place in it. While the number of servers
    varies the rate of requests stays what the file makes it; while the load varies the servers stay.

    Args:
        study: The study file.
        limit: What the metric may be at most, such as 0.2 for 200 ms.
        metric: A metric of the domain for which lower is better.
        method: Which of the file's methods; by default the first.
        vary: What to search for.
        low: Where to begin: 1 server, load 0.05.
        high: Where to end: eight times the file's servers, load 0.99.
        seeds: Replications of every size, the same for all.
        data: A folder with data files.

    Returns:
        The answer with intervals, and everything that was run.
    """
    known = registry.domain("balancing").metric(metric) if _is_metric(metric) else None
    if known is None or known.direction != "lower":
        names = [one.name for one in registry.domain("balancing").metrics if one.direction == "lower"]
        raise BadInput(
            Problem(message=f"{metric!r} is no metric to be kept low", hint="one of: " + ", ".join(names))
        )
    if seeds < 2 or not limit > 0:
        message = "seeds must be 2 or more, and the limit positive"
        raise BadInput(message)
    case = _Case.read(study, method, data)
    if vary == "servers":
        count = int(case.scenario.servers.count)
        bounds = 1 if low is None else int(low), 8 * count if high is None else int(high)
        _check_bounds(*bounds, least=1, most=100_000)
        answer = search_servers(case.judge(case.with_servers(), metric, limit, seeds), *bounds, limit)
    else:
        ends = 0.05 if low is None else low, 0.99 if high is None else high
        _check_bounds(*ends, least=1e-3, most=0.999)
        answer = search_load(case.judge(case.with_load(), metric, limit, seeds), *ends, limit)
    return _told(answer, case, metric, limit, vary, seeds)


def _is_metric(name: str) -> bool:
    return any(metric.name == name for metric in registry.domain("balancing").metrics)


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
    def read(cls, study: Path, wanted: str | None, data: Path | None) -> _Case:
        from qoslab.datasets import resolver

        document = read_toml(study)
        table, methods = document.tree.get("scenario", {}), document.tree.get("method", [])
        if document.tree.get("study", {}).get("domain") != "balancing":
            raise BadInput(Problem(message="is no study of the domain balancing", path=Path(study)))
        if _has_grid(table):
            hint = "give one value: the search varies servers or load itself"
            raise BadInput(
                Problem(message="the scenario has a grid", path=Path(study), field="scenario", hint=hint)
            )
        number = _chosen(methods, wanted, document)
        entry = registry.method("balancing", str(methods[number]["id"]))
        given = {key: value for key, value in methods[number].items() if key not in {"id", "label", "file"}}
        method: Any = validate_dataclass(entry.cls, given, document, ("method", number))
        base = Path(study).resolve().parent
        kind = registry.domain("balancing").scenario_type()
        scenario = validate(kind, table, document, ("scenario",), context={"base": str(base)})
        label = str(methods[number].get("label", methods[number]["id"]))
        return cls(table, scenario, method, label, base, Context(dataset=resolver(data)))

    def changed(self, change: Mapping[str, Any]) -> Any:
        table = {**self.table, **change}
        kind = registry.domain("balancing").scenario_type()
        clean = {key: value for key, value in table.items() if value is not None}
        return validate(kind, clean, context={"base": str(self.base)})

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
            outcomes = run(scenario_at(size), self.method, paths, self.context)
            values = [outcome.metrics.get(metric, math.inf) for outcome in outcomes]
            return _point(size, np.array(values), limit)

        return point


def _point(size: float, values: Any, limit: float) -> Point:
    from scipy.special import stdtrit

    if not np.isfinite(values).all():
        return Point(size, math.inf, math.inf, math.inf, "misses")
    mean = float(values.mean())
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / math.sqrt(len(values)))
    low, high = mean - half, mean + half
    return Point(
        size, mean, low, high, "meets" if high <= limit else "misses" if low > limit else "undecided"
    )


def _has_grid(node: Any) -> bool:
    if isinstance(node, dict):
        return "grid" in node or any(_has_grid(item) for item in node.values())
    return isinstance(node, list) and any(_has_grid(item) for item in node)


def _chosen(methods: Any, wanted: str | None, document: Located) -> int:
    names = [str(item.get("label", item.get("id"))) for item in methods if isinstance(item, dict)]
    if not names:
        raise BadInput(Problem(message="has no [[method]]", path=document.path))
    if wanted is not None and wanted not in names:
        hint = "it has: " + ", ".join(names)
        raise BadInput(Problem(message=f"has no method {wanted!r}", path=document.path, hint=hint))
    number = 0 if wanted is None else names.index(wanted)
    if "file" in methods[number] or "id" not in methods[number] or _has_grid(methods[number]):
        message = f"method {names[number]!r} must be a registered one without grids"
        raise BadInput(Problem(message=message, path=document.path))
    return number


def _told(answer: Answer, case: _Case, metric: str, limit: float, vary: str, seeds: int) -> str:
    what = "servers" if vary == "servers" else "load"
    aim = "fewest servers" if vary == "servers" else "highest load"
    lines = []
    if answer.best is None:
        lines.append(f"no {what} tried keeps {metric} of {case.label} within {limit:g}")
    else:
        lines.append(f"{aim} for {metric} <= {limit:g} with {case.label}: {answer.best:g}")
        if answer.sure is None:
            lines.append("  nowhere is the whole 95 % interval within the limit: run more seeds")
        elif answer.sure != answer.best:
            lines.append(f"  to be sure of it (whole 95 % interval within the limit): {answer.sure:g}")
    lines += [f"  WARNING: {words}" for words in answer.warnings]
    lines.append(f"{what:>10}  {metric}, mean of {seeds} common seeds, 95 % interval")
    for point in answer.points:
        lines.append(
            f"{point.at:>10g}  {point.mean:.4g} ({point.low:.4g} to {point.high:.4g})  {point.verdict}"
        )
    if case.scenario.arrivals.kind == "trace":
        lines.append(
            "arrivals are one recorded day: intervals show what the methods' own lots change, not other days"
        )
    return "\n".join(lines)
