"""Which trials run next, in which batches, and what becomes of those whose worker was lost.

Trials of one scenario and one method may share a call of the domain's run function. A batch grows only after
the first trial told how long one takes. Where a batch of several fails, its unfinished trials are tried again
one by one, so that each failure is charged to the trial that caused it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from qoslab.study.plan import Pair, Trial

__all__ = ["Job", "Schedule"]

_BATCH_S = 0.25
"""Wall seconds a batch should take: long against a round trip to a worker, short against a person's patience."""

_MOST = 64
"""Trials in one batch, at most."""

_SHARE = 4
"""A batch takes at most this part of what its queue would give each worker, so that all end together."""


@dataclass
class Job:
    """What one worker is asked for: a training, or some trials that share a call.

    Attributes:
        number: The name of its batch.
        queue: The queue it comes from.
        trials: Its trials; for a training empty.
        keep_series: Whether its trials keep their series.
        finished: How many of its trials have a result.
    """

    number: int
    queue: Queue
    trials: list[Trial]
    keep_series: bool = False
    finished: int = 0

    @property
    def training(self) -> bool:
        """Whether it is a training."""
        return not self.trials

    @property
    def rest(self) -> list[Trial]:
        """Its trials without a result."""
        return self.trials[self.finished :]


@dataclass
class Queue:
    """The trials of one scenario and one method that wait."""

    pair: Pair
    waiting: deque[Trial]
    single: deque[Trial] = field(default_factory=deque)
    untrained: bool = False
    training: bool = False
    count: int = 0
    total_s: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.waiting or self.single)

    def learn(self, wall_s: float) -> None:
        """Take note of how long a trial took."""
        self.count += 1
        self.total_s += wall_s

    def size(self, workers: int) -> int:
        """How many trials the next batch should hold."""
        if not self.count:
            return 1
        by_time = _BATCH_S / max(self.total_s / self.count, _BATCH_S / _MOST)
        fair = math.ceil(len(self.waiting) / (_SHARE * max(1, workers)))
        return max(1, min(_MOST, int(by_time), max(fair, 8)))


class Schedule:
    """The waiting trials of a run.

    Attributes:
        waiting: How many there are.
    """

    def __init__(
        self,
        trials: Iterable[Trial],
        *,
        workers: int,
        keeps_series: Callable[[Trial], bool],
        untrained: Callable[[Pair], bool],
    ) -> None:
        """Take up trials.

        Args:
            trials: All that have to run.
            workers: How many workers share them.
            keeps_series: Whether a trial keeps its series.
            untrained: Whether a pair's method has to be trained first.
        """
        self._workers = workers
        self._keeps_series = keeps_series
        self._number = 0
        queues: dict[str, Queue] = {}
        for trial in trials:
            key = trial.pair.fingerprint
            if key not in queues:
                queues[key] = Queue(trial.pair, deque(), untrained=untrained(trial.pair))
            queues[key].waiting.append(trial)
        self._queues = deque(queues.values())
        self.waiting = sum(len(queue.waiting) for queue in self._queues)

    def seconds(self, usual_s: float) -> float:
        """Wall seconds that the waiting trials should take on one worker.

        Args:
            usual_s: What a trial takes where no other of its scenario and method has told yet.
        """
        return sum(
            (len(queue.waiting) + len(queue.single))
            * (queue.total_s / queue.count if queue.count else usual_s)
            for queue in self._queues
        )

    def next(self) -> Job | None:
        """The next job; None where nothing can start now."""
        for _ in range(len(self._queues)):
            queue = self._queues[0]
            self._queues.rotate(-1)
            job = self._from(queue)
            if job is not None:
                self.waiting -= len(job.trials)
                return job
        return None

    def again(self, job: Job) -> None:
        """Put the unfinished trials of a failed batch back, to be tried one by one."""
        job.queue.single.extend(job.rest)
        self.waiting += len(job.rest)

    def trained(self, job: Job) -> None:
        """A training went well: its trials may start."""
        job.queue.untrained = job.queue.training = False

    def give_up(self, job: Job) -> Iterator[Trial]:
        """A training failed: none of its trials can run."""
        job.queue.training = False
        queue = job.queue
        while queue.waiting:
            self.waiting -= 1
            yield queue.waiting.popleft()

    def _from(self, queue: Queue) -> Job | None:
        if not queue or queue.training:
            return None
        self._number += 1
        if queue.untrained:
            queue.training = True
            return Job(self._number, queue, [])
        if queue.single:
            trial = queue.single.popleft()
            return Job(self._number, queue, [trial], self._keeps_series(trial))
        return self._batch(queue)

    def _batch(self, queue: Queue) -> Job:
        """The first trials of a queue that agree on keeping their series."""
        keep = self._keeps_series(queue.waiting[0])
        trials = [queue.waiting.popleft()]
        size = queue.size(self._workers)
        while queue.waiting and len(trials) < size and self._keeps_series(queue.waiting[0]) == keep:
            trials.append(queue.waiting.popleft())
        return Job(self._number, queue, trials, keep)
