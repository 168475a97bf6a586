"""Download a data file into the user cache: resumed, verified, and put in place at once or not at all."""

from __future__ import annotations

import http.client
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qoslab.core.errors import MissingData
from qoslab.datasets.dataset import DataFile, Dataset, Edition
from qoslab.datasets.digest import digest_of
from qoslab.datasets.errors import AlteredData, FetchError
from qoslab.datasets.locate import describe_editions, how_to_get
from qoslab.datasets.parts import Part, open_part
from qoslab.datasets.places import cached_path
from qoslab.datasets.stamps import verified_digest
from qoslab.datasets.transport import Interrupted, Response, open_url

__all__ = ["Fetched", "Patience", "Progress", "Transferred", "fetch_file"]

_CHUNK_BYTES = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True)
class Transferred:
    """How far a download is.

    Attributes:
        reference: `DATASET/FILE`.
        done_bytes: Bytes on this machine, those of earlier attempts included.
        total_bytes: Length of the file; None where neither registry nor server tell.
    """

    reference: str
    done_bytes: int
    total_bytes: int | None


Progress = Callable[[Transferred], None]
"""Called after every piece of a download."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download tries.

    Attributes:
        failures: Connections in a row that bring nothing before it gives up.
        connections: Connections in all.
        backoff_s: Wait after the first failure in seconds; it doubles with each further one.
        max_wait_s: No wait between connections is longer, whatever the server asks for.
        timeout_s: Limit on connecting and on each wait for bytes.
        window_s: A connection that brings less than `window_bytes` in this time is dropped: a server that sends
            a byte now and then would otherwise hold us for ever.
        window_bytes: See `window_s`.
    """

    failures: int = 5
    connections: int = 50
    backoff_s: float = 0.5
    max_wait_s: float = 30.0
    timeout_s: float = 30.0
    window_s: float = 60.0
    window_bytes: int = 1024

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Seconds to wait before the next connection."""
        own = self.backoff_s * 2.0 ** max(0, failures - 1)
        return min(self.max_wait_s, max(own, asked_s or 0.0))


@dataclass(frozen=True)
class Fetched:
    """A file that is in the cache now.

    Attributes:
        reference: `DATASET/FILE`.
        path: Where it lies.
        status: `present` if nothing was to be done.
        received_bytes: Bytes that came over the network in this call.
        edition: Which of the known contents it has.
    """

    reference: str
    path: Path
    status: Literal["fetched", "present"]
    received_bytes: int
    edition: Edition


def fetch_file(
    dataset: Dataset,
    file: DataFile,
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> Fetched:
    """Have a file in the user cache, downloading what of it is not there.

    An interrupted download, `kill -9` included, leaves a `.part` beside the target which the next call resumes.
    Several processes may fetch the same file at once.

    Args:
        dataset: The dataset.
        file: One of its files.
        progress: Called after every piece.
        patience: Limits on time and attempts.

    Returns:
        The verified file.

    Raises:
        MissingData: The file has no URL; the message says how else to get it.
        FetchError: The download failed, and why.
        AlteredData: The server has other bytes than any known edition; they are removed.
    """
    target = cached_path(dataset, file)
    present = _present(file, target)
    reference = dataset.reference(file)
    if present is not None:
        return Fetched(reference, target, "present", 0, present)
    if file.url is None:
        raise MissingData(how_to_get(dataset, file))
    job = _Download(reference, file, file.url, progress or _silent, patience or Patience())
    return job.run(target)


def _present(file: DataFile, target: Path) -> Edition | None:
    try:
        return file.edition_of(verified_digest(target))
    except OSError:
        return None


def _silent(_: Transferred) -> None: ...


@dataclass
class _Download:
    reference: str
    file: DataFile
    url: str
    progress: Progress
    patience: Patience
    received_bytes: int = 0
    pieced: bool = False

    def run(self, target: Path) -> Fetched:
        try:
            with open_part(target) as part:
                part.recall(self.url)
                try:
                    edition = self._complete(part)
                except AlteredData:
                    part.discard()
                    raise
                part.publish()
        except OSError as error:
            if isinstance(error, ConnectionError):  # The progress callback's own, such as a closed pipe.
                raise
            message = (
                f"cannot write {error.filename or target}: {error.strerror or error}; "
                "QOSLAB_CACHE names another folder for downloads"
            )
            raise FetchError(message) from error
        return Fetched(self.reference, target, "fetched", self.received_bytes, edition)

    def _complete(self, part: Part) -> Edition:
        """Fill a part and verify it."""
        self._fill(part)
        digest = digest_of(part.path)
        edition = self.file.edition_of(digest)
        if edition is None and self.pieced:
            # Pieces of different versions, or bytes lost with the power: once more from the first byte.
            part.begin(self.url, "")
            self._fill(part)
            digest = digest_of(part.path)
            edition = self.file.edition_of(digest)
        if edition is None:
            message = (
                f"{self.url} does not serve {self.reference}: its bytes are unknown or altered, so they were "
                f"removed\n  received: {digest.bytes} bytes, sha256 {digest.sha256}\n"
                f"  expected: {describe_editions(self.file)}"
            )
            raise AlteredData(message)
        return edition

    def _fill(self, part: Part) -> None:
        """Bring a part to its full length, over as many connections as it takes."""
        failures = 0
        for _ in range(self.patience.connections):
            before = part.size
            self.pieced = self.pieced or before > 0
            try:
                if not self._is_full(part.size):
                    self._connect(part)
                return
            except Interrupted as error:
                failures = 1 if part.size > before else failures + 1
                last = error
            if failures >= self.patience.failures:
                break
            time.sleep(self.patience.wait_s(failures, last.retry_after_s))
        kept = f"; {part.size} bytes are kept, run the same command again to resume" if part.size else ""
        message = f"{self.reference} could not be downloaded: {last}{kept}"
        raise FetchError(message) from last

    def _is_full(self, size: int) -> bool:
        return self.file.sizes is not None and size > 0 and size >= max(self.file.sizes)

    def _connect(self, part: Part) -> None:
        headers = {}
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if part.validator:
                headers["If-Range"] = part.validator
        with open_url(self.url, headers, timeout_s=self.patience.timeout_s) as response:
            total = self._start(response, part)
            self._room(part, total)
            self._receive(response, part, total)

    def _start(self, response: Response, part: Part) -> int | None:
        """Settle where the body's first byte belongs; returns the length of the file where it is known."""
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            message = f"{self.url} sends the file {encoding}-encoded although we asked for its own bytes"
            raise FetchError(message)
        if (
            response.status == 200
        ):  # All of it, also where a range was asked for but has changed or is unknown.
            part.begin(self.url, _validator(response))
            self.pieced = False
            return self._plausible(_integer(response.headers.get("Content-Length")))
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        changed = part.validator and _validator(response) not in ("", part.validator)
        if response.status != 206 or found is None or int(found[1]) != part.size or changed:
            part.begin(self.url, "")
            message = f"{self.url} cannot resume ({response.status}); starting again"
            raise Interrupted(message)
        return self._plausible(None if found[3] == "*" else int(found[3]))

    def _plausible(self, total: int | None) -> int | None:
        sizes = self.file.sizes
        wrong = total is not None and (
            total > self.file.max_bytes or (sizes is not None and total not in sizes)
        )
        if wrong:
            message = (
                f"{self.url} offers {total} bytes, which is not {self.reference}\n"
                f"  expected: {describe_editions(self.file)}"
            )
            raise AlteredData(message)
        if total is None and sizes is not None and len(sizes) == 1:
            return next(iter(sizes))
        return total

    def _room(self, part: Part, total: int | None) -> None:
        """Say that a disk is too full before it is."""
        needed = (total or 0) - part.size
        free = shutil.disk_usage(part.target.parent).free
        if needed > free:
            message = (
                f"no room for {self.reference} in {part.target.parent}: {needed} bytes are needed, {free} are free; "
                "make room, or set QOSLAB_CACHE to a folder on another disk"
            )
            raise FetchError(message)

    def _receive(self, response: Response, part: Part, total: int | None) -> None:
        started, brought = time.monotonic(), 0
        while True:
            try:
                chunk = response.read1(_CHUNK_BYTES)
            except (OSError, http.client.HTTPException) as error:
                message = f"the connection broke after {part.size} bytes ({error or type(error).__name__})"
                raise Interrupted(message) from error
            if not chunk:
                break
            self._append(part, chunk, total)
            brought += len(chunk)
            if time.monotonic() - started > self.patience.window_s:
                if brought < self.patience.window_bytes:
                    message = f"the server sent {brought} bytes in {self.patience.window_s:g} s"
                    raise Interrupted(message)
                started, brought = time.monotonic(), 0
        if total is not None and part.size < total:
            message = f"the connection ended after {part.size} of {total} bytes"
            raise Interrupted(message)

    def _append(self, part: Part, chunk: bytes, total: int | None) -> None:
        limit = self.file.max_bytes if total is None else total
        if part.size + len(chunk) > limit:
            message = f"{self.url} sent more than the {limit} bytes of {self.reference}; they were removed"
            raise AlteredData(message)
        part.append(chunk)
        self.received_bytes += len(chunk)
        self.progress(Transferred(self.reference, part.size, total))


def _validator(response: Response) -> str:
    """What to send as If-Range later; a weak ETag does not promise the same bytes."""
    etag = response.headers.get("ETag", "").strip()
    if etag.startswith('"'):
        return etag
    return response.headers.get("Last-Modified", "").strip()


def _integer(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
