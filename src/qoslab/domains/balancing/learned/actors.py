"""Actors beside a learner: processes that work on shards while it learns, and shards that survive their actor."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from qoslab.core.errors import QoslabError

__all__ = ["Actors", "ActorsFail"]

_Shard = TypeVar("_Shard")
_Gave = TypeVar("_Gave")
_MOST_LOSSES = 3


class ActorsFail(QoslabError):
    """Actors die again and again."""


class Actors(Generic[_Shard, _Gave]):
    """Local processes that work on shards, in any order; results are taken in the order of their numbers.

    A shard is worked on from what was handed out with it and from nothing else. So results do not depend on how many
    actors there are nor on who was fast, and the shards of an actor that died are simply done again. Actors end with
    the process that started them, also where it was killed.

    Args:
        work: What is done with a shard: a function of an importable module.
        processes: How many actors, at least 1.
    """

    def __init__(self, work: Callable[[_Shard], _Gave], processes: int) -> None:
        self._work, self._processes, self._losses = work, processes, 0
        self._shards: dict[int, _Shard] = {}
        self._due: dict[int, Future[_Gave]] = {}

    def __enter__(self) -> Self:
        """Start the actors."""
        self._pool = self._started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def give(self, number: int, shard: _Shard) -> None:
        """Hand out a shard."""
        self._shards[number] = shard
        try:
            self._due[number] = self._pool.submit(self._work, shard)
        except BrokenProcessPool:
            self._start_again()

    def take(self, number: int) -> _Gave:
        """The result of a shard; waits for it.

        Raises:
            ActorsFail: Actors died four times.
        """
        while True:
            try:
                gave = self._due[number].result()
            except BrokenProcessPool:
                self._start_again()
                continue
            del self._due[number], self._shards[number]
            return gave

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._processes, multiprocessing.get_context("spawn"), initializer=_end_with_the_learner
        )

    def _start_again(self) -> None:
        """A process that dies takes the pool with it: shards that were not finished are handed out anew."""
        self._losses += 1
        if self._losses > _MOST_LOSSES:
            message = f"actors died {self._losses} times: is there memory for {self._processes} of them?"
            raise ActorsFail(message)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._started()
        for number, shard in self._shards.items():
            done = self._due.get(number)
            if done is None or not done.done() or done.cancelled() or done.exception() is not None:
                self._due[number] = self._pool.submit(self._work, shard)


def _end_with_the_learner() -> None:
    """In an actor: end when the process that started it is gone, in the middle of a shard, too.

    An actor that waits for its next shard would never hear of it: actors hold the queue's other end themselves.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()
