"""Runs trials in the parent's own process: for debuggers, notebooks and methods that live only there."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from qoslab.study.executor import Gave, Over, Report
from qoslab.study.warming import Warming, not_compiled
from qoslab.study.work import Batch, Failure, Result, begin

__all__ = ["InProcess"]


class InProcess:
    """One worker that is no process of its own.

    A method that hangs or crashes takes the study with it, and a time limit holds only where the run
    function asks `context.check_time()`.
    """

    workers = 0

    def __init__(self, warming: Warming | None = None) -> None:
        """Do nothing yet.

        Args:
            warming: What is compiled before the first batch.
        """
        self.notes: list[str] = []
        self._warming = warming or None
        self._batch: Batch | None = None
        self._results: Iterator[Result] = iter(())

    def free(self) -> int:
        """One, while nothing runs."""
        return 1 if self._batch is None else 0

    def submit(self, batch: Batch) -> None:
        """Take a batch; it is worked on in `wait`."""
        if self._warming is not None:
            problem, self._warming = self._warming(), None
            self.notes += [not_compiled(problem)] if problem else []
        self._batch = batch
        self._results = begin(batch)()

    def wait(self, timeout_s: float) -> list[Report]:  # noqa: ARG002
        """The next result of the batch."""
        if self._batch is None:
            return []
        result = next(self._results, None)
        if result is not None and not isinstance(result, Failure):
            return [Gave(self._batch.number, result, platform.node())]
        number, self._batch = self._batch.number, None
        given: list[Report] = [Gave(number, result, platform.node())] if result is not None else []
        return [*given, Over(number)]

    def close(self) -> None:
        """Nothing to stop."""
        self._batch = None
