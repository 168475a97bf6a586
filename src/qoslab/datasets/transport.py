"""HTTP as downloads need it: which addresses are allowed, and which failures pass."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import string
import urllib.error
import urllib.request
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache
from time import time
from typing import IO
from urllib.parse import quote, urljoin, urlsplit

import qoslab
from qoslab.datasets.errors import FetchError

__all__ = ["Interrupted", "Response", "check_url", "open_url"]

MAX_REDIRECTS = 5
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}

Response = http.client.HTTPResponse


class Interrupted(Exception):
    """A failure that another attempt may get past.

    Attributes:
        retry_after_s: How long the server asks us to wait, where it says so.
    """

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


def check_url(url: str) -> None:
    """Refuse an address that is neither https nor, for this machine itself, http.

    Raises:
        FetchError: It is another scheme, or plain http to another host.
    """
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        message = f"{url!r} is no web address: {error}"
        raise FetchError(message) from error
    if (scheme == "https" and host) or (scheme == "http" and _is_loopback(host)):
        return
    message = f"{url!r} is refused: data comes over https, or over http from this machine only"
    raise FetchError(message)


def open_url(url: str, headers: dict[str, str], *, timeout_s: float) -> Response:
    """Send a GET and follow a few redirects, never from https to http.

    Args:
        url: An allowed address.
        headers: Request headers; `User-Agent` and `Accept-Encoding: identity` are added, because checksums and
            ranges are those of the file and not of a compressed copy.
        timeout_s: Limit on the connection and on each wait for bytes, in seconds.

    Returns:
        The response, its body unread; its status is 2xx or 416.

    Raises:
        Interrupted: A failure that may pass.
        FetchError: A failure that will not.
    """
    sent = {"User-Agent": f"qoslab/{qoslab.__version__}", "Accept-Encoding": "identity"} | headers
    check_url(url)
    for _ in range(MAX_REDIRECTS + 1):
        response = _get(url, sent, timeout_s)
        if response.status not in _REDIRECTS:
            return _accept(response, url)
        location = response.headers.get("Location")
        response.close()
        if location is None:
            message = f"{url} answered {response.status} without saying where to go"
            raise FetchError(message)
        url = _follow(url, location)
    message = f"more than {MAX_REDIRECTS} redirects, the last to {url}"
    raise FetchError(message)


def _follow(url: str, location: str) -> str:
    try:
        # Servers put raw bytes of any encoding here; quoted as latin-1 they travel on unchanged.
        target = urljoin(url, quote(location, safe=string.punctuation, encoding="iso-8859-1"))
    except ValueError as error:
        message = f"{url} redirects to {location!r}, which is no web address"
        raise FetchError(message) from error
    check_url(target)
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        message = f"{url} redirects from https to {target}, which is refused"
        raise FetchError(message)
    return target


def _accept(response: Response, url: str) -> Response:
    status, reason = response.status, response.reason
    if status in (200, 206, 416):
        return response
    wait = _retry_after(response.headers)
    response.close()
    message = f"{url} answered {status} {reason}".rstrip()
    if status in _TRANSIENT:
        raise Interrupted(message, wait)
    raise FetchError(message)


class _Errors(urllib.request.HTTPErrorProcessor):
    """Hand over every answer as it came: statuses and redirects are judged above."""

    def http_response(self, request: urllib.request.Request, response: IO[bytes]) -> IO[bytes]:  # noqa: ARG002
        return response

    https_response = http_response


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()  # Reads every root certificate: 30 ms that plain http does without.


def _get(url: str, headers: dict[str, str], timeout_s: float) -> Response:
    opener = urllib.request.OpenerDirector()
    secure = urlsplit(url).scheme == "https"
    # Proxies are for the world outside; a request to this machine must not leave it.
    proxies: dict[str, str] | None = {} if _is_loopback(urlsplit(url).hostname or "") else None
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=_trusted()) if secure else urllib.request.HTTPHandler(),
        _Errors(),
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(url, headers=headers)
    try:
        response = opener.open(request, timeout=timeout_s)
    except (OSError, http.client.HTTPException) as error:
        raise _judge(error, url) from error
    if not isinstance(response, http.client.HTTPResponse):
        message = f"{url} gave no HTTP answer"
        raise FetchError(message)
    return response


def _judge(error: Exception, url: str) -> Exception:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    host = urlsplit(url).hostname
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FetchError(f"the certificate of {host} is not trusted: {cause.verify_message}")
    if isinstance(cause, TimeoutError):
        return Interrupted(f"{host} did not answer in time")
    if isinstance(cause, socket.gaierror):
        return Interrupted(f"the host {host} cannot be found; is this machine online?")
    if isinstance(cause, http.client.InvalidURL):
        return FetchError(f"{url!r} is no web address: {cause}")
    return Interrupted(f"no connection to {host}: {cause or type(cause).__name__}")


def _retry_after(headers: Message) -> float | None:
    """The header `Retry-After` in seconds from now, in either of its two forms."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
