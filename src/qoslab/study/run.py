"""Running a study: what is left of it, on an executor, every row stored before anyone hears of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.core.errors import BadInput, MissingData, Problem, QoslabError
from qoslab.core.registry import registry
from qoslab.study.blame import in_study
from qoslab.study.cases import importable
from qoslab.study.data import DataFiles
from qoslab.study.events import Compiling, Ended, Event, Events, Noted, Planned
from qoslab.study.executor import Executor
from qoslab.study.inprocess import InProcess
from qoslab.study.interrupt import Interrupt, finished
from qoslab.study.journal import Journal, Record
from qoslab.study.keep import keep_files
from qoslab.study.local import Local
from qoslab.study.plan import Plan, Trial, make_plan
from qoslab.study.plugged import Plugged
from qoslab.study.record import run_record
from qoslab.study.results import Results
from qoslab.study.round import Round, Services
from qoslab.study.store import Store
from qoslab.study.study import Study
from qoslab.study.table import load_table, make_table, save_table
from qoslab.study.warming import Warming, warming_for

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MOST_SEEDS", "StoppingRule", "default_workers", "methods_of", "run"]

StoppingRule = Callable[["pl.DataFrame"], int]
"""From the table so far to the seeds that every scenario and method should have."""

MOST_SEEDS = 10_000
"""Where a run until a precision gives up."""


def default_workers() -> int:
    """The processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def run(
    study: Study,
    out: Path | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    executor: str | None = None,
    fail_fast: bool = False,
    until_precision: StoppingRule | None = None,
    events: Events | None = None,
    data: Path | None = None,
) -> Results:
    """Run a study, or what is left of it.

    Args:
        study: The study.
        out: The results folder; by default the usual one.
        workers: Worker processes; 0 runs in this process; by default one for each processor.
        ray: Address of a Ray cluster, or `auto`; trials then run there.
        executor: Name of another package's executor, with `:ADDRESS` where it takes one; trials then run there.
        fail_fast: Whether to stop at the first trial that fails.
        until_precision: Asked after each round how many seeds there should be; the run ends when it asks for no
            more than there are. Seeds at most double from round to round.
        events: Hears what happens.
        data: A folder to look for data files in first.

    Returns:
        The results; also after a first Ctrl-C, which lets running trials finish.

    Raises:
        BadInput: A user's file fails, a parameter is wrong, or a method cannot reach worker processes.
        MissingData: A data file is not on this machine.
        DiskFull: There is no room for results; what is stored stays.
        KeyboardInterrupt: Ctrl-C was pressed twice; what is stored stays.
    """
    tell = events or _silence
    methods = methods_of(study)
    plugged = _plugged(executor, workers, ray)
    workers = _workers(methods, workers, ray or executor, tell)
    folder = Path(out or study.results_path).absolute()
    _check_folders(folder, data)
    store, dataset = Store(folder), DataFiles(data)
    plan = make_plan(study, store, dataset)
    _demand_data(plan, dataset)
    begun = time.monotonic()
    with Interrupt() as interrupt:
        with ExitStack() as stack:
            journal = stack.enter_context(Journal(folder))
            keep_files(study, folder)
            # Whatever ends the rounds, the table is written from what the journal holds.
            stack.callback(finished, partial(_save, store))
            domain = registry.domain(study.domain)
            start = _Starter(workers, ray, plugged, stack)
            run_id = ""
            while True:
                _record_plan(plan, store, journal)
                todo = [trial for trial in plan.todo if not _failed_in(run_id, trial, store)]
                pairs = plan.pairs if until_precision else [trial.pair for trial in todo]
                pool = start(len(todo), warming_for(domain, pairs, dataset)) if todo else None
                count = workers if pool is None else pool.workers
                tell(Planned(len(plan.trials), plan.count("cached"), count, plan.seconds(count or 1)))
                if pool is not None:
                    if start.compiles:
                        tell(Compiling())
                    run_id = run_id or _open_run(study, store, journal)
                    services = Services(
                        folder=folder,
                        domain=domain,
                        methods=methods,
                        executor=pool,
                        journal=journal,
                        store=store,
                        run=run_id,
                        interrupt=interrupt,
                        tell=tell,
                        fail_fast=fail_fast,
                        dataset=dataset,
                    )
                    Round(plan, todo, services).run()
                    _pass_on(pool, tell)
                more = _more(until_precision, plan, store, interrupt)
                if more is None:
                    break
                plan = make_plan(plan.study.with_seeds(more), store, dataset)
        # Still within: who presses Ctrl-C while the last rows are read again is told what there is.
        results = finished(partial(Results.open, folder))
        results.interrupted = interrupt.stopping
        tell(_ended(results, plan, begun, interrupt))
        return results


class _Starter:
    """Starts the executor when the first trial needs it, and leaves its end to the run."""

    def __init__(self, workers: int, ray: str | None, plugged: Plugged | None, stack: ExitStack) -> None:
        self._workers, self._ray, self._plugged, self._stack = workers, ray, plugged, stack
        self._executor: Executor | None = None
        self.compiles = False

    def __call__(self, trials: int, warming: Warming) -> Executor:
        self.compiles = self._executor is None and bool(warming)
        if self._executor is None:
            self._executor = self._start(trials, warming)
            self._stack.callback(self._executor.close)
        return self._executor

    def _start(self, trials: int, warming: Warming) -> Executor:
        if self._plugged is not None:
            return self._plugged.start(trials, warming)
        if self._ray is not None:
            from qoslab.study.ray import OnRay

            return OnRay(self._ray, trials, warming)
        if self._workers == 0:
            return InProcess(warming)
        return Local(min(self._workers, trials), warming)


def methods_of(study: Study) -> dict[str, Any]:
    """The methods' instances by label; users' files are executed here.

    Raises:
        BadInput: All that is wrong with them, or the domain's run function cannot be loaded.
    """
    domain = registry.domain(study.domain)
    domain.run_function()
    problems: list[Problem] = []
    built: dict[str, Any] = {}
    for case in study.methods:
        try:
            built[case.label] = case.build()
        except BadInput as error:
            problems += in_study(study, case, error.problems)
            continue
        lacks = domain.lacking(built[case.label])
        if lacks is not None:
            problems += in_study(study, case, [Problem(message=lacks)])
    if problems:
        raise BadInput(list(dict.fromkeys(problems)))
    return built


def _plugged(executor: str | None, workers: int | None, ray: str | None) -> Plugged | None:
    """Another package's executor, where one was asked for.

    Raises:
        BadInput: There is none of that name, or trials were asked to run elsewhere as well.
    """
    if executor is None:
        return None
    if ray is not None or workers is not None:
        message = "an executor of another package says itself where trials run: leave out workers and ray"
        raise BadInput(message)
    return Plugged(executor)


def _check_folders(results: Path, data: Path | None) -> None:
    """Refuse a results folder that is a file, and a data folder that is not there, before anything runs.

    Raises:
        BadInput: One of them is so.
    """
    if results.exists() and not results.is_dir():
        message = f"results need a folder, and {str(results)!r} is a file"
        raise BadInput(Problem(message=message, hint="name another one with --out"))
    if data is not None and not data.is_dir():
        message = f"there is no folder of data files {str(data)!r}"
        raise BadInput(message)


def _workers(methods: Mapping[str, Any], workers: int | None, ray: str | None, tell: Events) -> int:
    """How many workers there are to be; methods that live in this process only cannot leave it.

    Raises:
        BadInput: They were asked to, or the number makes no sense.
    """
    if workers is not None and workers < 0:
        message = f"the number of workers is {workers}; it is 0 (this process) or more"
        raise BadInput(message)
    captive = [label for label, method in methods.items() if _is_captive(method)]
    if not captive or (workers == 0 and ray is None):
        return default_workers() if workers is None else workers
    names = ", ".join(repr(label) for label in captive)
    if workers is None and ray is None:
        tell(
            Noted(
                f"method {names} is defined in this session only, so trials run in this process, one by one"
            )
        )
        return 0
    message = f"method {names} is defined in this session only: a worker process could not import it"
    hint = "put its class into a file and name it with `file = ...`, or run with workers=0"
    raise BadInput(Problem(message=message, hint=hint))


def _is_captive(method: Any) -> bool:
    """Whether a method's class cannot be imported elsewhere; a user's file is executed again instead."""
    return not importable(method) and not type(method).__module__.startswith("qoslab_user_")


def _demand_data(plan: Plan, dataset: DataFiles) -> None:
    messages = []
    for name in plan.missing_data():
        try:
            dataset(name)
        except QoslabError as error:
            messages.append(str(error))
    if messages:
        raise MissingData("\n".join(messages))


def _open_run(study: Study, store: Store, journal: Journal) -> str:
    """Name this run in the journal, before its first row."""
    record = run_record(study.path.parent if study.path else Path.cwd())
    journal.append([record])
    store.add(record)
    return str(record["id"])


def _failed_in(run: str, trial: Trial, store: Store) -> bool:
    """Whether a trial failed in an earlier round of this run: it is tried again by the next run only."""
    record = store.trials.get(trial.fingerprint)
    return record is not None and record["run"] == run and record["status"] != "done"


def _record_plan(plan: Plan, store: Store, journal: Journal) -> None:
    """Store the plan, unless it is the one that stands."""
    record = plan.record()
    if store.plan is None or _timeless(store.plan) != _timeless(record):
        journal.append([record])
        store.add(record)


def _timeless(record: Record) -> Record:
    return {key: value for key, value in record.items() if key != "at"}


def _more(rule: StoppingRule | None, plan: Plan, store: Store, interrupt: Interrupt) -> int | None:
    """How many seeds the next round should have; None for no next round."""
    if rule is None or interrupt.stopping:
        return None
    seeds = plan.study.seeds
    wanted = min(rule(make_table(store)), 2 * seeds, MOST_SEEDS)
    return wanted if wanted > seeds else None


def _save(store: Store) -> None:
    if load_table(store.folder) is None:
        store.refresh()
        save_table(store, make_table(store))


def _pass_on(executor: Executor, tell: Events) -> None:
    for note in executor.notes:
        tell(Noted(note))
    executor.notes.clear()


def _ended(results: Results, plan: Plan, begun: float, interrupt: Interrupt) -> Ended:
    status = results.table["status"].to_list() if results.table.width else []
    failed = sum(word != "done" for word in status)
    return Ended(len(status), len(plan.trials), failed, time.monotonic() - begun, interrupt.stopping)


def _silence(_event: Event) -> None:
    """Nobody listens."""
