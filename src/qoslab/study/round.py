"""One round of a run: the trials of a plan, through an executor, into the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qoslab.core.domain import Domain
from qoslab.core.seeds import Seed
from qoslab.study.cases import wants_training
from qoslab.study.closure import digest_of
from qoslab.study.events import Events, Stopping, TrialEnded
from qoslab.study.executor import Executor, Gave, Lost, Over, Report
from qoslab.study.files import write_whole
from qoslab.study.fingerprint import trial_digest
from qoslab.study.interrupt import Interrupt
from qoslab.study.journal import Journal, Record
from qoslab.study.keep import weights_file
from qoslab.study.plan import Pair, Plan, Trial
from qoslab.study.progress import Progress
from qoslab.study.record import training_record, trial_record
from qoslab.study.schedule import Job, Schedule
from qoslab.study.series import write_series
from qoslab.study.store import Store
from qoslab.study.work import Batch, Failure, Result, Success, Trained

__all__ = ["Round", "Services", "training_seed"]

_PATIENCE_S = 0.5
"""How long to wait for a report before looking whether somebody wants to stop."""


@dataclass(frozen=True)
class Services:
    """What all rounds of a run share.

    Attributes:
        folder: The results folder.
        domain: The study's domain.
        methods: The methods' instances by label.
        executor: What runs the trials.
        journal: Where rows go.
        store: What the folder holds.
        run: The name of this run.
        interrupt: Whether somebody wants to stop.
        tell: Hears what happens.
        fail_fast: Whether the first failure ends the run.
        dataset: Finds data files.
    """

    folder: Path
    domain: Domain
    methods: Mapping[str, Any]
    executor: Executor
    journal: Journal
    store: Store
    run: str
    interrupt: Interrupt
    tell: Events
    fail_fast: bool
    dataset: Callable[[str], Path]


def training_seed(plan: Plan, pair: Pair) -> Seed:
    """The seed of a training: a replication of its own, before the first."""
    return Seed(plan.study.seed, plan.study.name, pair.scenario.label, -1)


class Round:
    """Runs trials of a plan.

    Args:
        plan: The plan.
        todo: Which of its trials to run.
        services: What all rounds share.
    """

    def __init__(self, plan: Plan, todo: Sequence[Trial], services: Services) -> None:
        self._plan = plan
        self._to = services
        self._jobs: dict[int, Job] = {}
        self._said_stopping = False
        self._schedule = Schedule(
            todo,
            workers=services.executor.workers,
            keeps_series=self._keeps_series,
            untrained=self._untrained,
        )
        self._progress = Progress(plan, services.store, services.executor.workers)

    def run(self) -> None:
        """Run until every trial has a row, or somebody wants to stop.

        Raises:
            DiskFull: There was no room for a row.
        """
        while self._jobs or (self._schedule.waiting and not self._to.interrupt.stopping):
            self._submit()
            self._take(self._to.executor.wait(_PATIENCE_S))
            self._notice()
        self._to.tell(self._progress.event(self._schedule))

    def _submit(self) -> None:
        for _ in range(self._to.executor.free()):
            job = None if self._to.interrupt.stopping else self._schedule.next()
            if job is None:
                return
            self._jobs[job.number] = job
            self._to.executor.submit(self._batch(job))

    def _batch(self, job: Job) -> Batch:
        study, pair = self._plan.study, job.queue.pair
        seeds = [trial.seed for trial in job.trials] or [training_seed(self._plan, pair)]
        trained = wants_training(self._to.methods[pair.method.label]) and not job.training
        return Batch(
            number=job.number,
            domain=self._to.domain,
            scenario=pair.scenario.scenario,
            source=pair.method.source,
            seeds=tuple(seeds),
            training=job.training,
            keep_series=job.keep_series,
            time_limit_s=study.train_limit_s if job.training else study.time_limit_s,
            weights=self._weights(pair) if trained else _named_weights(self._to.methods[pair.method.label]),
            dataset=self._to.dataset,
        )

    def _take(self, reports: Iterable[Report]) -> None:
        """Store what came in, all of it with one synchronisation, and only then tell of it."""
        records: list[Record] = []
        for report in reports:
            job = self._jobs[report.batch]
            match report:
                case Gave(_, result, host):
                    records += self._given(job, result, host)
                case Over():
                    del self._jobs[report.batch]
                case Lost(_, status, reason, wall_s, host):
                    del self._jobs[report.batch]
                    records += self._failed(job, Failure(status, reason, 0.0, wall_s), host)
        self._to.journal.append(records)
        for record in records:
            self._to.store.add(record)
            self._progress.add(record)
            self._to.tell(_ended(record))
        if records and self._progress.is_due():
            self._to.tell(self._progress.event(self._schedule))

    def _given(self, job: Job, result: Result, host: str) -> list[Record]:
        match result:
            case Failure():
                return self._failed(job, result, host)
            case Trained():
                return [self._trained(job, result, host)]
            case Success():
                return [self._finished(job, result, host)]

    def _finished(self, job: Job, result: Success, host: str) -> Record:
        trial = job.trials[job.finished]
        job.finished += 1
        job.queue.learn(result.wall_s)
        names = write_series(self._to.folder, trial.fingerprint, result.series)
        return trial_record(trial, result, run=self._to.run, host=host, series=names)

    def _trained(self, job: Job, result: Trained, host: str) -> Record:
        path = self._weights(job.queue.pair)
        write_whole(path, result.weights)
        self._schedule.trained(job)
        return self._training(job, result, host) | {"weights": digest_of(path)}

    def _failed(self, job: Job, result: Failure, host: str) -> list[Record]:
        if job.training:
            reason = (
                f"its training {'took too long' if result.status == 'timeout' else 'failed'}: {result.reason}"
            )
            mine = Failure(result.status, reason, 0.0, 0.0)
            left = [self._row(trial, mine, host) for trial in self._schedule.give_up(job)]
            return [self._training(job, result, host), *left]
        if len(job.trials) > 1:
            self._schedule.again(job)
            job.trials = job.trials[: job.finished]
            return []
        return [self._row(trial, result, host) for trial in job.rest]

    def _row(self, trial: Trial, result: Failure, host: str) -> Record:
        return trial_record(trial, result, run=self._to.run, host=host)

    def _training(self, job: Job, result: Trained | Failure, host: str) -> Record:
        pair, seed = job.queue.pair, training_seed(self._plan, job.queue.pair)
        name = trial_digest(pair.fingerprint, seed)
        return training_record(pair, seed, name, result, run=self._to.run, host=host)

    def _notice(self) -> None:
        """Stop after a failure where that was asked for, and say once that the run is stopping."""
        if self._to.fail_fast and self._progress.failed_now:
            self._to.interrupt.stop("a trial failed, and --fail-fast was asked for")
        if self._to.interrupt.stopping and not self._said_stopping:
            self._said_stopping = True
            self._to.tell(Stopping(self._to.interrupt.reason))

    def _keeps_series(self, trial: Trial) -> bool:
        kept = self._plan.study.series
        return kept == "all" or (kept == "first" and trial.replication == 0)

    def _untrained(self, pair: Pair) -> bool:
        if not wants_training(self._to.methods[pair.method.label]):
            return False
        record = self._to.store.trainings.get(trial_digest(pair.fingerprint, training_seed(self._plan, pair)))
        path = self._weights(pair)
        done = record is not None and record["status"] == "done" and path.is_file()
        return not (done and record is not None and digest_of(path) == record["weights"])

    def _weights(self, pair: Pair) -> Path:
        return weights_file(self._to.folder, trial_digest(pair.fingerprint, training_seed(self._plan, pair)))


def _named_weights(method: Any) -> Path | None:
    """The weights file that a method's parameters name."""
    named = getattr(method, "weights", None)
    return Path(named) if isinstance(named, str) and named not in {"builtin", "train"} else None


def _ended(record: Record) -> TrialEnded:
    return TrialEnded(
        record["scenario"],
        record["method"],
        record["replication"],
        record["status"],
        record["reason"],
        record.get("metrics", {}),
        record["wall_s"],
    )
