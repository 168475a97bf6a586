"""Finding verified files, and remembering what was verified."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.datasets.conftest import CONTENT, OTHER, data_file, data_set

from qoslab.core.errors import BadInput, MissingData
from qoslab.datasets import locate, resolver, stamps
from qoslab.datasets.digest import digest_of
from qoslab.datasets.errors import AlteredData
from qoslab.datasets.stamps import verified_digest

NAME = "sample/data.bin"


@pytest.fixture
def sample(register):
    file = data_file(CONTENT, url="https://example.org/data.bin", folder_path="deep/down/d.bin")
    return register(data_set(file))


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def later(monkeypatch):
    """A clock an hour ahead: every file is old."""
    real = stamps.time.time_ns
    monkeypatch.setattr(stamps.time, "time_ns", lambda: real() + 3600 * 10**9)


@pytest.fixture
def readings(monkeypatch):
    """The files whose checksums were computed."""
    seen: list[Path] = []

    def counted(path: Path):
        seen.append(path)
        return digest_of(path)

    monkeypatch.setattr(stamps, "digest_of", counted)
    return seen


def test_the_order_of_places(sample, tmp_path, cache, monkeypatch):
    explicit, variable = tmp_path / "explicit", tmp_path / "variable"
    explicit.mkdir()
    monkeypatch.setenv("QOSLAB_DATA", str(variable))
    in_cache = put(cache / "sample" / "data.bin")
    in_variable = put(variable / "deep" / "down" / "d.bin")
    assert (locate(NAME).path, locate(NAME).origin) == (in_variable, "QOSLAB_DATA")
    assert locate(NAME, data=explicit).path == in_variable
    in_explicit = put(explicit / "sample" / "data.bin")
    assert (locate(NAME, data=explicit).path, locate(NAME, data=explicit).origin) == (in_explicit, "--data")
    in_variable.unlink()
    found = locate(NAME)
    assert (found.path, found.origin, found.reference) == (in_cache, "cache", NAME)
    assert found.sha256 == digest_of(in_cache).sha256
    assert resolver(explicit)(NAME) == in_explicit


def test_missing_data_names_the_command(sample):
    with pytest.raises(MissingData) as caught:
        locate(NAME)
    text = str(caught.value)
    for words in (
        NAME,
        "qoslab data fetch sample",
        "qoslab data import sample --from DIR",
        "deep/down/d.bin",
    ):
        assert words in text


def test_missing_data_without_a_url_says_who_has_it(register):
    register(data_set(data_file(CONTENT)))
    with pytest.raises(MissingData) as caught:
        locate(NAME)
    assert "by hand" in str(caught.value)
    assert "fetch" not in str(caught.value)


@pytest.mark.parametrize("where", ["--data", "QOSLAB_DATA", "cache"])
def test_altered_bytes_are_refused_wherever_they_lie(sample, tmp_path, cache, monkeypatch, where):
    folder = tmp_path / "folder"
    put(cache / "sample" / "data.bin")
    altered = put(cache / "sample" / "data.bin" if where == "cache" else folder / "deep/down/d.bin", OTHER)
    if where == "QOSLAB_DATA":
        monkeypatch.setenv("QOSLAB_DATA", str(folder))
    with pytest.raises(AlteredData, match="unknown or altered") as caught:
        locate(NAME, data=folder if where == "--data" else None)
    assert str(altered) in str(caught.value)
    assert ("qoslab data fetch sample" if where == "cache" else where) in str(caught.value)


def test_one_flipped_bit_is_enough(sample, cache):
    content = bytearray(CONTENT)
    content[150_000] ^= 1
    put(cache / "sample" / "data.bin", bytes(content))
    with pytest.raises(AlteredData):
        locate(NAME)


@pytest.mark.parametrize("explicit", [True, False])
def test_a_folder_that_does_not_exist_is_a_slip(sample, tmp_path, monkeypatch, explicit):
    put(tmp_path / "file")
    for slip in (tmp_path / "nowhere", tmp_path / "file"):
        if not explicit:
            monkeypatch.setenv("QOSLAB_DATA", str(slip))
        with pytest.raises(BadInput, match="not a folder"):
            locate(NAME, data=slip if explicit else None)


def test_an_unreadable_file_is_named(sample, cache, monkeypatch):
    path = put(cache / "sample" / "data.bin")

    def refused(_: Path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(stamps, "digest_of", refused)  # chmod would not stop a test that runs as root.
    with pytest.raises(BadInput, match=r"data\.bin cannot be read: Permission denied"):
        locate(NAME)
    assert path.exists()


def test_a_file_is_read_once(sample, cache, readings, later):
    put(cache / "sample" / "data.bin")
    assert locate(NAME) == locate(NAME) == locate(NAME)
    assert len(readings) == 1


def test_a_young_file_is_read_again(sample, cache, readings):
    put(cache / "sample" / "data.bin")
    locate(NAME)
    locate(NAME)
    assert len(readings) == 2


def test_a_touched_file_is_read_again(sample, cache, readings, later):
    path = put(cache / "sample" / "data.bin")
    locate(NAME)
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 10**12))
    locate(NAME)
    assert len(readings) == 2


def test_an_alteration_with_its_time_set_back_is_seen(sample, cache, later):
    path = put(cache / "sample" / "data.bin")
    before = path.stat()
    locate(NAME)
    path.write_bytes(OTHER)  # As long as the original.
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(AlteredData):
        locate(NAME)


def test_stamps_never_touch_the_data_folder(sample, tmp_path, cache, later):
    folder = tmp_path / "folder"
    put(folder / "deep/down/d.bin")
    before = sorted(folder.rglob("*"))
    locate(NAME, data=folder)
    assert sorted(folder.rglob("*")) == before
    assert len(list((cache / ".verified").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"identity": 3}', b"\xff"])
def test_a_damaged_stamp_is_ignored(sample, cache, readings, later, damage):
    put(cache / "sample" / "data.bin")
    locate(NAME)
    [stamp] = (cache / ".verified").iterdir()
    stamp.write_bytes(damage)
    locate(NAME)
    assert len(readings) == 2
    assert json.loads(stamp.read_bytes())["sha256"] == digest_of(cache / "sample" / "data.bin").sha256


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, cache, readings, later):
    cache.parent.mkdir(parents=True)
    cache.write_text("in the way")
    path = put(tmp_path / "x")
    assert verified_digest(path) == verified_digest(path) == digest_of(path)
    assert len(readings) == 2


def test_a_stamp_follows_the_file_not_the_spelling(tmp_path, readings, later):
    path = put(tmp_path / "real" / "x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert verified_digest(path) == verified_digest(tmp_path / "link" / "x")
    assert len(readings) == 1
