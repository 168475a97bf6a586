"""What a run asks of whatever runs its batches, and what it hears back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from qoslab.study.work import Batch, FailureStatus, Result

__all__ = ["Executor", "Gave", "Lost", "Over", "Report"]


@dataclass(frozen=True)
class Gave:
    """A result of a batch: its next one, in the order of its seeds."""

    batch: int
    result: Result
    host: str


@dataclass(frozen=True)
class Over:
    """A batch has ended; its worker is free."""

    batch: int


@dataclass(frozen=True)
class Lost:
    """A batch has ended with its worker: killed, crashed, or stopped for taking too long."""

    batch: int
    status: FailureStatus
    reason: str
    wall_s: float
    host: str


Report = Gave | Over | Lost


class Executor(Protocol):
    """Runs batches on its workers.

    Used by one thread. A batch that was submitted ends in exactly one `Over` or `Lost`.
    """

    workers: int
    notes: list[str]

    def free(self) -> int:
        """How many batches can be submitted now."""

    def submit(self, batch: Batch) -> None:
        """Start a batch on a free worker."""

    def wait(self, timeout_s: float) -> list[Report]:
        """What happened; waits for something to happen at most that long."""

    def close(self) -> None:
        """Stop every worker at once, whatever it does."""
