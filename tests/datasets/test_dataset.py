"""The nouns: what a table may say, and which bytes an edition accepts."""

from __future__ import annotations

import hashlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.conftest import CONTENT, data_file, data_set, git_sha1

from qoslab.core.errors import BadInput
from qoslab.datasets import registry
from qoslab.datasets.dataset import DataFile, Edition, github
from qoslab.datasets.digest import Digest, digest_of

SHA = "0" * 64


@given(st.binary(max_size=3000))
def test_digest_against_hashlib(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("d") / "f"
    path.write_bytes(content)
    assert digest_of(path) == Digest(len(content), hashlib.sha256(content).hexdigest(), git_sha1(content))


def test_git_name_against_git(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(CONTENT * 5)
    command = ["git", "hash-object", "--no-filters", str(path)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        # The published name of the empty blob stands in where git is not installed.
        path.write_bytes(b"")
        said = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert digest_of(path).git_sha1 == said


def test_a_digest_of_a_growing_file_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "f"
    path.write_bytes(CONTENT)
    real = hashlib.sha256

    def growing(*args: bytes) -> object:
        with path.open("ab") as file:
            file.write(b"more")
        return real(*args)

    monkeypatch.setattr(hashlib, "sha256", growing)
    with pytest.raises(OSError, match="changed while it was read"):
        digest_of(path)


def test_everything_known_of_an_edition_must_agree():
    digest = Digest(5, "a" * 64, "b" * 40)
    assert Edition(sha256="a" * 64).matches(digest)
    assert Edition(git_sha1="b" * 40).matches(digest)
    assert Edition(sha256="a" * 64, git_sha1="b" * 40, bytes=5).matches(digest)
    assert not Edition(sha256="a" * 64, git_sha1="c" * 40).matches(digest)
    assert not Edition(sha256="a" * 64, bytes=6).matches(digest)
    assert not Edition(sha256="c" * 64, git_sha1="b" * 40).matches(digest)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"bytes": 3},
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"git_sha1": SHA},
        {"sha256": SHA, "bytes": -1},
    ],
)
def test_bad_editions(fields):
    with pytest.raises(ValueError):
        Edition(**fields)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "a\0b", "a b", "-x", "a.part", "a\n"])
def test_names_that_are_no_plain_names(name):
    with pytest.raises(ValueError):
        DataFile.of(name, SHA, 1)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x"])
def test_folder_paths_stay_inside(path):
    with pytest.raises(ValueError, match="leaves the data folder"):
        DataFile.of("x", SHA, 1, folder_path=path)


def test_an_unknown_length_needs_a_bound():
    with pytest.raises(ValueError, match="limit_bytes"):
        DataFile(name="x", editions=(Edition(sha256=SHA),))
    file = DataFile(
        name="x", editions=(Edition(sha256=SHA), Edition(sha256="1" * 64, bytes=9)), limit_bytes=7
    )
    assert (file.sizes, file.max_bytes) == (None, 9)


def test_sizes():
    file = DataFile(name="x", editions=(Edition(sha256=SHA, bytes=4), Edition(sha256="1" * 64, bytes=9)))
    assert (file.sizes, file.max_bytes) == ({4, 9}, 9)


@pytest.mark.parametrize("name", ["", "A", "a_b", "a/b", "-a", "a--b"])
def test_bad_ids(name):
    with pytest.raises(ValueError):
        data_set(data_file(b"x"), name=name)


def test_two_names_that_some_disks_hold_for_one():
    with pytest.raises(ValueError, match="two files have one name"):
        data_set(data_file(b"x", "data"), data_file(b"y", "Data"))


def test_github_quotes_the_path():
    url = github("o/r", "c0ffee", "a b/x=y:z/#1.csv")
    assert url == "https://raw.githubusercontent.com/o/r/c0ffee/a%20b/x%3Dy%3Az/%231.csv"


def test_registering(register):
    one = register(data_set(data_file(b"x")))
    assert register(data_set(data_file(b"x"))) == one
    with pytest.raises(ValueError, match="two datasets"):
        register(data_set(data_file(b"y")))
    assert registry.get_dataset("sample") is one
    assert one in registry.all_datasets()


def test_resolving(register):
    two = register(data_set(data_file(b"x", "x.csv"), data_file(b"y", "y.csv"), name="two-files"))
    one = register(data_set(data_file(b"x", "x.csv"), name="one-file"))
    assert registry.resolve("two-files/y.csv") == (two, two.files[1])
    assert registry.resolve("one-file") == (one, one.files[0])
    with pytest.raises(BadInput, match=r"say which one, as in two-files/x\.csv"):
        registry.resolve("two-files")
    with pytest.raises(BadInput, match=r"no file 'z.csv'(.|\n)*did you mean"):
        registry.resolve("two-files/z.csv")
    with pytest.raises(BadInput, match=r"no dataset 'tow-files'(.|\n)*did you mean 'two-files'"):
        registry.resolve("tow-files/x.csv")
    with pytest.raises(BadInput, match="qoslab data list"):
        registry.resolve("zzzz")
