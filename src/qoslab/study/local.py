"""Runs trials on worker processes of this machine; a worker that crashes or hangs costs its trial, not the study."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from qoslab.core.errors import QoslabError
from qoslab.study.executor import Gave, Lost, Over, Report
from qoslab.study.warming import Warming, not_compiled
from qoslab.study.work import Batch, FailureStatus
from qoslab.study.worker import THREADS, Begun, Ready, Warmed

__all__ = ["GRACE", "LOADING_LIMIT_S", "Local", "WorkersFail"]

LOADING_LIMIT_S = 300.0
"""How long a worker may load what a batch needs: imports, and executing a user's file."""

GRACE = 1.1
"""A run may stop itself at its limit; a tenth later the parent stops the worker."""

_MOST_BOOT_FAILURES = 3


class WorkersFail(QoslabError):
    """Worker processes end before they are ready: no study could run."""


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection[Any, Any]
    ready: bool = False
    warming: bool = False
    batch: Batch | None = None
    since: float = field(default_factory=time.monotonic)
    begun: bool = False

    @property
    def deadline(self) -> float:
        """When the parent stops waiting; infinity for an idle worker or a trial without limit."""
        if not self.ready or self.warming:
            return self.since + LOADING_LIMIT_S
        if self.batch is None:
            return float("inf")
        if not self.begun:
            return self.since + LOADING_LIMIT_S
        limit = self.batch.time_limit_s
        return self.since + GRACE * limit if limit is not None else float("inf")


class Local:
    """A pool of worker processes, each with a pipe of its own.

    Processes are started afresh (never forked) with one thread for every numerical library, in process
    groups of their own, so that Ctrl-C reaches the parent alone and a killed worker takes its children along.
    """

    def __init__(self, workers: int, warming: Warming | None = None) -> None:
        """Start the workers.

        Args:
            workers: How many, at least 1.
            warming: What the first worker that is up compiles before any gets a batch.
        """
        self.workers = workers
        self._boot_failures = 0
        self._warming = warming or None
        self._warm = True
        self.notes: list[str] = []
        self._pool = [_start() for _ in range(workers)]

    def free(self) -> int:
        """Workers that wait for a batch."""
        return sum(_is_free(worker) for worker in self._pool) if self._warming is None else 0

    def submit(self, batch: Batch) -> None:
        """Hand a batch to a free worker."""
        worker = next(worker for worker in self._pool if _is_free(worker))
        batch = replace(batch, warm=self._warm)
        worker.batch, worker.begun, worker.since = batch, False, time.monotonic()
        # A worker that died while idle is found by `wait`, which then reports the batch as lost.
        with suppress(BrokenPipeError, ConnectionResetError):
            worker.pipe.send(batch)

    def wait(self, timeout_s: float) -> list[Report]:
        """What happened; a worker that is over its time is stopped and replaced."""
        until = min([time.monotonic() + timeout_s, *(worker.deadline for worker in self._pool)])
        ready = wait([worker.pipe for worker in self._pool], max(0.0, until - time.monotonic()))
        reports: list[Report] = []
        for worker in list(self._pool):
            gone = worker.pipe in ready and not self._drain(worker, reports)
            if gone or worker.process.poll() is not None:
                self._bury(worker, reports)
            elif worker.deadline <= time.monotonic():
                self._stop(worker, reports)
        return reports

    def close(self) -> None:
        """Kill every worker."""
        for worker in self._pool:
            _kill(worker)
        self._pool = []

    def _drain(self, worker: _Worker, reports: list[Report]) -> bool:
        """Read what a worker has sent; False when its pipe has ended."""
        try:
            while worker.pipe.poll():
                self._hear(worker, worker.pipe.recv(), reports)
        except (EOFError, OSError):
            return False
        return True

    def _hear(self, worker: _Worker, said: Any, reports: list[Report]) -> None:
        match said:
            case Ready():
                worker.ready, self._boot_failures = True, 0
                if self._warming is not None and not any(other.warming for other in self._pool):
                    worker.warming, worker.since = True, time.monotonic()
                    worker.pipe.send(self._warming)
            case Warmed(problem):
                worker.warming = False
                self._warmed(problem)
            case Begun():
                worker.begun, worker.since = True, time.monotonic()
            case Gave():
                reports.append(said)
            case Over():
                worker.batch = None
                reports.append(said)

    def _warmed(self, problem: str) -> None:
        if problem:
            self.notes.append(not_compiled(problem))
        self._warming = None

    def _lost_warming(self, reason: str) -> None:
        """What kills or hangs a worker while it compiles is left to the trials that need it."""
        self._warm = False
        self._warmed(reason)

    def _bury(self, worker: _Worker, reports: list[Report]) -> None:
        """Report a worker that ended by itself, and start another in its place."""
        self._drain(worker, reports)
        _kill(worker)
        reason = _cause(worker.process.returncode)
        if worker.warming:
            self._lost_warming(reason)
        if not worker.ready:
            self._boot_failed(reason)
        self._replace(worker, "crashed", reason, reports)

    def _boot_failed(self, reason: str) -> None:
        self._boot_failures += 1
        if self._boot_failures >= _MOST_BOOT_FAILURES:
            message = f"worker processes do not start: {reason}; their own words stand above"
            raise WorkersFail(message)

    def _stop(self, worker: _Worker, reports: list[Report]) -> None:
        self._drain(worker, reports)
        if worker.deadline > time.monotonic():
            return
        _kill(worker)
        limit = worker.batch.time_limit_s if worker.batch and worker.begun else LOADING_LIMIT_S
        reason = f"{_doing(worker)} took more than its limit of {limit:g} s and was stopped"
        if worker.warming:
            self._lost_warming(reason)
        if not worker.ready:
            self._boot_failed(reason)
        self._replace(worker, "timeout", reason, reports)

    def _replace(self, worker: _Worker, status: FailureStatus, reason: str, reports: list[Report]) -> None:
        if worker.batch is not None:
            wall = time.monotonic() - worker.since
            reports.append(Lost(worker.batch.number, status, reason, wall, platform.node()))
        self._pool[self._pool.index(worker)] = _start()


def _is_free(worker: _Worker) -> bool:
    return worker.ready and worker.batch is None


def _doing(worker: _Worker) -> str:
    """What a worker that is over its time is at."""
    if not worker.ready:
        return "starting a worker process"
    if worker.warming:
        return "compiling in advance"
    return "the trial" if worker.begun else "loading the method and its domain"


def _start() -> _Worker:
    mine, theirs = Pipe()
    begin = "import sys; from qoslab.study.worker import main; main(sys.argv)"
    command = [sys.executable, "-P", "-c", begin, str(theirs.fileno()), str(os.getpid())]
    try:
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=2,  # the parent's standard output belongs to the parent: it may be JSON
            pass_fds=[theirs.fileno()],
            process_group=0,
        )
    finally:
        theirs.close()
    return _Worker(process, mine)


def _environment() -> dict[str, str]:
    """The parent's environment, its import path, one thread per library, and one order of hashes."""
    path = [str(entry) or os.getcwd() for entry in sys.path]
    return {**os.environ, **THREADS, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"}


def _kill(worker: _Worker) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        worker.process.kill()
    worker.process.wait()
    worker.pipe.close()


def _cause(code: int) -> str:
    """Why a process ended, in words."""
    if code >= 0:
        return f"the worker process ended itself with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    guess = "; the system may have run out of memory" if -code == signal.SIGKILL else ""
    return f"the worker process was killed by {name}{guess}"
