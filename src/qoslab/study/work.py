"""What a worker does: one batch of trials of one scenario and one method. The same in every executor."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.domain import Domain, load
from qoslab.core.errors import QoslabError
from qoslab.core.outcome import Outcome, Series
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed
from qoslab.study.cases import MethodSource
from qoslab.study.userfile import frame_in

__all__ = ["Batch", "Failure", "Result", "Success", "Trained", "begin", "mark_loaded", "perform"]

FailureStatus = Literal["failed", "timeout", "crashed"]


@dataclass(frozen=True)
class Batch:
    """Trials that one worker runs in one call of the domain's run function.

    Attributes:
        number: Its name between parent and worker.
        domain: The domain; sent along, since a worker knows only those that are installed.
        scenario: The scenario.
        source: Where the worker gets the method from.
        seeds: The trials' seeds; for a training the one seed of it.
        training: Whether the method is to be trained instead of run.
        keep_series: Whether series are wanted.
        time_limit_s: Wall seconds that the call may take; None for no limit.
        weights: The file of trained weights.
        dataset: Finds a data file.
        warm: Whether a process that is new to this scenario and method loads their kernels before its time counts;
            not where compiling in advance has cost a worker already.
    """

    number: int
    domain: Domain
    scenario: Scenario
    source: MethodSource
    seeds: tuple[Seed, ...]
    training: bool = False
    keep_series: bool = False
    time_limit_s: float | None = None
    weights: Path | None = None
    dataset: Callable[[str], Path] | None = None
    warm: bool = True


@dataclass(frozen=True)
class Success:
    """A trial that ended well: plain numbers and arrays, and what it cost."""

    metrics: Mapping[str, float]
    counters: Mapping[str, int]
    series: Mapping[str, Series]
    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Trained:
    """A training that ended well: the bytes of a safetensors file."""

    weights: bytes = field(repr=False)
    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class Failure:
    """A call that ended badly: the reason as text, so that no exception needs to travel."""

    status: FailureStatus
    reason: str
    cpu_s: float
    wall_s: float


Result = Success | Trained | Failure


class _Broken(Exception):
    """A run function broke its contract."""


def begin(batch: Batch) -> Callable[[], Iterator[Result]]:
    """Load all that a batch needs, so that loading does not count in its time limit.

    Returns:
        A function that runs it.
    """
    watch = _Watch()
    try:
        registry.add_domain(batch.domain)
        method = batch.source.build()
        run = batch.domain.run_function()
    except Exception as error:
        failure = watch.failure("failed", explain(error, batch.source))
        return lambda: iter((failure,))
    _load_kernels(batch, method)
    return lambda: perform(batch, method, run)


_LOADED: set[tuple[str, str, str]] = set()
"""Scenarios and methods whose kernels this process has loaded."""


def mark_loaded(domain: Domain, scenario: Scenario, source: MethodSource) -> bool:
    """Take note that this process has the kernels of a scenario and a method.

    Returns:
        Whether that is news.
    """
    key = (domain.name, repr(scenario), repr(source))
    news = key not in _LOADED
    _LOADED.add(key)
    return news


def _load_kernels(batch: Batch, method: Any) -> None:
    """Load kernels from the cache on disk: seconds in a new process, and the fault of no trial.

    What goes wrong here goes wrong again in the trial, which tells.
    """
    if batch.domain.warm is None or not batch.warm or batch.training:
        return
    if mark_loaded(batch.domain, batch.scenario, batch.source):
        given: dict[str, Any] = {} if batch.dataset is None else {"dataset": batch.dataset}
        with suppress(Exception, SystemExit):
            load(batch.domain.warm)([(batch.scenario, method)], Context(weights=batch.weights, **given))


def perform(batch: Batch, method: Any, run: Callable[..., Iterator[Outcome]]) -> Iterator[Result]:
    """Run a batch.

    Args:
        batch: The batch.
        method: The method's instance.
        run: The domain's run function.

    Yields:
        One success for each seed in their order; after a failure nothing more.
    """
    context = _context(batch)
    watch = _Watch()
    try:
        if batch.training:
            yield _train(batch, method, context, watch)
            return
        count = 0
        for outcome in _yielded(run(batch.scenario, method, batch.seeds, context)):
            count += 1
            yield _checked(batch, outcome, count, watch)
        if count < len(batch.seeds):
            message = f"the run function gave {count} outcomes for {len(batch.seeds)} seeds"
            raise _Broken(message)
    except TimeLimitExceeded as error:
        yield watch.failure("timeout", str(error))
    except MemoryError:
        yield watch.failure("crashed", "out of memory")
    except Exception as error:
        yield watch.failure("failed", explain(error, batch.source))
    except SystemExit as error:
        yield watch.failure("failed", f"the method ended its process: SystemExit({error.code})")


def _yielded(outcomes: Any) -> Iterator[Any]:
    """The outcomes one by one, where the run function yields them at all."""
    if not isinstance(outcomes, Iterator):
        message = f"the run function returned {type(outcomes).__name__}; it must `yield` one Outcome per seed"
        raise _Broken(message)
    return outcomes


def explain(error: BaseException, source: MethodSource) -> str:
    """An exception in one line: what, and where; in the user's own file if the error passed through it."""
    if isinstance(error, QoslabError):
        return str(error)
    frame = frame_in(source.file.parent, error.__traceback__) if source.file is not None else None
    if frame is None:
        frames = traceback.extract_tb(error.__traceback__)
        frame = frames[-1] if frames else None
    try:
        words = str(error)
    except Exception:
        words = "(its message cannot be read)"
    what = type(error).__name__ + (f": {words}" if words else "")
    if isinstance(error, _Broken):
        return words
    return f"{what} ({Path(frame.filename).name}:{frame.lineno})" if frame else what


def _context(batch: Batch) -> Context:
    given: dict[str, Any] = {} if batch.dataset is None else {"dataset": batch.dataset}
    return Context(
        keep_series=batch.keep_series, time_limit_s=batch.time_limit_s, weights=batch.weights, **given
    )


def _train(batch: Batch, method: Any, context: Context, watch: _Watch) -> Trained:
    weights = method.train(batch.scenario, batch.seeds[0], context)
    if not isinstance(weights, bytes):
        message = f"train() gave {type(weights).__name__}, not the bytes of a safetensors file"
        raise _Broken(message)
    return Trained(weights, *watch.lap())


def _checked(batch: Batch, outcome: Any, count: int, watch: _Watch) -> Success:
    if not isinstance(outcome, Outcome):
        message = f"the run function gave {type(outcome).__name__}, not an Outcome"
        raise _Broken(message)
    if count > len(batch.seeds):
        message = f"the run function gave more than {len(batch.seeds)} outcomes for {len(batch.seeds)} seeds"
        raise _Broken(message)
    declared = {metric.name for metric in batch.domain.metrics}
    # `mae[throughput]` is a member of the metric `mae`: one value for each thing that is measured.
    unknown = sorted(name for name in outcome.metrics if name.partition("[")[0] not in declared)
    if unknown:
        message = (
            f"the run function reports metrics that its domain does not declare: {', '.join(unknown)}; "
            f"declare each in `metrics` of Domain({batch.domain.name!r}): Metric(name, unit, direction, summary)"
        )
        raise _Broken(message)
    return Success(
        {name: float(value) for name, value in outcome.metrics.items()},
        {name: int(value) for name, value in outcome.counters.items()},
        dict(outcome.series) if batch.keep_series else {},
        *watch.lap(),
    )


class _Watch:
    """CPU and wall seconds since the last lap."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def lap(self) -> tuple[float, float]:
        cpu, wall = time.process_time(), time.perf_counter()
        spent = cpu - self._cpu, wall - self._wall
        self._cpu, self._wall = cpu, wall
        return spent

    def failure(self, status: FailureStatus, reason: str) -> Failure:
        return Failure(status, reason, *self.lap())
