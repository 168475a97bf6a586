"""Runs trials on a Ray cluster; the same rows as from local processes.

Workers see the study's folder and the results folder under the same paths as the parent: on several machines
that takes a shared file system. Ray is imported when a run asks for it. Ray's own processes send each other pickles:
who can reach a cluster can run code on it. A cluster that is started here listens on the loopback address alone.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from qoslab import __version__
from qoslab.core.cluster import start_cluster
from qoslab.core.errors import MissingExtra, QoslabError
from qoslab.study.executor import Gave, Lost, Over, Report
from qoslab.study.local import GRACE, LOADING_LIMIT_S
from qoslab.study.warming import Warming, not_compiled
from qoslab.study.work import Batch, FailureStatus, begin
from qoslab.study.worker import THREADS, Begun

__all__ = ["OnRay"]


class ClusterFails(QoslabError):
    """The Ray cluster cannot be reached, or cannot run our workers."""


class _Actor:
    """What runs on the cluster: one batch at a time, each result sent as it comes."""

    def __init__(self, path: list[str], version: str) -> None:
        sys.path += [entry for entry in path if entry not in sys.path]
        if version != __version__:
            message = f"this worker has qoslab {__version__}, the parent {version}"
            raise RuntimeError(message)

    def warm(self, warming: Warming) -> str:
        return warming()

    def work(self, batch: Batch) -> Iterator[Begun | Gave]:
        run = begin(batch)
        yield Begun(batch.number)
        for result in run():
            yield Gave(batch.number, result, os.uname().nodename)


@dataclass
class _Slot:
    actor: Any
    batch: Batch | None = None
    stream: Any = None
    warmed: Any = None
    since: float = field(default_factory=time.monotonic)
    begun: bool = False

    @property
    def deadline(self) -> float:
        if self.batch is None:
            return math.inf
        if not self.begun:
            return self.since + LOADING_LIMIT_S
        limit = self.batch.time_limit_s
        return self.since + GRACE * limit if limit is not None else math.inf


class OnRay:
    """A pool of Ray actors, one for each processor of the cluster; a lost actor is replaced."""

    def __init__(self, address: str, trials: int, warming: Warming) -> None:
        """Join or start a cluster.

        Args:
            address: Its address; `auto` finds a running one or starts one on this machine; `local` starts one.
            trials: How many trials there are: no more workers than that.
            warming: What the first actor compiles before the others start; they then read it, or compile it on
                machines with a cache of their own.

        Raises:
            MissingExtra: Ray is not installed.
            ClusterFails: There is no cluster at that address.
        """
        self._ray = _ray()
        self.notes: list[str] = []
        self._mine = _join(self._ray, address)
        cores = int(self._ray.cluster_resources().get("CPU", 1))
        self.workers = max(1, min(cores, trials))
        environment = {"env_vars": {**THREADS, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(_path())}}
        self._remote = self._ray.remote(_Actor).options(
            num_cpus=1, max_restarts=0, max_concurrency=1, runtime_env=environment
        )
        self._warming = self._ray.put(warming) if warming else None
        self._warm = True
        first = self._start()
        self._first = first if warming else None
        self._pool = [first] if warming else [first, *self._others()]

    def free(self) -> int:
        """Actors without a batch."""
        return sum(slot.batch is None for slot in self._pool) if self._first is None else 0

    def submit(self, batch: Batch) -> None:
        """Hand a batch to a free actor."""
        slot = next(slot for slot in self._pool if slot.batch is None)
        slot.batch, slot.begun, slot.since = batch, False, time.monotonic()
        work = slot.actor.work.options(num_returns="streaming")
        slot.stream = work.remote(replace(batch, warm=self._warm))

    def wait(self, timeout_s: float) -> list[Report]:
        """What happened; an actor that is over its time is killed and replaced."""
        if self._first is not None:
            self._await(self._first, timeout_s)
            return []
        busy = {slot.stream: slot for slot in self._pool if slot.batch is not None}
        until = min([time.monotonic() + timeout_s, *(slot.deadline for slot in self._pool)])
        reports: list[Report] = []
        if busy:
            left = max(0.0, until - time.monotonic())
            ready, _ = self._ray.wait(list(busy), num_returns=1, timeout=left, fetch_local=False)
            if ready:
                ready, _ = self._ray.wait(list(busy), num_returns=len(busy), timeout=0, fetch_local=False)
            for stream in ready:
                self._hear(busy[stream], reports)
        for slot in list(self._pool):
            if slot.deadline <= time.monotonic():
                self._stop(slot, reports)
        return reports

    def close(self) -> None:
        """Kill every actor, and the cluster if it was started here."""
        for slot in self._pool:
            self._kill(slot)
        self._pool = []
        if self._mine:
            self._ray.shutdown()

    def _start(self) -> _Slot:
        slot = _Slot(self._remote.remote(_path(), __version__))
        if self._warming is not None:
            # Every machine has a cache of its own, and every process loads from it: before a trial's time counts.
            slot.warmed = slot.actor.warm.remote(self._warming)
        return slot

    def _others(self) -> Iterator[_Slot]:
        return (self._start() for _ in range(self.workers - 1))

    def _await(self, first: _Slot, timeout_s: float) -> None:
        """Wait for the first actor to be up and its machine's cache to be warm; then start the others."""
        ready, _ = self._ray.wait([first.warmed], timeout=timeout_s)
        if not ready and time.monotonic() < first.since + LOADING_LIMIT_S:
            return
        lost = f"it took more than its limit of {LOADING_LIMIT_S:g} s and was stopped"
        problem, lost = self._answer(first) if ready else ("", lost)
        if lost:
            # Another one in its place, which has nothing to compile before its trials.
            self._kill(first)
            self._warming, self._warm = None, False
            self._pool = [self._start()]
        problem = problem or lost
        self.notes += [not_compiled(problem)] if problem else []
        self._first = None
        self._pool += self._others()

    def _answer(self, first: _Slot) -> tuple[str, str]:
        """What went wrong with compiling in advance, and what the worker died of while it was at it; both may be empty.

        Raises:
            ClusterFails: The worker could not even be set up: no other one would be.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(first.warmed), ""
        except errors.RayError as error:
            if isinstance(error, errors.RayActorError) and not error.actor_init_failed:
                return "", f"the worker was lost: {_words(error)}"
            message = f"the cluster cannot run a worker: {_words(error)}"
            raise ClusterFails(message) from None

    def _hear(self, slot: _Slot, reports: list[Report]) -> None:
        """Take the next message of a batch that has one."""
        assert slot.batch is not None
        try:
            said = self._ray.get(next(slot.stream))
        except StopIteration:
            reports.append(Over(slot.batch.number))
            slot.batch = slot.stream = None
        except self._ray.exceptions.RayError as error:
            self._replace(slot, "crashed", f"the worker was lost: {_words(error)}", reports)
        else:
            if isinstance(said, Begun):
                slot.begun, slot.since = True, time.monotonic()
            else:
                reports.append(said)

    def _stop(self, slot: _Slot, reports: list[Report]) -> None:
        limit = slot.batch.time_limit_s if slot.batch is not None and slot.begun else LOADING_LIMIT_S
        what = "the trial" if slot.begun else "loading the method and its domain"
        reason = f"{what} took more than its limit of {limit:g} s and was stopped"
        self._replace(slot, "timeout", reason, reports)

    def _replace(self, slot: _Slot, status: FailureStatus, reason: str, reports: list[Report]) -> None:
        assert slot.batch is not None
        wall = time.monotonic() - slot.since
        reports.append(Lost(slot.batch.number, status, reason, wall, ""))
        self._kill(slot)
        self._pool[self._pool.index(slot)] = self._start()

    def _kill(self, slot: _Slot) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(slot.actor, no_restart=True)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        what = "running on Ray"
        raise MissingExtra(what, "ray") from None
    return ray


def _join(ray: Any, address: str) -> bool:
    """Connect; True where the cluster was started here and ends with the run."""
    if ray.is_initialized():
        return False
    try:
        if address == "local":
            start_cluster(ray)
            return True
        ray.init(address=address, logging_level="error", log_to_driver=False)
    except ConnectionError as error:
        if address == "auto":
            start_cluster(ray)
            return True
        message = f"no Ray cluster at {address!r}: {_words(error)}"
        raise ClusterFails(message) from None
    return True


def _path() -> list[str]:
    return [str(entry) or os.getcwd() for entry in sys.path]


def _words(error: Exception) -> str:
    """What Ray says, without its page of details; of an error in a worker's start the cause, which stands last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "creation task" in lines[0] else lines[0]
