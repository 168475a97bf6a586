"""`qoslab balancing steer haproxy`: set the weights of a running proxy from what it sees by itself."""

from __future__ import annotations

import os
import signal
import socket as sockets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import Literal, TextIO

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.exposition import exposition, serve, view
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.ledger import MOST_BYTES, Ledger
from qoslab.domains.balancing.deploy.locks import ProxyLock
from qoslab.domains.balancing.deploy.runtime import Runtime, check_name
from qoslab.domains.balancing.deploy.steering import Steering

__all__ = ["steer"]

_DRAIN_S = 0.05
_MOST_AT_ONCE = 20_000
_BUFFER = 4 * 2**20
_RESTORE_TRIES = 5


def steer(
    proxy: Literal["haproxy"],
    /,
    *,
    socket: Path,
    backend: str,
    policy: Literal["ours", "two_memories", "littles_law", "ewma", "sed"] = "ours",
    dry_run: bool = False,
    log_port: int = 5140,
    metrics_port: int = 0,
    period_s: float = 0.5,
    spread: float = 16.0,
    step: float = 1.25,
    quiet: bool = False,
    for_s: float = 0.0,
    state: Path | None = None,
) -> int:
    """Steer the weights of a backend's servers by what the proxy itself sees; nothing changes on servers.

    The proxy must log requests of the backend to 127.0.0.1 (`log 127.0.0.1:5140 format raw local0` with
    `option httplog`) and have a stats socket of level admin. The original weights are put back at the end; after a
    crash, when it is started again.

    Args:
        proxy: The kind of proxy.
        socket: The proxy's stats socket.
        backend: The backend to steer.
        policy: How capacities are inferred.
        dry_run: Observe and show, and set nothing.
        log_port: UDP port on 127.0.0.1 that the proxy logs to.
        metrics_port: Port on 127.0.0.1 for Prometheus; 0 for none.
        period_s: Time between two decisions, s.
        spread: Largest ratio between two weights; the policy sed holds the configured ones without it.
        step: Largest factor by which one weight changes in one decision.
        quiet: Show notes only.
        for_s: End after this time, s; 0 for never.
        state: Folder for the record of the original weights; the user's state folder by default.

    Returns:
        0 when the original weights are in force again; 1 when they could not be put back, or the proxy refused weights.
    """
    del proxy
    check_name(backend, "backend")
    _check(log_port, metrics_port, period_s, for_s)
    limits = Limits(spread=spread, step=step)
    limits.check()
    _check_socket(socket)
    with ExitStack() as stack:
        keepsake = Keepsake(socket, backend, state)
        if not dry_run:
            keepsake.lock()
            stack.callback(keepsake.unlock)
        _compile(backend, policy, limits)
        listener = stack.enter_context(_listener(log_port))
        stop = stack.enter_context(_stopped_by_signals())
        guard = ProxyLock(backend, _say)
        stack.callback(guard.release)
        claim = None if dry_run else guard.follow
        steering = Steering(
            Runtime(socket), backend, keepsake, policy, limits, dry_run=dry_run, tell=_say, claim=claim
        )
        if shortage := _shortage(listener):
            steering.note(shortage)
        if metrics_port:
            metrics = serve(metrics_port, lambda: exposition(steering, backend))
            stack.callback(metrics.server_close)
            stack.callback(metrics.shutdown)
        try:
            _loop(steering, listener, stop, period_s, for_s, show=not quiet)
        finally:
            restored = _restore(steering)
        if not quiet:
            _show(steering)
    return 0 if restored and not steering.refused else 1


def _check(log_port: int, metrics_port: int, period_s: float, for_s: float) -> None:
    problems = [
        Problem(message=message, field=field)
        for field, wrong, message in (
            ("log_port", not 1 <= log_port <= 65535, "must be from 1 to 65535"),
            ("metrics_port", not 0 <= metrics_port <= 65535, "must be from 0 to 65535"),
            ("period_s", not 0.1 <= period_s <= 60.0, "must be from 0.1 to 60"),
            ("for_s", not for_s >= 0.0, "must not be negative"),
        )
        if wrong
    ]
    if problems:
        raise BadInput(problems)


def _check_socket(path: Path) -> None:
    try:
        wrong = "" if stat.S_ISSOCK(path.stat().st_mode) else f"{str(path)!r} is no socket"
    except FileNotFoundError:
        wrong = f"there is no socket {str(path)!r}"
    except OSError as error:
        wrong = f"{str(path)!r} cannot be reached: {error.strerror}"
    if wrong:
        hint = "the path of the proxy's stats socket; an address and a port will not do"
        raise BadInput(Problem(message=wrong, field="socket", hint=hint))


def _compile(backend: str, policy: str, limits: Limits) -> None:
    """Compile what counts lines and infers from them: once they are listened for, none is to wait for that.

    A single server of which nothing is known leads through all of it.
    """
    ledger, controller = Ledger(backend, ["any"]), Controller(np.ones(1), policy, limits)
    for now_s in (0.0, 1.0):
        controller.decide(ledger.observe(now_s, now_s, np.zeros(1), np.ones(1, bool), complete=True))


def _loop(
    steering: Steering, listener: sockets.socket, stop: Event, period_s: float, for_s: float, *, show: bool
) -> None:
    began = shown = time.monotonic()
    due = began
    while True:
        time.sleep(_DRAIN_S)  # half as dear as waiting for the event
        if stop.is_set():
            return
        _drain(listener, steering)
        now = time.monotonic()
        if for_s and now - began >= for_s:
            return
        if now < due:
            continue
        due = max(due + period_s, now)
        steering.tick(time.time(), now, partial(_drain, listener, steering))
        if show and now - shown >= (1.0 if sys.stdout.isatty() else 10.0):
            shown = now
            _show(steering)


def _drain(listener: sockets.socket, steering: Steering) -> None:
    """Read the log lines that have come, but no more than a flood may hold us with."""
    wall_s = time.time()
    receive, take = listener.recv, steering.ledger.take
    for _ in range(_MOST_AT_ONCE):
        try:
            datagram = receive(MOST_BYTES)
        except OSError:  # none is left
            return
        take(datagram, wall_s)


def _restore(steering: Steering) -> bool:
    for _ in range(_RESTORE_TRIES):
        if steering.restore():
            return True
        time.sleep(1.0)
    return False


@contextmanager
def _listener(port: int) -> Iterator[sockets.socket]:
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as listener:
        listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, _BUFFER)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInput(Problem(message=f"port {port}: {error.strerror}", field="log_port")) from None
        listener.settimeout(0.0)
        yield listener


def _shortage(listener: sockets.socket) -> str:
    """What to tell of a receive buffer that the system made smaller than it was asked for; nothing where it did not."""
    held = listener.getsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF)
    if sys.platform == "linux":
        held //= 2  # it makes it twice as large, for its own use, and says so
    if held >= _BUFFER:
        return ""
    return (
        f"the system holds {held} bytes of log lines that wait, of {_BUFFER} asked for: lines may be lost while this "
        "process waits for a core; on Linux net.core.rmem_max bounds it"
    )


@contextmanager
def _stopped_by_signals() -> Iterator[Event]:
    """An event that SIGTERM, SIGINT and SIGHUP set, so that the weights are put back before the end."""
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.signal(kind, lambda *_: stop.set()) for kind in kinds]
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _say(note: str) -> None:
    _write(f"qoslab steer: {note}", sys.stderr)


def _show(steering: Steering) -> None:
    if not sys.stdout.isatty():
        _write(view(steering), sys.stdout)
        return
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        size = os.terminal_size((80, 24))
    # A terminal that does not know its size says 0.
    _write(f"\x1b[H\x1b[2J{view(steering, size if min(size) > 0 else None)}", sys.stdout)


def _write(text: str, stream: TextIO) -> None:
    """Write for whoever watches; a terminal that was closed or a reader that went is no reason to stop steering."""
    try:
        print(text, file=stream, flush=True)
    except OSError:
        # What is still in the stream's buffer would fail once more at the end of the process.
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
