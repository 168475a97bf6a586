"""Progress on a terminal; silence where nobody watches."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qoslab.app.output import duration, interactive

if TYPE_CHECKING:
    from qoslab.datasets.fetch import Transferred
    from qoslab.study.events import Event

__all__ = ["download_progress", "study_progress"]

_MEANS_SHOWN = 8
"""Most running means that are shown under the bar."""


@contextmanager
def study_progress(*, quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """A callback for a run's events: a bar with ETA and running means on a terminal.

    Failures are told at once, on a terminal or not.

    Args:
        quiet: Say nothing but failures even on a terminal.
    """
    told = _Told()
    if quiet or not interactive():
        try:
            yield told.print
        finally:
            told.print_rest()
        return
    from rich.console import Console
    from rich.live import Live

    try:
        with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
            yield _Watch(live, told)
    finally:
        told.print_rest()


@contextmanager
def download_progress() -> Iterator[Callable[[Transferred], None] | None]:
    """A callback for downloads: a bar with speed on a terminal, None elsewhere."""
    if not interactive():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def told(transferred: Transferred) -> None:
            name = transferred.reference
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=transferred.total_bytes)
            bars.update(tasks[name], completed=transferred.done_bytes, total=transferred.total_bytes)

        yield told


class _Told:
    """Says each kind of failure once and counts the rest: two hundred equal lines hide the one that differs."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def text(self, event: Event) -> str | None:
        """What must be said of an event, if anything."""
        from qoslab.study.events import TrialEnded

        if isinstance(event, TrialEnded) and event.status != "done":
            kind = event.method, event.status, event.reason
            self._seen[kind] += 1
            if self._seen[kind] > 1:
                return None
        return _told(event)

    def print(self, event: Event) -> None:
        """Say it on standard error."""
        text = self.text(event)
        if text:
            print(text, file=sys.stderr, flush=True)

    def print_rest(self) -> None:
        """How many more trials ended like those that were told."""
        for (method, status, reason), count in self._seen.items():
            if count > 1:
                more = "trials" if count > 2 else "trial"
                print(f"{status}: {method}: {count - 1} more {more}: {_first_line(reason)}", file=sys.stderr)


def _first_line(text: str) -> str:
    return text.split("\n", maxsplit=1)[0]


def _told(event: Event) -> str | None:
    """What must be said at once: a trial that failed, a note, an interruption."""
    from qoslab.study.events import Noted, Stopping, TrialEnded

    if isinstance(event, TrialEnded) and event.status != "done":
        where = " ".join(word for word in (event.scenario, event.method) if word)
        what = "training" if event.replication < 0 else f"seed {event.replication}"
        return f"{event.status}: {where}, {what}: {event.reason}"
    if isinstance(event, Noted):
        return event.message
    if isinstance(event, Stopping):
        return f"stopping: {event.reason}; running trials are finished first, Ctrl-C again stops them"
    return None


class _Watch:
    """Draws the bar."""

    def __init__(self, live: Any, told: _Told) -> None:
        self.live, self._told = live, told

    def __call__(self, event: Event) -> None:
        from qoslab.study.events import Compiling, Progressed

        text = self._told.text(event)
        if text:
            self.live.console.print(text, markup=False, highlight=False)
        if isinstance(event, Compiling):
            self.live.update("compiling what is not in the cache yet")
        if isinstance(event, Progressed):
            self.live.update(_bar(event))


def _bar(event: Any) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    eta = "" if event.eta_s is None else f"about {duration(event.eta_s)} left"
    failed = f", {event.failed} failed" if event.failed else ""
    bar = ProgressBar(total=event.total, completed=event.finished, width=32)
    line.add_row(bar, f"{event.finished}/{event.total} trials{failed}", eta)
    best = sorted(event.means.items())[-_MEANS_SHOWN:]
    means = [f"  {' '.join(filter(None, key))}: {m.mean:.4g} ({m.count})" for key, m in best]
    return Group(line, Text("\n".join([f"  {event.metric}", *means]) if means else ""))
