"""What a run tells whoever watches it: plain facts, handed to a callback; nothing is printed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = [
    "Compiling",
    "Ended",
    "Event",
    "Events",
    "Mean",
    "Noted",
    "Planned",
    "Progressed",
    "Stopping",
    "TrialEnded",
]


@dataclass(frozen=True)
class Planned:
    """A round of trials begins.

    Attributes:
        total: Trials of the study.
        cached: How many of them were finished before.
        workers: Worker processes; 0 for none.
        estimate_s: Expected wall seconds, where earlier trials tell.
    """

    total: int
    cached: int
    workers: int
    estimate_s: float | None


@dataclass(frozen=True)
class Compiling:
    """Kernels are compiled, or read where they were compiled before; then trials begin."""


@dataclass(frozen=True)
class TrialEnded:
    """A trial's row is in the journal.

    Attributes:
        scenario: Label of the scenario.
        method: Label of the method.
        replication: Number of the replication; -1 for a training.
        status: `done`, `failed`, `timeout` or `crashed`.
        reason: Why it is not done; empty otherwise.
        metrics: Its metrics.
        wall_s: Wall seconds it took.
    """

    scenario: str
    method: str
    replication: int
    status: str
    reason: str
    metrics: Mapping[str, float]
    wall_s: float


@dataclass(frozen=True)
class Mean:
    """The running mean of the watched metric for one scenario and method."""

    count: int
    mean: float


@dataclass(frozen=True)
class Progressed:
    """How far the run is; told up to ten times a second, and when a round of trials has ended.

    Attributes:
        finished: Trials with a row, cached ones included.
        total: Trials of the study.
        failed: How many of them are not `done`.
        eta_s: Expected wall seconds left, once that can be said.
        metric: The watched metric.
        means: Its running means by labels of scenario and method.
    """

    finished: int
    total: int
    failed: int
    eta_s: float | None
    metric: str
    means: Mapping[tuple[str, str], Mean]


@dataclass(frozen=True)
class Stopping:
    """Nothing new is started; running trials are awaited."""

    reason: str


@dataclass(frozen=True)
class Noted:
    """Something a person should know."""

    message: str


@dataclass(frozen=True)
class Ended:
    """The run is over and its table is written.

    Attributes:
        finished: Trials with a row.
        total: Trials of the study.
        failed: How many of them are not `done`.
        wall_s: Wall seconds of this run.
        interrupted: Whether it was stopped before all trials were done.
    """

    finished: int
    total: int
    failed: int
    wall_s: float
    interrupted: bool


Event = Planned | Compiling | TrialEnded | Progressed | Stopping | Noted | Ended
Events = Callable[[Event], None]
