"""Local copies: found by content, refused when altered, put in place whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.datasets.conftest import CONTENT, OTHER, data_file, data_set, git_sha1

from qoslab.core.errors import BadInput
from qoslab.datasets import importing
from qoslab.datasets.dataset import DataFile, Edition
from qoslab.datasets.digest import digest_of
from qoslab.datasets.errors import FetchError
from qoslab.datasets.importing import import_from


@pytest.fixture
def shelf(tmp_path) -> Path:
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


SAMPLE = data_set(data_file(CONTENT, folder_path="deep/d.bin"), data_file(OTHER, "other.bin"))


def statuses(folder: Path, **more: bool) -> dict[str, str]:
    return {row.reference: row.status for row in import_from(folder, [SAMPLE], **more)}


def test_found_under_any_name_at_any_depth(shelf, cache):
    (shelf / "a" / "b").mkdir(parents=True)
    (shelf / "a" / "b" / "renamed (1).download").write_bytes(CONTENT)
    (shelf / "noise").write_bytes(b"noise")
    one, two = import_from(shelf, [SAMPLE])
    assert (one.status, one.path) == ("imported", cache / "sample" / "data.bin")
    assert one.source == shelf / "a" / "b" / "renamed (1).download"
    assert one.path.read_bytes() == CONTENT
    assert (two.status, two.path, two.source) == ("missing", None, None)
    assert str(shelf) in two.reason
    assert {path.name for path in (cache / "sample").iterdir()} == {"data.bin"}


def test_a_single_file_may_be_named(shelf):
    (shelf / "x").write_bytes(OTHER)
    assert statuses(shelf / "x") == {"sample/data.bin": "missing", "sample/other.bin": "imported"}


def test_again_is_present(shelf):
    (shelf / "x").write_bytes(OTHER)
    statuses(shelf)
    assert statuses(shelf)["sample/other.bin"] == "present"


def test_an_altered_copy_in_the_cache_is_replaced(shelf, cache):
    (shelf / "x").write_bytes(OTHER)
    statuses(shelf)
    (cache / "sample" / "other.bin").write_bytes(b"altered")
    assert statuses(shelf)["sample/other.bin"] == "imported"
    assert (cache / "sample" / "other.bin").read_bytes() == OTHER


@pytest.mark.parametrize("name", ["data.bin", "d.bin", "Data.BIN"])
@pytest.mark.parametrize("content", [b"<html>not found</html>", CONTENT[:-1] + b"x"], ids=["length", "bytes"])
def test_an_altered_namesake_is_refused(shelf, cache, name, content):
    (shelf / name).write_bytes(content)
    row = import_from(shelf, [SAMPLE])[0]
    assert (row.status, row.path, row.source) == ("refused", None, shelf / name)
    assert "unknown or altered" in row.reason
    assert str(len(content)) in row.reason
    assert not (cache / "sample").exists()


def test_a_good_copy_elsewhere_outweighs_an_altered_namesake(shelf):
    (shelf / "a").mkdir()
    (shelf / "a" / "data.bin").write_bytes(b"altered")
    (shelf / "z").write_bytes(CONTENT)
    assert statuses(shelf)["sample/data.bin"] == "imported"


def test_one_copy_serves_two_data_sets(shelf):
    (shelf / "x").write_bytes(CONTENT)
    twin = data_set(data_file(CONTENT, "twin"), name="twin")
    rows = import_from(shelf, [SAMPLE, twin])
    assert [row.status for row in rows] == ["imported", "missing", "imported"]


def test_editions_known_by_their_git_names_only(shelf):
    edition = Edition(git_sha1=git_sha1(CONTENT))
    matrix = data_set(DataFile(name="m.txt", editions=(edition,), limit_bytes=400_000))
    (shelf / "wrong-ending").write_bytes(CONTENT)
    assert import_from(shelf, [matrix])[0].status == "missing"
    (shelf / "copy.txt").write_bytes(CONTENT)
    assert import_from(shelf, [matrix])[0].status == "imported"


def test_only_plausible_files_are_read(shelf, monkeypatch):
    read: list[Path] = []
    monkeypatch.setattr(importing, "digest_of", lambda path: read.append(path) or digest_of(path))
    (shelf / "holiday.mp4").write_bytes(b"x" * 1000)
    statuses(shelf)
    assert read == []


def test_links(shelf, cache):
    (shelf / "x").write_bytes(CONTENT)
    assert statuses(shelf, link=True)["sample/data.bin"] == "imported"
    assert os.path.samefile(shelf / "x", cache / "sample" / "data.bin")
    assert {path.name for path in (cache / "sample").iterdir()} == {"data.bin"}


def test_links_fall_back_to_copies(shelf, cache, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refused)
    (shelf / "x").write_bytes(CONTENT)
    assert statuses(shelf, link=True)["sample/data.bin"] == "imported"
    assert not os.path.samefile(shelf / "x", cache / "sample" / "data.bin")


def test_copies_are_independent(shelf, cache):
    (shelf / "x").write_bytes(CONTENT)
    statuses(shelf)
    (shelf / "x").write_bytes(b"changed later")
    assert (cache / "sample" / "data.bin").read_bytes() == CONTENT


def test_what_is_copied_is_what_is_verified(shelf, cache, monkeypatch):
    # The source changes between the search and the copy.
    (shelf / "x").write_bytes(CONTENT)
    real = importing._copy

    def late(file: DataFile, source: Path, target: Path) -> bool:
        source.write_bytes(OTHER)
        return real(file, source, target)

    monkeypatch.setattr(importing, "_copy", late)
    row = import_from(shelf, [SAMPLE])[0]
    assert (row.status, row.reason) == ("refused", "it changed while it was copied")
    assert not list((cache / "sample").iterdir())


def test_no_such_folder(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        import_from(tmp_path / "nowhere", [SAMPLE])


def test_a_cache_that_cannot_be_written(shelf, cache):
    cache.parent.mkdir()
    cache.write_text("in the way")
    (shelf / "x").write_bytes(CONTENT)
    with pytest.raises(FetchError, match="cannot take"):
        import_from(shelf, [SAMPLE])


def test_pipes_and_dangling_links_are_passed_over(shelf):
    os.mkfifo(shelf / "data.bin")
    (shelf / "other.bin").symlink_to(shelf / "nowhere")
    assert set(statuses(shelf).values()) == {"missing"}
