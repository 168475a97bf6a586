"""What the benchmarks share: contestants measured in turn in CPU seconds, ratios within one run, bounds beside figures.

A figure is the median over rounds; in brackets stand the least and the greatest. In each round every contestant runs
once, in an order that turns around from round to round, and a ratio is taken within a round: what slows the machine for
a while slows both sides of it.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Child", "Spread", "child", "cpu_s", "interleaved", "judge", "most_kib", "ratio", "show", "spread"]


class Spread(NamedTuple):
    """Median of a figure over the rounds of a run, with its extremes."""

    median: float
    least: float
    most: float

    def __format__(self, style: str) -> str:
        return f"{self.median:{style}} [{self.least:{style}}, {self.most:{style}}]"


class Child(NamedTuple):
    """What a process cost, with the children it waited for, and what it printed."""

    cpu_s: float
    wall_s: float
    output: str


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Quotients of two contestants' figures, round by round."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


def most_kib() -> float:
    """Most memory this process held so far, KiB; on Linux without what it was forked from, which ru_maxrss counts."""
    try:
        with Path("/proc/self/status").open() as lines:
            return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The figures of each contestant, one per round; a first round warms caches and is thrown away.

    Args:
        contestants: Each runs once when called and gives its figure.
        rounds: Rounds that count.
    """
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            figure = contestants[name]()
            if number:
                figures[name].append(figure)
    return figures


def child(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Child:
    """Run a process to its end.

    Raises:
        RuntimeError: It failed; with its own words.
    """
    before, begun = _children_s(), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    wall = time.perf_counter() - begun
    if done.returncode:
        message = f"{command[0]} ended with {done.returncode}: {done.stderr}"
        raise RuntimeError(message)
    return Child(_children_s() - before, wall, done.stdout)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def show(what: str, said: str) -> None:
    print(f"{what:<58} {said}", flush=True)


def judge(
    what: str,
    figure: Spread,
    style: str,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> None:
    """Print a figure with its bound, and whether its median meets it."""
    met = (at_most is None or figure.median <= at_most) and (at_least is None or figure.median >= at_least)
    words = [f"at most {at_most:g}" if at_most is not None else ""]
    words += [f"at least {at_least:g}" if at_least is not None else ""]
    bound = " and ".join(word for word in words if word)
    show(what, f"{figure:{style}} {unit}".rstrip() + f"   (bound: {bound}: {'met' if met else 'NOT MET'})")
