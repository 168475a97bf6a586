"""Ctrl-C: once finishes what runs and saves, twice stops."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Interrupt", "finished"]

_T = TypeVar("_T")


_TWICE = "pressed twice"
"""What a KeyboardInterrupt says that came after one that was taken."""


class Interrupt:
    """Takes Ctrl-C while it is entered, in the main thread; elsewhere it only holds the flag.

    Attributes:
        reason: Why nothing new should start; empty while work goes on.
    """

    def __init__(self) -> None:
        self.reason = ""
        self._before: Any = None

    @property
    def stopping(self) -> bool:
        """Whether nothing new should start."""
        return bool(self.reason)

    def stop(self, reason: str) -> None:
        """Ask for an end; the first reason counts."""
        self.reason = self.reason or reason

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._pressed)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _pressed(self, _signal: int, _frame: FrameType | None) -> None:
        if self.stopping:
            raise KeyboardInterrupt(_TWICE)
        self.stop("Ctrl-C: running trials are finished; press it again to stop at once")


def finished(work: Callable[[], _T]) -> _T:
    """What work gives, also where the first Ctrl-C comes amid.

    Polars stops at Ctrl-C with a KeyboardInterrupt when it reads or writes files, even where a handler takes the signal
    and wants to go on. The work is then done again, so it has to be such that this is no harm.

    Raises:
        KeyboardInterrupt: Nobody takes the signal, or it came a second time.
    """
    while True:
        try:
            return work()
        except KeyboardInterrupt as error:
            if error.args == (_TWICE,) or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
