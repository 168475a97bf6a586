"""What an access log says of each request, as arrays."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Draft", "LogReport", "Requests"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class LogReport:
    """How reading went.

    Attributes:
        format: The format that the lines were read by.
        lines: Lines of the file.
        read: Lines that gave a request.
        damaged: Lines that have another form, or impossible values.
        samples: The first damaged lines: number, reason, and the line made fit for a terminal.
        notes: What was assumed, in words.
        warnings: What a reader must know before believing a result.
    """

    format: str
    lines: int
    read: int
    damaged: int
    samples: tuple[tuple[int, str, str], ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Requests:
    """Requests in the order of their arrival at the balancer.

    Attributes:
        arrival_s: Arrival at the balancer, s after the first, shape (k,).
        wait_s: Time from there until it was handed to the server, NaN where unknown, shape (k,).
        response_s: Time at the server until its answer began, NaN where unknown, shape (k,).
        server: Number of the server in `servers`, -1 where none served it, shape (k,).
        servers: Names of the servers, in their natural order.
        status: HTTP status, 0 where there is none, shape (k,).
        queue: Requests queued before this one at the proxy, -1 where unknown, shape (k,).
        start_s: Seconds since 1970 of the first arrival.
        clock_s: What the times of arrival are rounded to, s.
        timer_s: What durations are rounded to, s.
        report: How reading went.
    """

    arrival_s: Reals
    wait_s: Reals
    response_s: Reals
    server: NDArray[np.int32]
    servers: tuple[str, ...]
    status: NDArray[np.int16]
    queue: NDArray[np.int32]
    start_s: float
    clock_s: float
    timer_s: float
    report: LogReport

    def __len__(self) -> int:
        return len(self.arrival_s)

    def of_server(self, number: int) -> NDArray[np.int64]:
        """Which requests a server answered and both times of which are known."""
        known = (self.server == number) & np.isfinite(self.response_s) & np.isfinite(self.wait_s)
        return np.flatnonzero(known & (self.status < 500))


@dataclass
class Draft:
    """Requests while they are read: eight bytes a value, nothing kept of the lines."""

    arrival: array[float] = field(default_factory=lambda: array("d"))
    wait: array[float] = field(default_factory=lambda: array("d"))
    response: array[float] = field(default_factory=lambda: array("d"))
    server: array[int] = field(default_factory=lambda: array("i"))
    status: array[int] = field(default_factory=lambda: array("h"))
    queue: array[int] = field(default_factory=lambda: array("i"))
    servers: dict[str, int] = field(default_factory=dict)
    tries: int = 0

    def add(
        self, arrival: float, wait: float, response: float, server: str | None, status: int, queue: int
    ) -> None:
        """Keep one request."""
        self.arrival.append(arrival)
        self.wait.append(wait)
        self.response.append(response)
        self.server.append(-1 if server is None else self.servers.setdefault(server, len(self.servers)))
        self.status.append(status)
        self.queue.append(queue)

    def finished(self, clock_s: float, timer_s: float, report: LogReport) -> Requests:
        """The requests sorted by arrival, servers by name."""
        arrival = np.frombuffer(self.arrival, np.float64)
        order = np.argsort(arrival, kind="stable")
        names = sorted(self.servers, key=_natural)
        # Entry -1 of the renumbering, the last one, stands for no server.
        number = np.full(len(names) + 1, -1, np.int32)
        for new, name in enumerate(names):
            number[self.servers[name]] = new
        start = float(arrival[order[0]])
        return Requests(
            np.round(arrival[order] - start, 6),
            np.frombuffer(self.wait, np.float64)[order],
            np.frombuffer(self.response, np.float64)[order],
            number[np.frombuffer(self.server, np.int32)[order]],
            tuple(names),
            np.frombuffer(self.status, np.int16)[order],
            np.frombuffer(self.queue, np.int32)[order],
            start,
            clock_s,
            timer_s,
            report,
        )


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which s2 stands before s10."""
    import re

    parts = re.findall(r"\d{1,18}|\D+|\d+", name)
    return tuple(
        (0, int(part), "") if part.isdecimal() and len(part) <= 18 else (1, 0, part) for part in parts
    )
