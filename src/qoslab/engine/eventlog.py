"""The last events of a run, in bounded memory: for debugging, space-time figures and tests of trajectories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["EVENT", "EventLog", "event_log", "events", "forget", "record"]

EVENT = np.dtype([("time", np.float64), ("kind", np.int64), ("a", np.int64), ("b", np.int64)])


class EventLog(NamedTuple):
    """A ring of events.

    Attributes:
        time: When, float64, shape (room,).
        what: Kind and two numbers that the kind gives a meaning, int64, shape (room, 3).
        seen: Events recorded, forgotten ones included, int64, shape (1,).
    """

    time: NDArray[np.float64]
    what: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    seen: NDArray[np.int64]


@kernel
def event_log(room: int) -> EventLog:
    """An empty log that keeps the last `room` events; with room 0 it keeps none and costs next to nothing."""
    return EventLog(np.zeros(room, np.float64), np.zeros((room, 3), np.int64), np.zeros(1, np.int64))


@kernel(inline=True)
def record(log: EventLog, time: float, kind: int, a: int, b: int) -> None:
    """Record one event, in the place of the oldest where the log is full."""
    room = log.time.shape[0]
    if room > 0:
        place = log.seen[0] % room
        log.time[place] = time
        log.what[place, 0] = kind
        log.what[place, 1] = a
        log.what[place, 2] = b
    log.seen[0] += 1


@kernel
def forget(log: EventLog) -> None:
    """Empty the log."""
    log.seen[0] = 0


def events(log: EventLog) -> NDArray[np.void]:
    """The events kept, oldest first, as a structured array with the fields of `EVENT`."""
    room, seen = len(log.time), int(log.seen[0])
    places = np.arange(max(0, seen - room), seen) % max(room, 1)
    kept = np.empty(len(places), EVENT)
    kept["time"] = log.time[places]
    kept["kind"], kept["a"], kept["b"] = log.what[places].T
    return kept
