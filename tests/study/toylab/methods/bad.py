from __future__ import annotations

import ctypes
import os
import signal
import time
from dataclasses import dataclass

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.core.seeds import Seed
from toylab.model import Toy


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("cannot travel")
        self.lock = __import__("threading").Lock()

    def __reduce__(self):
        message = "never"
        raise TypeError(message)


@method("toy", "bad", summary="Fails in a chosen way, in one replication.")
@dataclass(frozen=True)
class Bad:
    how: str = "raise"
    at: int = 3

    def score(self, scenario: Toy, seed: Seed, context: Context) -> float:
        if seed.replication == self.at or self.at < 0:
            return fail(self.how)
        return seed.generator("score").random()


def fail(how: str) -> float:
    match how:
        case "raise":
            message = "a bad day"
            raise ValueError(message)
        case "unpicklable":
            raise Unpicklable
        case "exit":
            raise SystemExit(3)
        case "os_exit":
            os._exit(7)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "memory":
            # What the system's out-of-memory killer does.
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory_error":
            raise MemoryError
        case "hang":
            time.sleep(3600)
        case "hang_hard":
            # Holds the interpreter's lock, as a compiled kernel does.
            ctypes.PyDLL(None).sleep(3600)
        case "nan":
            return float("nan")
    return 0.0
