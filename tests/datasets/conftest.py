"""A cache of its own for every test, and an HTTP server on the loopback that fails as told."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from qoslab.datasets import registry
from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.fetch import Patience

CONTENT = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)

QUICK = Patience(failures=3, connections=20, backoff_s=0.001, max_wait_s=0.01, timeout_s=0.3, window_s=0.2)


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def data_file(content: bytes, name: str = "data.bin", *, url: str | None = None, **more: str) -> DataFile:
    return DataFile.of(name, hashlib.sha256(content).hexdigest(), len(content), url=url, **more)


def data_set(*files: DataFile, name: str = "sample") -> Dataset:
    return Dataset(
        id=name, summary="a sample", licence="CC0-1.0", citation="@misc{x}", files=files, redistributable=True
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `datasets` of a fresh cache; no data folder is set."""
    monkeypatch.setenv("QOSLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QOSLAB_DATA", raising=False)
    return tmp_path / "cache" / "datasets"


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Dataset], Dataset]:
    """Registers datasets for one test."""
    registry.all_datasets()
    monkeypatch.setattr(registry, "_known", dict(registry._known))

    def add(new: Dataset) -> Dataset:
        registry.register_dataset(new)
        return new

    return add


class Handler(BaseHTTPRequestHandler):
    """One GET, answered by the next scripted behaviour, or by `Server.otherwise`."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with self.server.guard:
            self.server.requests.append({k.lower(): v for k, v in self.headers.items()} | {"path": self.path})
            act = self.server.script.pop(0) if self.server.script else self.server.otherwise
        self.close_connection = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # The client had enough.
            act(self)

    def log_message(self, *_: object) -> None: ...


Act = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    """Answers what the test scripted."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.guard = threading.Lock()
        self.released = threading.Event()
        self.requests: list[dict[str, str]] = []
        self.script: list[Act] = []
        self.otherwise: Act = serve(CONTENT)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/data.bin"


@pytest.fixture
def server() -> Iterator[Server]:
    """A running server on a free port."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.released.set()
    running.shutdown()
    thread.join()
    running.server_close()


def serve(content: bytes, *, etag: str = '"v1"', stop_after: int | None = None, ranges: bool = True) -> Act:
    """A proper server; with `stop_after` the connection breaks after that many bytes of the body."""

    def act(handler: Handler) -> None:
        start = 0
        asked = handler.headers.get("Range")
        fresh = handler.headers.get("If-Range", etag) == etag
        if asked and ranges and fresh:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        if etag:
            handler.send_header("ETag", etag)
        body = content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body if stop_after is None else body[:stop_after])

    return act


def status(code: int, **headers: str) -> Act:
    """An answer without a body."""

    def act(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return act


def unsized(content: bytes) -> Act:
    """A body that ends with the connection; its length is not announced."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(content)

    return act


def chunked(content: bytes, *, cut: bool = False) -> Act:
    """A chunked body, broken off before its end where `cut`."""

    def act(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for at in range(0, len(content), 50_000):
            piece = content[at : at + 50_000]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if not cut:
            handler.wfile.write(b"0\r\n\r\n")

    return act


def stall(content: bytes, after: int) -> Act:
    """Sends some bytes, then nothing, with the connection open."""

    def act(handler: Handler) -> None:
        serve(content, stop_after=after)(handler)
        handler.wfile.flush()
        handler.server.released.wait(10)

    return act


def trickle(content: bytes) -> Act:
    """A byte every 20 ms: never a timeout, never an end."""

    def act(handler: Handler) -> None:
        serve(content, stop_after=0)(handler)
        for at in range(len(content)):
            handler.wfile.write(content[at : at + 1])
            if handler.server.released.wait(0.02):
                return

    return act


def hang_up(handler: Handler) -> None:
    """No answer at all."""
    handler.connection.shutdown(socket.SHUT_RDWR)
