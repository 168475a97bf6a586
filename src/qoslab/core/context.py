"""What a run may ask of the laboratory while it works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from qoslab.core.errors import MissingData, QoslabError

__all__ = ["Context", "TimeLimitExceeded"]


class TimeLimitExceeded(QoslabError):
    """A trial used more than its time limit."""


def _no_data(name: str) -> Path:
    message = f"dataset {name!r} was asked for, but this run was started without a data folder"
    raise MissingData(message)


@dataclass(frozen=True)
class Context:
    """Services that a domain's run function receives beside its scenario, method and seeds.

    Attributes:
        keep_series: Whether series for figures are wanted from this call. Metrics never depend on it.
        time_limit_s: Wall-clock limit of one trial in seconds; None for no limit.
        dataset: Gives the verified local path of a registered data file, `DATASET/FILE`.
        weights: The file of trained weights for this call, where the method's `weights` is a file or `train`.
        started: `time.monotonic()` at the start of the trial.
    """

    keep_series: bool = False
    time_limit_s: float | None = None
    dataset: Callable[[str], Path] = _no_data
    weights: Path | None = None
    started: float = field(default_factory=time.monotonic)

    def check_time(self) -> None:
        """Stop a run that is over its limit; long loops call this between slices of work.

        Raises:
            TimeLimitExceeded: The limit is over.
        """
        if self.time_limit_s is not None and time.monotonic() - self.started > self.time_limit_s:
            message = f"the trial took more than its limit of {self.time_limit_s:g} s"
            raise TimeLimitExceeded(message)
