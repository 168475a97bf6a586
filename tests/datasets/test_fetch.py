"""Downloads against a server that fails in every way a network can."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.datasets.conftest import (
    CONTENT,
    OTHER,
    QUICK,
    Server,
    chunked,
    data_file,
    data_set,
    git_sha1,
    hang_up,
    serve,
    stall,
    status,
    trickle,
    unsized,
)

from qoslab.core.errors import MissingData
from qoslab.datasets import parts as parts_module
from qoslab.datasets.dataset import DataFile, Dataset, Edition
from qoslab.datasets.errors import AlteredData, FetchError
from qoslab.datasets.fetch import Fetched, Patience, Transferred, fetch_file
from qoslab.datasets.parts import open_part


def sample(server: Server, content: bytes = CONTENT) -> Dataset:
    return data_set(data_file(content, url=server.url))


def fetch(dataset: Dataset, **more: object) -> Fetched:
    return fetch_file(dataset, dataset.files[0], **({"patience": QUICK} | more))


def left_in(cache: Path) -> set[str]:
    folder = cache / "sample"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def parts(cache: Path) -> list[Path]:
    return sorted((cache / "sample").glob("*.part"))


def test_a_download_arrives_whole_with_progress(server, cache):
    seen: list[Transferred] = []
    got = fetch(sample(server), progress=seen.append)
    assert got.status == "fetched"
    assert got.path == cache / "sample" / "data.bin"
    assert got.path.read_bytes() == CONTENT
    assert left_in(cache) == {"data.bin"}
    assert got.received_bytes == len(CONTENT)
    assert [each.done_bytes for each in seen] == sorted(each.done_bytes for each in seen)
    assert seen[-1] == Transferred("sample/data.bin", len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert server.requests[0]["accept-encoding"] == "identity"
    assert server.requests[0]["user-agent"].startswith("qoslab/")


def test_a_present_file_is_not_downloaded_again(server):
    fetch(sample(server))
    again = fetch(sample(server))
    assert (again.status, again.received_bytes) == ("present", 0)
    assert len(server.requests) == 1


def test_an_altered_cached_file_is_downloaded_again(server, cache):
    fetch(sample(server)).path.write_bytes(OTHER)
    assert fetch(sample(server)).status == "fetched"
    assert (cache / "sample" / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("act", [unsized(CONTENT), chunked(CONTENT)], ids=["close-delimited", "chunked"])
def test_bodies_without_a_length(server, act):
    server.script = [act]
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert len(server.requests) == 1


# What passes: the download gets past each of these by itself.


def test_a_truncated_body_is_resumed_where_it_broke(server):
    server.script = [serve(CONTENT, stop_after=100_000), serve(CONTENT, stop_after=50_000)]
    got = fetch(sample(server))
    assert got.path.read_bytes() == CONTENT
    assert got.received_bytes == len(CONTENT)
    assert [each.get("range") for each in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert [each.get("if-range") for each in server.requests] == [None, '"v1"', '"v1"']


@pytest.mark.parametrize(
    "act",
    [
        status(500),
        status(503),
        status(429, Retry_After="0"),
        hang_up,
        stall(CONTENT, 0),
        chunked(b"", cut=True),
    ],
    ids=["500", "503", "429", "hang-up", "stall", "cut-chunks"],
)
def test_a_passing_fault_is_retried(server, act):
    server.script = [act, act]
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "act",
    [stall(CONTENT, 120_000), chunked(CONTENT[:120_000], cut=True), unsized(CONTENT[:120_000])],
    ids=["stall", "cut-chunks", "short-close"],
)
def test_what_came_before_the_fault_is_kept(server, act):
    server.script = [act]
    got = fetch(sample(server))
    assert got.path.read_bytes() == CONTENT
    assert server.requests[1]["range"] == "bytes=120000-"
    assert got.received_bytes == len(CONTENT)


def test_a_trickling_server_is_dropped(server):
    server.script = [trickle(CONTENT)]
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_server_without_ranges_sends_everything_again(server):
    server.script = [serve(CONTENT, stop_after=100_000)]
    server.otherwise = serve(CONTENT, ranges=False)
    got = fetch(sample(server))
    assert got.path.read_bytes() == CONTENT
    assert got.received_bytes == len(CONTENT) + 100_000


def test_a_file_changed_between_two_connections_is_read_from_its_start(server):
    # The first version breaks off; the registry knows the second.
    server.script = [serve(OTHER, etag='"old"', stop_after=100_000)]
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert server.requests[1]["if-range"] == '"old"'


def test_a_server_that_ignores_if_range_is_caught_by_its_etag(server):
    def ignoring(handler):
        del handler.headers["If-Range"]
        serve(CONTENT, etag='"new"')(handler)

    server.script = [serve(OTHER, etag='"old"', stop_after=100_000), ignoring]
    got = fetch(sample(server))
    assert got.path.read_bytes() == CONTENT
    assert got.received_bytes == 100_000 + len(CONTENT)  # Nothing of the mixture was read.
    assert server.requests[2].get("range") is None


def test_pieces_of_two_versions_without_validators_are_caught_by_the_checksum(server):
    server.script = [serve(OTHER, etag="", stop_after=100_000)]
    server.otherwise = serve(CONTENT, etag="")
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert [each.get("range") for each in server.requests] == [None, "bytes=100000-", None]


def test_a_weak_etag_is_not_used_to_resume(server):
    server.script = [serve(CONTENT, etag='W/"v1"', stop_after=100_000)]
    fetch(sample(server))
    assert "if-range" not in server.requests[1]


def test_a_wrong_content_range_is_not_believed(server):
    def shifted(handler):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT)

    server.script = [serve(CONTENT, stop_after=100_000), shifted]
    assert fetch(sample(server)).path.read_bytes() == CONTENT


def test_redirects_are_followed(server):
    server.script = [status(302, Location="/moved"), status(308, Location=server.url + "?a=b")]
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert [each["path"] for each in server.requests] == ["/data.bin", "/moved", "/data.bin?a=b"]


# What does not pass: one clear error, nothing in place, nothing left but what can be resumed.


@pytest.mark.parametrize("code", [204, 400, 403, 404, 410])
def test_a_lasting_status_fails_at_once(server, cache, code):
    server.otherwise = status(code)
    with pytest.raises(FetchError, match=str(code)):
        fetch(sample(server))
    assert len(server.requests) == 1
    assert left_in(cache) == set()


@pytest.mark.parametrize("act", [status(500), hang_up, stall(CONTENT, 0)], ids=["500", "hang-up", "stall"])
def test_a_lasting_fault_ends_after_the_attempts_allowed(server, cache, act):
    server.otherwise = act
    with pytest.raises(FetchError, match="could not be downloaded"):
        fetch(sample(server))
    assert len(server.requests) == QUICK.failures
    assert left_in(cache) == set()


def test_nobody_listening(cache):
    dataset = data_set(data_file(CONTENT, url="http://127.0.0.1:1/data.bin"))
    with pytest.raises(FetchError, match=r"no connection to 127\.0\.0\.1"):
        fetch(dataset)
    assert left_in(cache) == set()


def test_a_server_that_brings_a_little_each_time_does_not_hold_us_for_ever(server, cache):
    server.otherwise = serve(CONTENT, stop_after=10)
    with pytest.raises(FetchError, match="run the same command again to resume"):
        fetch(sample(server))
    assert len(server.requests) == QUICK.connections
    assert parts(cache)[0].stat().st_size == 10 * QUICK.connections


def test_wrong_bytes_are_refused_and_removed(server, cache):
    server.otherwise = serve(OTHER)
    with pytest.raises(AlteredData, match="unknown or altered") as caught:
        fetch(sample(server))
    assert server.url in str(caught.value)
    assert len(server.requests) == 1
    assert left_in(cache) == set()


def test_wrong_bytes_over_several_connections_are_refused_in_the_end(server, cache):
    server.script = [serve(OTHER, stop_after=100_000)]
    server.otherwise = serve(OTHER)
    with pytest.raises(AlteredData):
        fetch(sample(server))
    assert len(server.requests) == 3
    assert left_in(cache) == set()


def test_wrong_bytes_do_not_touch_what_is_in_place(server, cache):
    place = cache / "sample" / "data.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"old")
    server.otherwise = serve(OTHER)
    with pytest.raises(AlteredData):
        fetch(sample(server))
    assert place.read_bytes() == b"old"
    assert left_in(cache) == {"data.bin"}


def test_an_announced_wrong_length_is_refused_before_the_body(server, cache):
    server.otherwise = serve(CONTENT + b"x")
    seen: list[Transferred] = []
    with pytest.raises(AlteredData, match="offers 300001 bytes"):
        fetch(sample(server), progress=seen.append)
    assert seen == []
    assert left_in(cache) == set()


@pytest.mark.parametrize("shape", [unsized, chunked], ids=["close-delimited", "chunked"])
def test_never_more_than_the_declared_bytes(server, cache, shape):
    server.otherwise = shape(CONTENT + OTHER * 20)
    seen: list[Transferred] = []
    with pytest.raises(AlteredData, match="sent more than"):
        fetch(sample(server), progress=seen.append)
    assert max(each.done_bytes for each in seen) <= len(CONTENT)
    assert left_in(cache) == set()


def test_a_changed_length_on_resuming_is_refused_and_does_not_stick(server, cache):
    server.script = [serve(CONTENT, stop_after=100_000), serve(CONTENT + b"x")]
    with pytest.raises(AlteredData, match="offers 300001 bytes"):
        fetch(sample(server))
    assert left_in(cache) == set()
    assert fetch(sample(server)).path.read_bytes() == CONTENT


def test_a_compressed_answer_is_refused(server):
    server.otherwise = status(200, Content_Encoding="gzip")
    with pytest.raises(FetchError, match="gzip-encoded"):
        fetch(sample(server))


def test_redirect_loops_end(server):
    server.otherwise = status(302, Location="/data.bin")
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetch(sample(server))
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    [
        "http://data.example.org/x",
        "ftp://127.0.0.1/x",
        "file:///etc/hostname",
        "http://[bad",
        "http://\xff.example/",
    ],
)
def test_redirects_to_forbidden_places_are_refused(server, location):
    server.otherwise = status(302, Location=location)
    with pytest.raises(FetchError, match=r"refused|no web address"):
        fetch(sample(server))
    assert len(server.requests) == 1


def test_a_redirect_to_nowhere(server):
    server.otherwise = status(302)
    with pytest.raises(FetchError, match="without saying where"):
        fetch(sample(server))


def test_a_file_without_url_says_how_to_get_it():
    dataset = data_set(data_file(CONTENT))
    with pytest.raises(MissingData, match="qoslab data import sample --from DIR"):
        fetch(dataset)


# The registry's words: several editions, git names, unknown lengths.


def test_any_known_edition_is_accepted_by_its_git_name(server):
    editions = (Edition(git_sha1=git_sha1(OTHER)), Edition(git_sha1=git_sha1(CONTENT), note="second"))
    file = DataFile(name="data.bin", editions=editions, url=server.url, limit_bytes=400_000)
    got = fetch(data_set(file))
    assert got.edition.note == "second"
    assert got.path.read_bytes() == CONTENT


def test_an_unknown_length_is_still_bounded(server, cache):
    edition = Edition(git_sha1=git_sha1(CONTENT))
    file = DataFile(name="data.bin", editions=(edition,), url=server.url, limit_bytes=200_000)
    with pytest.raises(AlteredData, match="offers 300000 bytes"):
        fetch(data_set(file))
    server.otherwise = unsized(CONTENT)
    with pytest.raises(AlteredData, match="sent more than the 200000 bytes"):
        fetch(data_set(file))
    assert left_in(cache) == set()


def test_a_complete_part_with_unknown_length_survives_416(server, cache):
    edition = Edition(git_sha1=git_sha1(CONTENT))
    file = DataFile(name="data.bin", editions=(edition,), url=server.url, limit_bytes=400_000)
    server.script = [chunked(CONTENT, cut=True)]  # All bytes, but no end: then there is nothing to resume.
    assert fetch(data_set(file)).path.read_bytes() == CONTENT
    assert server.requests[1]["range"] == "bytes=300000-"


def test_an_empty_file(server):
    server.otherwise = serve(b"")
    assert fetch(sample(server, b"")).path.read_bytes() == b""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.integers(0, 9), max_size=12))
def test_any_mixture_of_faults_gives_the_right_bytes_or_none(server, cache, faults):
    choices = [
        serve(CONTENT, stop_after=70_000),
        serve(CONTENT, ranges=False, stop_after=90_000),
        serve(OTHER, etag='"other"', stop_after=40_000),
        serve(OTHER, etag="", stop_after=40_000),
        serve(OTHER),
        chunked(CONTENT[:110_000], cut=True),
        unsized(CONTENT[:30_000]),
        status(500),
        status(416),
        hang_up,
    ]
    server.script = [choices[fault] for fault in faults]
    place = cache / "sample" / "data.bin"
    place.unlink(missing_ok=True)
    while server.script:
        try:
            fetch(sample(server))
        except (FetchError, AlteredData):
            assert not place.exists()
        else:
            break
    assert fetch(sample(server)).path.read_bytes() == CONTENT
    assert left_in(cache) == {"data.bin"}


# Many processes, and processes that die.

FETCHER = """
import sys
from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.fetch import Patience, fetch_file
url, sha256, size = sys.argv[1:]
file = DataFile.of("data.bin", sha256, int(size), url=url)
dataset = Dataset(id="sample", summary="", licence="", citation="", files=(file,), redistributable=True)
def tell(at):
    print(at.done_bytes, flush=True)
got = fetch_file(dataset, dataset.files[0], progress=tell, patience=Patience(backoff_s=0.001, timeout_s=10))
print(got.status, got.received_bytes, flush=True)
"""


def command(code: str, url: str) -> list[str]:
    return [sys.executable, "-c", code, url, hashlib.sha256(CONTENT).hexdigest(), str(len(CONTENT))]


def fetcher(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(FETCHER, url), stdout=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], done: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= done:
            return


def test_kill_9_leaves_a_part_that_resumes(server, cache):
    server.script = [stall(CONTENT, 200_000)]
    with fetcher(server.url) as process:
        read_until(process, 200_000)
        process.send_signal(signal.SIGKILL)
    [part] = parts(cache)
    assert part.read_bytes() == CONTENT[:200_000]
    got = fetch(sample(server))
    assert got.path.read_bytes() == CONTENT
    assert got.received_bytes == 100_000
    assert server.requests[-1]["range"] == "bytes=200000-"
    assert left_in(cache) == {"data.bin"}


@pytest.mark.full
def test_kill_9_at_many_points(server, cache):
    for point in range(0, 300_000, 20_000):
        server.script = [stall(CONTENT, point)]
        with fetcher(server.url) as process:
            read_until(process, point) if point else None
            process.kill()
        fetch(sample(server)).path.unlink()
        assert left_in(cache) == set()


def test_a_part_in_use_is_left_alone(server, cache):
    server.script = [stall(CONTENT, 200_000)]
    with fetcher(server.url) as process:
        read_until(process, 200_000)
        # The other one is alive: we neither wait for it nor touch its part.
        assert fetch(sample(server)).received_bytes == len(CONTENT)
        assert len(parts(cache)) == 1
        server.released.set()  # Its connection breaks now; it goes on by itself and loses the race.
        rest = process.stdout.read() if process.stdout else ""
    assert rest.splitlines()[-1] == "fetched 300000"
    assert (cache / "sample" / "data.bin").read_bytes() == CONTENT
    assert left_in(cache) == {"data.bin"}


def test_a_part_finished_while_we_looked_is_not_written_to(cache, monkeypatch):
    target = cache / "sample" / "data.bin"
    with open_part(target) as part:
        part.begin("http://127.0.0.1/", "")
        part.append(CONTENT)
    real = parts_module._lock

    def finish_first(descriptor: int) -> int | None:
        # Between our open and our lock the owner puts its part in place and lets go.
        for path in parts(cache):
            os.replace(path, target)
        return real(descriptor)

    monkeypatch.setattr(parts_module, "_lock", finish_first)
    assert list(parts_module._abandoned(target)) == []
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EIO, errno.EINVAL])
def test_a_disk_without_locks_takes_parts(cache, monkeypatch, error):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(parts_module.fcntl, "flock", refuse)
    with open_part(cache / "sample" / "data.bin") as part:
        part.begin("http://127.0.0.1/", "")
        part.append(CONTENT)
    assert parts(cache)[0].read_bytes() == CONTENT
    assert list(parts_module._abandoned(cache / "sample" / "data.bin")) == []


def test_many_at_once_agree(server, cache):
    gate = threading.Barrier(8)

    def one(_: int) -> bytes:
        gate.wait()
        return fetch(sample(server)).path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(8))) == {CONTENT}
    assert left_in(cache) == {"data.bin"}


def test_an_interrupt_keeps_the_bytes(server, cache):
    def interrupt(at: Transferred) -> None:
        if at.done_bytes >= 150_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(sample(server), progress=interrupt)
    size = parts(cache)[0].stat().st_size
    assert size >= 150_000
    assert fetch(sample(server)).received_bytes == len(CONTENT) - size


def test_bytes_of_another_address_are_not_resumed(server):
    server.script = [serve(OTHER, stop_after=100_000)]
    server.otherwise = status(404)
    with pytest.raises(FetchError):
        fetch(sample(server))
    server.otherwise = serve(CONTENT)
    moved = data_set(data_file(CONTENT, url=server.url + "?moved"))
    assert fetch(moved).received_bytes == len(CONTENT)
    assert "range" not in server.requests[-1]


def test_a_part_damaged_on_disk_is_repaired(server, cache):
    server.script = [serve(CONTENT, stop_after=100_000)]
    server.otherwise = status(404)
    with pytest.raises(FetchError):
        fetch(sample(server))
    [part] = parts(cache)
    part.write_bytes(
        bytes(100_000)
    )  # As after a power cut on some disks: the length is there, the bytes are not.
    server.otherwise = serve(CONTENT)
    assert fetch(sample(server)).path.read_bytes() == CONTENT


# Disks.


def test_a_disk_known_to_be_too_full_is_named_before_the_download(server, cache, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    seen: list[Transferred] = []
    with pytest.raises(FetchError, match="300000 bytes are needed, 1000 are free"):
        fetch(sample(server), progress=seen.append)
    assert seen == []
    assert left_in(cache) == set()


def test_a_disk_that_fills_up_keeps_what_it_has(server, cache, monkeypatch):
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= 150_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[: 150_000 - offset], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(FetchError, match="make room, or set QOSLAB_CACHE"):
        fetch(sample(server))
    assert parts(cache)[0].stat().st_size == 150_000
    monkeypatch.setattr(os, "pwrite", real)
    assert fetch(sample(server)).received_bytes == 150_000


def test_a_file_size_limit_of_the_system(server, cache):
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n" + FETCHER
    bare = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command(code, server.url), capture_output=True, text=True, env=bare, check=False)
    assert "FetchError: no room for data.bin" in done.stderr
    assert parts(cache)[0].stat().st_size == 100_000
    assert fetch(sample(server)).received_bytes == 200_000


def test_a_cache_that_is_no_folder(server, cache):
    cache.parent.mkdir()
    cache.write_text("a file")
    with pytest.raises(FetchError, match="QOSLAB_CACHE"):
        fetch(sample(server))


def test_waits_grow_and_honour_the_server_within_bounds():
    patience = Patience(backoff_s=1, max_wait_s=10)
    assert [patience.wait_s(n, None) for n in (1, 2, 3, 9)] == [1, 2, 4, 10]
    assert patience.wait_s(1, 7.0) == 7
    assert patience.wait_s(1, 3600.0) == 10
