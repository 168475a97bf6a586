"""Which addresses are allowed, and what an answer means."""

from __future__ import annotations

import email.utils
import http.client
import socket
import ssl
import time
import urllib.error
from email.message import Message
from typing import ClassVar

import pytest
from tests.datasets.conftest import CONTENT

from qoslab.datasets import transport
from qoslab.datasets.errors import FetchError
from qoslab.datasets.transport import Interrupted, check_url, open_url


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x",
        "https://example.org:8443/x",
        "http://127.0.0.1/x",
        "http://127.8.9.1:80/x",
        "http://localhost:1234/x",
        "http://[::1]:80/x",
    ],
)
def test_allowed_addresses(url):
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "http://127.0.0.1.example.org/x",
        "http://localhost.example.org/x",
        "http://127.0.0.1@example.org/x",
        "http://10.0.0.1/x",
        "http://0.0.0.0/x",
        "ftp://127.0.0.1/x",
        "file:///etc/hostname",
        "data:,x",
        "https:///x",
        "https://example.org:port/x",
        "//example.org/x",
        "x.csv",
        "",
    ],
)
def test_forbidden_addresses(url):
    with pytest.raises(FetchError, match=r"refused|no web address"):
        open_url(url, {}, timeout_s=1)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_never_from_https_to_http(monkeypatch, code):
    asked: list[str] = []

    class Answer:
        status = code
        headers: ClassVar = {"Location": "http://127.0.0.1:1/x"}

        def close(self) -> None: ...

    def get(url: str, *_: object) -> Answer:
        asked.append(url)
        return Answer()

    monkeypatch.setattr(transport, "_get", get)
    with pytest.raises(FetchError, match="from https to"):
        open_url("https://example.org/x", {}, timeout_s=1)
    assert asked == ["https://example.org/x"]


def test_requests_to_this_machine_pass_no_proxy(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with open_url(server.url, {}, timeout_s=1) as response:
        assert response.read() == CONTENT


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (urllib.error.URLError(TimeoutError()), Interrupted, "did not answer in time"),
        (TimeoutError(), Interrupted, "did not answer in time"),
        (urllib.error.URLError(socket.gaierror(-2, "unknown")), Interrupted, "is this machine online"),
        (
            urllib.error.URLError(ConnectionRefusedError(111, "refused")),
            Interrupted,
            "no connection to example.org",
        ),
        (http.client.BadStatusLine("nonsense"), Interrupted, "nonsense"),
        (http.client.InvalidURL("control character"), FetchError, "no web address"),
        (urllib.error.URLError(ssl.SSLCertVerificationError("x")), FetchError, "certificate of example.org"),
    ],
)
def test_which_failures_may_pass(cause, kind, words):
    if isinstance(getattr(cause, "reason", None), ssl.SSLCertVerificationError):
        cause.reason.verify_message = "self-signed"
    judged = transport._judge(cause, "https://example.org/x")
    assert isinstance(judged, kind)
    assert words in str(judged)


@pytest.mark.parametrize("value", ["7200", " 7200 ", "date"])
def test_retry_after(value):
    headers = Message()
    at = email.utils.formatdate(time.time() + 7200, usegmt=True)
    headers["Retry-After"] = at if value == "date" else value
    # A date has whole seconds, and the clock runs on.
    assert transport._retry_after(headers) == pytest.approx(7200, abs=600)


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e9", "\u0667"])
def test_a_strange_retry_after_is_no_wait(value):
    headers = Message()
    headers["Retry-After"] = value
    assert transport._retry_after(headers) is None
