"""Executors of other packages: entry points of the group `qoslab.executors`, chosen by name."""

from __future__ import annotations

from typing import Any

from qoslab.core.errors import BadInput, Problem
from qoslab.core.parts import EXECUTORS, load_plugin
from qoslab.study.executor import Executor
from qoslab.study.warming import Warming

__all__ = ["Plugged"]

_OFFERS = ("free", "submit", "wait", "close")


class Plugged:
    """What `NAME` or `NAME:ADDRESS` asks for; the class is loaded at once, the executor made when it is needed."""

    def __init__(self, asked: str) -> None:
        """Load the executor's class.

        Args:
            asked: The entry point's name and, behind a colon, what the executor is told: an address, a queue.

        Raises:
            BadInput: There is no such executor, or its package fails.
        """
        self.name, _, self.address = asked.partition(":")
        if self.name in {"ray", "local"}:
            hint = "a Ray cluster is --ray ADDRESS, processes on this machine are --workers N"
            raise BadInput(Problem(message=f"executor {self.name!r} is not a plug-in", hint=hint))
        self._make: Any = load_plugin(EXECUTORS, self.name)

    def start(self, trials: int, warming: Warming) -> Executor:
        """The executor itself.

        Args:
            trials: How many trials there are: no more workers than that are of use.
            warming: What may be compiled before work begins: true where there is something, called where trials run.

        Raises:
            BadInput: It is none.
        """
        made = self._make(self.address, trials, warming)
        lacks = [name for name in _OFFERS if not callable(getattr(made, name, None))]
        lacks += [name for name in ("workers", "notes") if not hasattr(made, name)]
        if lacks:
            message = f"executor {self.name!r} lacks {', '.join(lacks)}; see qoslab.study.executor.Executor"
            raise BadInput(message)
        executor: Executor = made
        return executor
