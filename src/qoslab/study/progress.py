"""How far a run is, how long it will take, and what its means are so far."""

from __future__ import annotations

import time

from qoslab.core.registry import registry
from qoslab.study.events import Mean, Progressed
from qoslab.study.journal import Record
from qoslab.study.plan import Plan
from qoslab.study.schedule import Schedule
from qoslab.study.store import Store

__all__ = ["Progress"]

_SILENCE_S = 0.1


class Progress:
    """Counts rows and keeps the running mean of the metric that the report judges by.

    Attributes:
        failed_now: How many trials failed in this round.
    """

    def __init__(self, plan: Plan, store: Store, workers: int) -> None:
        self.failed_now = 0
        self._workers = max(1, workers)
        self._total = len(plan.trials)
        self._metric = plan.study.report.metric or registry.domain(plan.study.domain).metrics[0].name
        self._finished = 0
        self._spoke = -_SILENCE_S
        self._spent_s, self._run = 0.0, 0
        self._means: dict[tuple[str, str], Mean] = {}
        for trial in plan.trials:
            if trial.state == "cached":
                self._count(trial.scenario, trial.method, store.trials[trial.fingerprint])

    def add(self, record: Record) -> None:
        """Take up a new row; trainings are no rows."""
        if record["kind"] != "trial":
            return
        self.failed_now += record["status"] != "done"
        self._spent_s += record["wall_s"]
        self._run += 1
        self._count(record["scenario"], record["method"], record)

    def is_due(self) -> bool:
        """Whether to speak of the progress now: ten times a second."""
        now = time.monotonic()
        if now - self._spoke < _SILENCE_S:
            return False
        self._spoke = now
        return True

    def event(self, schedule: Schedule) -> Progressed:
        """Where the run stands."""
        usual = self._spent_s / self._run if self._run else None
        eta = None if usual is None else schedule.seconds(usual) / self._workers
        return Progressed(self._finished, self._total, self.failed_now, eta, self._metric, dict(self._means))

    def _count(self, scenario: str, method: str, record: Record) -> None:
        self._finished += 1
        value = record["metrics"].get(self._metric)
        if value is not None:
            mean = self._means.get((scenario, method), Mean(0, 0.0))
            count = mean.count + 1
            self._means[scenario, method] = Mean(count, mean.mean + (value - mean.mean) / count)
