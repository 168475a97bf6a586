"""The ledger: a proxy's log lines, one datagram per request, become the counters that a controller may see."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.deploy.counting import begin_unions, count_answers, counts_of, hold
from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.traces.logclock import Clock
from qoslab.engine.kernel import compiled

__all__ = ["MOST_BYTES", "Ledger"]

MOST_BYTES = 8192
"""Bytes of a datagram that are read; HAProxy's own lines end at 1,024 unless configured otherwise."""

_LINE = re.compile(
    rb"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d)\.(\d{3})\] [^ ]{1,256} ([^ /]{1,256}/[^ /]{1,256}) "
    rb"(-?\d{1,9})/(-?\d{1,9})/-?\d{1,9}/-?\d{1,9}/(-?\d{1,9}) (-?\d{1,4}) "
)
_QUARTER_S, _ZONE_S = 900.0, 15 * 3600.0
_LATE_S, _EARLY_S = 60.0, 2.0
_STEP_S = 1.0
_ROW_BYTES, _ROWS = 32, 1024
_write_row = Struct("=4d").pack_into


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
        lines: Lines taken in; each tells of one answer, good or failed.
        odd: Datagrams that were no usable line.
        clock_step_s: By how much the wall clock was set since the observation before, s; 0 as a rule.
    """

    def __init__(self, backend: str, servers: Sequence[str]) -> None:
        self._index = {f"{backend}/{name}".encode(): k for k, name in enumerate(servers)}
        self._counts = counts_of(len(servers))
        self._count, self._hold = compiled(count_answers), compiled(hold)
        # Lines wait here until they are counted, many at once by a compiled loop: server, end, length, status.
        self._waiting, self._wait = bytearray(_ROWS * _ROW_BYTES), 0
        self._now_s = self._wall_s = self._ahead_s = math.nan
        self._zone_s = self.clock_step_s = 0.0
        self.lines = self.odd = 0
        # Both are compiled now, and no observation waits for them; of nothing they count nothing.
        self._fold()
        self._hold(self._counts, np.zeros(len(servers)), math.nan, math.nan, 0.0)

    @property
    def failures(self) -> NDArray[np.float64]:
        """Answers of class 5xx, 408, 429, or none, as far as they are counted; a copy, shape (n,)."""
        return self._counts.failures.copy()

    def take(self, datagram: bytes, wall_s: float) -> bool:
        """Take one datagram in, whatever its bytes.

        Args:
            datagram: One log line, with or without a syslog header.
            wall_s: When it was read, s since 1970.

        Returns:
            Whether it was a request that one of the servers answered.
        """
        found = _LINE.search(datagram, 0, MOST_BYTES)
        if found is None:
            self.odd += 1
            return False
        second, fraction, place, request_ms, queue_ms, total_ms, status = found.groups()
        k = self._index.get(place)
        if k is None:
            return False
        try:
            began = _seconds(second) + int(fraction) / 1000
        except ValueError:
            self.odd += 1
            return False
        took_ms = int(total_ms)
        end = self._in_utc(began + (took_ms / 1e3 if took_ms > 0 else 0.0), wall_s)
        if not -_EARLY_S <= wall_s - end <= _LATE_S:
            self.odd += 1
            return False
        length = _on_server(took_ms, int(request_ms), int(queue_ms))
        _write_row(self._waiting, self._wait, k, end, length, int(status))
        self._wait += _ROW_BYTES
        self.lines += 1
        if self._wait == len(self._waiting):
            self._fold()
        return True

    def _in_utc(self, time_s: float, wall_s: float) -> float:
        """A logged local time as s since 1970: zones lie whole quarters of an hour apart."""
        apart = wall_s - time_s
        # Nearly all lines are of the zone of the line before, and well within its quarter.
        if not abs(apart - self._zone_s) < _QUARTER_S / 2 - _STEP_S:
            self._zone_s = _QUARTER_S * round(min(max(apart, -_ZONE_S), _ZONE_S) / _QUARTER_S)
        return time_s + self._zone_s

    def _fold(self) -> None:
        """Count the lines that wait."""
        rows = np.frombuffer(self._waiting, np.float64).reshape(-1, 4)
        self._count(self._counts, rows[: self._wait // _ROW_BYTES])
        self._wait = 0

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
        self._fold()
        self._watch_clock(wall_s, now_s)
        passed_s = 0.0 if math.isnan(self._now_s) else now_s - self._now_s
        self._hold(self._counts, active, wall_s, self._wall_s, passed_s)
        self._now_s, self._wall_s = now_s, wall_s
        return Observation(
            time_s=now_s,
            active=active,
            done=self._counts.done.copy(),
            busy_s=self._counts.busy_s + self._counts.open_s,
            area_s=self._counts.area_s + self._counts.open_area_s,
            up=up,
            complete=complete and not self.clock_step_s,
        )

    def _watch_clock(self, wall_s: float, now_s: float) -> None:
        """Begin the unions anew where the wall clock, whose time lines carry, was set.

        What comes in the minute after it was set back by one would else lie under intervals that are counted
        already; where it was set forward, an interval from before would bridge the gap. Time until now counts as
        covered, so that a request under way adds what it takes from now on.
        """
        step_s, self._ahead_s = wall_s - now_s - self._ahead_s, wall_s - now_s
        self.clock_step_s = step_s if abs(step_s) > _STEP_S else 0.0
        if self.clock_step_s:
            begin_unions(self._counts, wall_s - 2 * _LATE_S, wall_s)


@lru_cache(maxsize=256)
def _seconds(second: bytes) -> float:
    """A logged second as s since 1970, worked out once for all of its lines."""
    return Clock().seconds(second.decode("ascii"))


def _on_server(took_ms: int, request_ms: int, queue_ms: int) -> float:
    """How long its server had a request, s; a part that it never came to is logged as -1."""
    if request_ms > 0:
        took_ms -= request_ms
    if queue_ms > 0:
        took_ms -= queue_ms
    return took_ms / 1e3 if took_ms > 0 else 0.0
