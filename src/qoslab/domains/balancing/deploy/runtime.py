"""HAProxy's runtime API over its stats socket: read counters and weights, set weights."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from qoslab.core.errors import BadInput, Problem

__all__ = ["ProxyGone", "ProxyRefused", "Runtime", "Server", "check_name"]

_MOST_BYTES = 8 * 2**20
_READ = ("svname", "scur", "stot", "status", "weight")
_MAY_LACK = ("uweight", "agent_status")  # in the tables of an old proxy
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,256}")


class ProxyGone(OSError):
    """The proxy does not answer on its socket; it may come back."""


class ProxyRefused(Exception):
    """The proxy answered that it will not do what was asked."""


class Server(NamedTuple):
    """One server of a backend, as the proxy counts it.

    Attributes:
        name: Its name.
        active: Requests in flight.
        total: Requests sent to it since the proxy started.
        weight: The weight in force, 0 to 256.
        up: Whether it takes requests.
        agent: Whether an agent-check may set its weight.
    """

    name: str
    active: int
    total: int
    weight: int
    up: bool
    agent: bool


class Runtime:
    """A client that connects for each command, so a proxy that was reloaded is found again by itself.

    Args:
        path: The stats socket; it must be of level admin for weights to be set.
        timeout_s: Longest wait for each answer, s.
    """

    def __init__(self, path: Path, timeout_s: float = 2.0) -> None:
        self._path, self._timeout_s = path, timeout_s

    def ask(self, command: str) -> str:
        """Send one line and read the whole answer.

        Raises:
            ProxyGone: Nobody listens, or the answer did not come in time or was too long.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(self._timeout_s)
                line.connect(str(self._path))
                line.sendall(command.encode() + b"\n")
                return _all_of(line).decode("utf-8", "replace")
        except OSError as error:
            raise ProxyGone(_in_words(error)) from error

    def servers(self, backend: str) -> tuple[str, list[Server]]:
        """Which process of the proxy answers, by its number and start, and the servers of a backend.

        Raises:
            ProxyGone: The proxy does not answer, or answers with something else than its counters.
            BadInput: It has no such backend, or the backend has no servers.
        """
        answer = self.ask(f"show info;show stat {check_name(backend, 'backend')} 4 -1")
        info, _, table = answer.partition("# pxname")
        process = re.search(r"\nPid: (\d+)", "\n" + info)
        if process is None or not table:
            raise _unexpected(answer, backend)
        try:
            found = [_server(*row) for row in _rows("pxname" + table)]
        except (LookupError, ValueError, TypeError, csv.Error) as error:
            message = f"a table of counters that cannot be read: {error}"
            raise ProxyGone(message) from error
        if not found:
            raise BadInput(
                Problem(message=f"the proxy has no servers in a backend {backend!r}", field="backend")
            )
        # In a container every start may have the same number.
        start = re.search(r"\nStart_time_sec: (\d+)", info)
        return process[1] + (f" of {start[1]}" if start else ""), found

    def configured(self, backend: str) -> dict[str, int]:
        """The weights that the servers of a backend have in the configuration, whatever is in force.

        Raises:
            ProxyGone: The proxy does not answer, or answers with something else.
            BadInput: It has no such backend.
        """
        answer = self.ask(f"show servers state {check_name(backend, 'backend')}")
        _, _, table = answer.partition("# be_id ")
        if not table:
            raise _unexpected(answer, backend)
        rows = csv.DictReader(("be_id " + table).strip().splitlines(), delimiter=" ")
        try:
            return {row["srv_name"]: int(row["srv_iweight"]) for row in rows}
        except (KeyError, ValueError, TypeError, csv.Error) as error:
            message = f"a table of servers that cannot be read: {error}"
            raise ProxyGone(message) from error

    def set_weights(self, backend: str, weights: Mapping[str, int]) -> None:
        """Set weights in one batch.

        Raises:
            ProxyGone: The proxy does not answer.
            ProxyRefused: It will not set one of them, with its own words.
        """
        if not weights:
            return
        place = check_name(backend, "backend")
        batch = [
            f"set server {place}/{check_name(name, 'server')} weight {w:d}" for name, w in weights.items()
        ]
        for start in range(0, len(batch), 64):
            answer = self.ask(";".join(batch[start : start + 64])).strip()
            if answer:
                raise ProxyRefused(" ".join(answer.split())[:300])


@lru_cache(maxsize=10_000)  # the same names each time that weights are set
def check_name(name: str, field: str) -> str:
    """A name that can stand in a command and end nothing.

    Raises:
        BadInput: It holds other characters than HAProxy's names do.
    """
    if not _NAME.fullmatch(name):
        hint = "letters, digits and _ . : - only"
        raise BadInput(Problem(message=f"{name!r} is no name of HAProxy's", field=field, hint=hint))
    return name


def _in_words(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "this user may not use its socket; mode, user and group of the `stats socket` line say who may"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens on its socket"
    if isinstance(error, FileNotFoundError):
        return "its socket is not there"
    return error.strerror or str(error)


def _unexpected(answer: str, backend: str) -> BadInput | ProxyGone:
    if "Can't find" in answer or "No such" in answer:
        return BadInput(Problem(message=f"the proxy has no backend {backend!r}", field="backend"))
    return ProxyGone(f"unexpected answer: {answer.strip()[:100]!r}")


def _all_of(line: socket.socket) -> bytes:
    parts, size = [], 0
    while part := line.recv(65536):
        parts.append(part)
        size += len(part)
        if size > _MOST_BYTES:
            message = "the answer is too long"
            raise OSError(message)
    return b"".join(parts)


def _rows(table: str) -> list[tuple[str, ...]]:
    """The columns that are read here, of a hundred that a proxy gives; empty where it gives none of that name."""
    head, *lines = table.strip().splitlines()
    names = head.split(",")
    places = [*map(names.index, _READ), *(names.index(k) if k in names else -1 for k in _MAY_LACK)]
    pick = itemgetter(*places)
    # Only what holds a comma or a quote is quoted, as a health check's words may be; csv takes three times as long.
    if '"' in table or -1 in places:
        rows = list(csv.reader(lines))
        _check_whole(map(len, rows), len(names))
        return [pick([*row, ""]) for row in rows]
    _check_whole((line.count(",") + 1 for line in lines), len(names))
    most = max(places) + 1
    return [pick(line.split(",", most)) for line in lines]


def _check_whole(fields: Iterable[int], columns: int) -> None:
    """Refuse a table of which a row has not a field for each column: it was cut short, or is none of this kind."""
    for found in fields:
        if found != columns:
            message = f"a row of {found} fields, of {columns}"
            raise ValueError(message)


def _server(
    name: str, active: str, total: str, status: str, effective: str, set_to: str, agent: str
) -> Server:
    weight = int(set_to or effective or 0)
    up = (status.startswith("UP") or status == "no check") and weight > 0
    return Server(name, int(active or 0), int(total or 0), weight, up, bool(agent))
