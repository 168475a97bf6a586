"""A worker process: takes batches from its parent's pipe, sends each result as it comes, dies with its parent.

`qoslab.study.local` starts it with the number of its end of the pipe and the parent's process id.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from qoslab.study.executor import Gave, Over
from qoslab.study.warming import Warming
from qoslab.study.work import Batch, begin

__all__ = ["THREADS", "Begun", "Ready", "Warmed", "main"]

_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR", "NUMBA")

THREADS = {f"{name}_THREADS" if "_" in name else f"{name}_NUM_THREADS": "1" for name in _LIBRARIES}
"""One thread each: workers share the cores, and sums come out the same on every machine."""


@dataclass(frozen=True)
class Ready:
    """The worker is up."""


@dataclass(frozen=True)
class Begun:
    """Everything a batch needs is loaded; its time counts from now."""

    batch: int


@dataclass(frozen=True)
class Warmed:
    """Answer to a `Warming`: empty, or what went wrong."""

    problem: str


def main(argv: list[str]) -> None:
    """Serve batches until the parent closes the pipe."""
    handle, parent = int(argv[1]), int(argv[2])
    os.set_inheritable(handle, False)  # noqa: FBT003
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    pipe: Connection[Any, Any] = Connection(handle)
    try:
        pipe.send(Ready())
        while True:
            _serve(pipe, pipe.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The parent has gone; whatever it knows is in its journal.
        os._exit(0)


def _serve(pipe: Connection[Any, Any], asked: Warming | Batch) -> None:
    if isinstance(asked, Warming):
        pipe.send(Warmed(asked()))
        return
    run = begin(asked)
    pipe.send(Begun(asked.number))
    for result in run():
        pipe.send(Gave(asked.number, result, platform.node()))
    pipe.send(Over(asked.number))


def _die_with(parent: int) -> None:
    """End when the parent does, even by `kill -9`, even in the middle of a run that never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)
