"""The ledger: a proxy's log lines, one datagram per request, become the counters that a controller may see."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.traces.logclock import Clock

__all__ = ["MOST_BYTES", "Ledger"]

MOST_BYTES = 8192
"""Bytes of a datagram that are read; HAProxy's own lines end at 1,024 unless configured otherwise."""

_LINE = re.compile(
    rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3})\] [^ ]{1,256} ([^ /]{1,256})/([^ /]{1,256}) "
    rb"(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9})/(-?\d{1,9}) (-?\d{1,4}) "
)
_QUARTER_S, _ZONE_S = 900.0, 15 * 3600.0
_LATE_S, _EARLY_S = 60.0, 2.0
_SEGMENTS = 64
_STEP_S = 1.0
_MEMORY = 50
_OVERLOADED = (408, 429)


class Ledger:
    """Counts answers, busy time and request-seconds of one backend's servers from HAProxy's HTTP log.

    A request occupied its server from `end - (Ta - TR - Tw)` to `end`, `end` being the logged time plus `Ta`. Busy
    time is the length of the union of these intervals.

    A server that fails at once must not look fast. An answer of class 5xx, 408, 429, or none, is no completion, and
    counts as busy for no less time than a good answer takes. Another one of class 4xx may be the client's fault: quick,
    it counts as that part of a completion which its time is of a good answer's, of the same server, or of all servers
    while it has given none. So it leaves completions per time as they are.

    Args:
        backend: The backend's name.
        servers: Its servers' names; they give the order of all arrays.

    Attributes:
        lines: Lines taken in.
        odd: Datagrams that were no usable line.
        failures: Answers of class 5xx, 408, 429, or none, shape (n,).
        clock_step_s: By how much the wall clock was set since the observation before, s; 0 as a rule.
    """

    def __init__(self, backend: str, servers: Sequence[str]) -> None:
        n = len(servers)
        self._backend = backend.encode()
        self._index = {name.encode(): k for k, name in enumerate(servers)}
        self._clock = Clock()
        # What each line adds to stands in lists, whose items cost a quarter of an array's.
        self._done, self._busy, self._area, self._answered = ([0.0] * n for _ in range(4))
        self._covered: list[list[tuple[float, float]]] = [[] for _ in servers]
        self._ended, self._held_since = [-math.inf] * n, np.full(n, np.nan)
        self._open_s, self._open_area_s = np.zeros(n), np.zeros(n)
        self._told, self._active, self._now_s = np.zeros(n), np.zeros(n), np.nan
        self._given_up, self._given_up_at, self._wall_s = [0.0] * n, [-math.inf] * n, math.nan
        # Means of good answers' times, of each server and last of all, and of how many answers they are.
        self._usual_s, self._kept = [0.0] * (n + 1), [0] * (n + 1)
        self._ahead_s = np.nan
        self.clock_step_s = 0.0
        self.lines = 0
        self.odd = 0
        self.failures = np.zeros(n)

    @property
    def answered(self) -> float:
        """Lines of answers, good and failed, of all servers."""
        return float(sum(self._answered) + self.failures.sum())

    def take(self, datagram: bytes, wall_s: float) -> bool:
        """Take one datagram in, whatever its bytes.

        Args:
            datagram: One log line, with or without a syslog header.
            wall_s: When it was read, s since 1970.

        Returns:
            Whether it was a request that one of the servers answered.
        """
        found = _LINE.search(datagram[:MOST_BYTES])
        if found is None:
            self.odd += 1
            return False
        if found[2] != self._backend:
            return False
        k = self._index.get(found[3])
        if k is None:
            return False
        try:
            began = self._clock.seconds(found[1].decode("ascii"))
        except ValueError:
            self.odd += 1
            return False
        request_ms, queue_ms, total_ms = int(found[4]), int(found[5]), int(found[8])
        end = _in_utc(began + max(total_ms, 0) / 1e3, wall_s)
        if not -_EARLY_S <= wall_s - end <= _LATE_S:
            self.odd += 1
            return False
        length = max(total_ms - max(request_ms, 0) - max(queue_ms, 0), 0) / 1e3
        self._count(k, end, length, int(found[9]))
        return True

    def _count(self, k: int, end: float, length: float, status: int) -> None:
        self.lines += 1
        if end > self._ended[k]:
            self._ended[k] = end
        if not 100 <= status < 500 or status in _OVERLOADED:
            self.failures[k] += 1.0
            length = max(length, self._usual_s[-1])
            self._area[k] += length
            self._busy[k] += length
            return
        self._answered[k] += 1.0
        self._area[k] += length - self._counted_already(k, end - length, length)
        self._busy[k] += self._cover(k, end - length, end)
        if status < 400:
            self._done[k] += 1.0
            self._learn(k, length)
            self._learn(-1, length)
        else:
            usual_s = self._usual_s[k if self._kept[k] else -1]
            self._done[k] += 1.0 if length >= usual_s else length / usual_s

    def _counted_already(self, k: int, start: float, length: float) -> float:
        """What counts already of a request that a server seemed to have given up, s: its line came late."""
        if not self._given_up[k]:
            return 0.0
        counted = min(self._given_up[k], length) if start < self._given_up_at[k] else 0.0
        self._given_up[k] = self._given_up[k] - counted if counted else 0.0
        return counted

    def _learn(self, k: int, length: float) -> None:
        """Take a good answer's time into a mean: of all answers at first, later with a memory of some fifty."""
        kept = self._kept[k]
        if kept < _MEMORY:
            self._kept[k] = kept = kept + 1
        self._usual_s[k] += (length - self._usual_s[k]) / kept

    def _cover(self, k: int, start: float, end: float) -> float:
        """Add an interval to a server's union; by how much its length grows, s."""
        segments, known, later = self._covered[k], 0.0, []
        # Lines come nearly in the order of their ends, so what overlaps stands at the end of the list.
        while segments and segments[-1][1] >= start:
            low, high = segments.pop()
            if low > end:
                later.append((low, high))
            else:
                known += high - low
                start, end = min(start, low), max(end, high)
        segments.append((start, end))
        segments.extend(reversed(later))
        if len(segments) > _SEGMENTS:
            del segments[0]
        return end - start - known

    def observe(
        self,
        wall_s: float,
        now_s: float,
        active: NDArray[np.float64],
        up: NDArray[np.bool_],
        *,
        complete: bool,
    ) -> Observation:
        """The counters at this instant; requests still in flight count provisionally.

        Args:
            wall_s: Now, s since 1970.
            now_s: Now, s on a clock that does not go back.
            active: Requests in flight, shape (n,).
            up: Whether a server takes requests, shape (n,).
            complete: Whether all lines since the observation before have come.
        """
        self._watch_clock(wall_s, now_s)
        self._hold(wall_s, now_s, active)
        return Observation(
            time_s=now_s,
            active=active,
            done=np.array(self._done),
            busy_s=np.array(self._busy) + self._open_s,
            area_s=np.array(self._area) + self._open_area_s,
            up=up,
            complete=complete and not self.clock_step_s,
        )

    def _hold(self, wall_s: float, now_s: float, active: NDArray[np.float64]) -> None:
        """Time of requests still in flight since the last line of each server; the line of each will tell its own."""
        answers, held = np.array(self._answered) + self.failures, active > 0
        silent = answers == self._told
        # What a server held and gave up without a line, as where it was sent on to another one, stays counted; a line
        # that comes late, as where the client is slow to read, adds what it takes longer.
        for k in np.flatnonzero(silent & ~held & (self._open_area_s > 0)).tolist():
            self._busy[k] += self._cover(k, self._wall_s - float(self._open_s[k]), self._wall_s)
            self._area[k] += float(self._open_area_s[k])
            self._given_up[k] += float(self._open_area_s[k])
            self._given_up_at[k] = self._wall_s
        self._held_since = np.where(held & np.isnan(self._held_since), wall_s, self._held_since)
        self._held_since[~held] = np.nan
        open_s = np.where(
            held, np.maximum(wall_s - np.fmax(self._held_since, np.array(self._ended)), 0.0), 0.0
        )
        # A request that came late in a long silence was not in flight for all of it.
        longer_s = np.minimum(self._active, active) * np.nan_to_num(now_s - self._now_s)
        self._open_area_s = np.where(held & silent, self._open_area_s + longer_s, open_s * active)
        self._open_s = open_s
        self._told, self._active, self._now_s, self._wall_s = answers, active, now_s, wall_s

    def _watch_clock(self, wall_s: float, now_s: float) -> None:
        """Begin the unions anew where the wall clock, whose time lines carry, was set.

        What comes in the minute after it was set back by one would else lie under intervals that are counted
        already; where it was set forward, an interval from before would bridge the gap. Time until now counts as
        covered, so that a request under way adds what it takes from now on.
        """
        step_s, self._ahead_s = wall_s - now_s - self._ahead_s, wall_s - now_s
        self.clock_step_s = step_s if abs(step_s) > _STEP_S else 0.0
        if self.clock_step_s:
            self._covered = [[(wall_s - 2 * _LATE_S, wall_s)] for _ in self._covered]
            self._held_since[:], self._ended = np.nan, [wall_s] * len(self._ended)
            self._open_s, self._open_area_s, self._active = (np.zeros(len(self._busy)) for _ in range(3))
            self._given_up = [0.0] * len(self._busy)


def _in_utc(time_s: float, wall_s: float) -> float:
    """A logged local time as s since 1970: zones lie whole quarters of an hour apart."""
    apart = min(max(wall_s - time_s, -_ZONE_S), _ZONE_S)
    return time_s + _QUARTER_S * round(apart / _QUARTER_S)
