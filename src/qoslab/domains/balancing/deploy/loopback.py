"""A HAProxy, servers of unequal speed that sleep, and clients, all on loopback: where steering is shown and tested."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Literal, TypeVar

from qoslab.core.errors import BadInput, Problem

__all__ = ["Loopback", "SleepingServer", "find_haproxy", "free_port"]

T = TypeVar("T")
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
_ASK = b"GET / HTTP/1.1\r\nHost: loopback\r\nConnection: close\r\n\r\n"
_PATIENCE_S = 10.0


@dataclass
class SleepingServer:
    """A server that sleeps for exponential times instead of computing.

    Attributes:
        mean_s: Mean service time, s; may be changed while it runs.
        places: Requests served at once; others wait.
        weight: Its configured weight.
        options: More words of its `server` line.
    """

    mean_s: float
    places: int = 2
    weight: int = 1
    options: str = ""


class Loopback:
    """The whole site, to be used as a context.

    Args:
        folder: An empty folder for the configuration and the socket.
        servers: Its servers.
        balance: HAProxy's algorithm.
        seed: Seed of service and arrival times.
        level: What the stats socket may do; weights can be set at level admin.

    Attributes:
        socket: The stats socket.
        log_port: UDP port that the proxy logs to.
    """

    def __init__(
        self,
        folder: Path,
        servers: Sequence[SleepingServer],
        balance: str = "leastconn",
        seed: int = 0,
        level: Literal["admin", "operator", "user"] = "admin",
    ) -> None:
        self.servers, self.socket, self.log_port = list(servers), folder / "s", free_port(socket.SOCK_DGRAM)
        self._folder, self._balance, self._level, self._random = folder, balance, level, random.Random(seed)
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="loopback", daemon=True)
        self._proxy: subprocess.Popen[bytes] | None = None
        self._listening: list[asyncio.Server] = []

    def __enter__(self) -> Loopback:
        """Start servers and proxy.

        Raises:
            BadInput: HAProxy is not installed, or does not start.
        """
        program = find_haproxy()
        if program is None:
            hint = "on Debian: apt-get install haproxy"
            raise BadInput(Problem(message="there is no haproxy on this machine", hint=hint))
        self._thread.start()
        try:
            ports = [self._do(self._serve(server)) for server in self.servers]
            self._port = free_port(socket.SOCK_STREAM)
            configuration = self._folder / "haproxy.cfg"
            configuration.write_text(self._configuration(ports), encoding="utf-8")
            self._proxy = subprocess.Popen(
                [program, "-W", "-db", "-f", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self._await_proxy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        if self._proxy is not None:
            self._proxy.terminate()
            try:
                self._proxy.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._proxy.kill()
                self._proxy.wait()
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def reload(self) -> None:
        """Let the proxy read its configuration again: a new worker takes over."""
        if self._proxy is not None:
            self._proxy.send_signal(signal.SIGUSR2)

    def load(self, rate_per_s: float, duration_s: float) -> list[float]:
        """Send Poisson arrivals, each on a connection of its own, whatever the answers; response times, s.

        A request that fails counts as infinitely slow.
        """
        return self._do(self._arrivals(rate_per_s, duration_s))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _serve(self, server: SleepingServer) -> int:
        places = asyncio.Semaphore(server.places)

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A connection cut short by the end of the site is no event that asyncio should report.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                async with places:
                    await asyncio.sleep(self._random.expovariate(1.0 / server.mean_s))
                writer.write(_ANSWER)
                await writer.drain()
            writer.close()

        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        self._listening.append(listening)
        return int(listening.sockets[0].getsockname()[1])

    async def _arrivals(self, rate_per_s: float, duration_s: float) -> list[float]:
        tasks: list[asyncio.Task[float]] = []
        clock = self._loop.time
        due = began = clock()
        while due - began < duration_s:
            await asyncio.sleep(max(due - clock(), 0.0))
            tasks.append(self._loop.create_task(self._request()))
            due += self._random.expovariate(rate_per_s)
        return list(await asyncio.gather(*tasks))

    async def _request(self) -> float:
        began = self._loop.time()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(_ASK)
            answer = await asyncio.wait_for(reader.read(), _PATIENCE_S)
            writer.close()
        except (OSError, TimeoutError):
            return float("inf")
        return self._loop.time() - began if answer.startswith(b"HTTP/1.1 200") else float("inf")

    async def _close(self) -> None:
        for listening in self._listening:
            listening.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _configuration(self, ports: Sequence[int]) -> str:
        lines = [
            f"  server s{k} 127.0.0.1:{port} weight {server.weight} {server.options}".rstrip()
            for k, (port, server) in enumerate(zip(ports, self.servers, strict=True))
        ]
        return (
            f"global\n  stats socket {self.socket} mode 600 level {self._level}\n"
            f"  log 127.0.0.1:{self.log_port} format raw local0\n  nbthread 1\n"
            "defaults\n  mode http\n  log global\n  option httplog\n  timeout connect 5s\n"
            "  timeout client 20s\n  timeout server 20s\n  timeout queue 20s\n"
            f"frontend front\n  bind 127.0.0.1:{self._port}\n  default_backend work\n"
            f"backend work\n  balance {self._balance}\n" + "\n".join(lines) + "\n"
        )

    def _await_proxy(self) -> None:
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            if self._proxy is not None and self._proxy.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1.0):
                return
            time.sleep(0.05)
        raise BadInput(Problem(message="haproxy did not start", path=self._folder / "haproxy.cfg"))


def find_haproxy() -> str | None:
    """The program, also where Debian puts it, which is not on every user's path."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


def free_port(kind: int) -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
