"""The file of weights in force: a line for each change, whose last whole one counts, whatever a kill leaves of it."""

import errno
import json
import os

import pytest

from qoslab.domains.balancing.deploy.keepsake import Keepsake

ORIGINAL = {"a": 10, "b": 30}


@pytest.fixture
def keepsake(tmp_path):
    return Keepsake(tmp_path / "s", "work", tmp_path / "state")


def beside(keepsake):
    return keepsake.path.with_suffix(".in_force")


def test_the_last_change_is_read_by_the_next_run(keepsake):
    for weight in range(20, 30):
        keepsake.write(ORIGINAL, "7 of 1", {"a": [weight - 1, weight], "b": [60, 61]})
    left = keepsake.read()
    assert (left.weights, left.process, left.in_force) == (ORIGINAL, "7 of 1", {"a": [28, 29], "b": [60, 61]})


def test_a_kill_at_any_byte_leaves_the_change_before_or_the_one_that_was_written(keepsake):
    keepsake.write(ORIGINAL, "7", {"a": [10, 12]})
    keepsake.write(ORIGINAL, "7", {"a": [12, 15]})
    first = len(beside(keepsake).read_bytes())
    keepsake.write(ORIGINAL, "7", {"a": [15, 18]})
    whole = beside(keepsake).read_bytes()
    for length in range(first, len(whole)):
        beside(keepsake).write_bytes(whole[:length])
        expected = [15, 18] if length == len(whole) - 1 else [12, 15]
        assert keepsake.read().in_force == {"a": expected}


def test_no_change_before_the_last_two_is_believed(keepsake):
    for weight in range(20, 24):
        keepsake.write(ORIGINAL, "7", {"a": [weight, weight + 1]})
    lines = beside(keepsake).read_bytes().splitlines()
    beside(keepsake).write_bytes(b"\n".join([*lines[:2], b"{", b"{"]))
    assert keepsake.read().in_force == {}


def test_the_file_does_not_grow_for_ever(keepsake):
    sizes = []
    for weight in range(3000):
        keepsake.write(ORIGINAL, "7", {"a": [weight, weight + 1]})
        sizes.append(beside(keepsake).stat().st_size)
        assert json.loads(beside(keepsake).read_bytes().splitlines()[-1])["in_force"] == {
            "a": [weight, weight + 1]
        }
    assert 2**15 < max(sizes) <= 2**16
    assert keepsake.read().in_force == {"a": [2999, 3000]}


@pytest.mark.parametrize("process", ["7", "8"])
def test_another_process_or_other_weights_begin_it_anew(keepsake, process):
    keepsake.write(ORIGINAL, "7", {"a": [1, 2]})
    keepsake.write(ORIGINAL | {"a": 11}, process, {"a": [3, 4]})
    assert len(beside(keepsake).read_bytes().splitlines()) == 1
    left = keepsake.read()
    assert (left.weights["a"], left.process, left.in_force) == (11, process, {"a": [3, 4]})


@pytest.mark.parametrize("size", [1, 9])
def test_a_line_that_was_not_wholly_written_is_written_again(keepsake, size, monkeypatch):
    """As on a full disk: nothing may be added to half a line."""
    keepsake.write(ORIGINAL, "7", {"a": [1, 2]})
    write = os.write
    monkeypatch.setattr("os.write", lambda file, line: write(file, line[:size]))
    keepsake.write(ORIGINAL, "7", {"a": [2, 3]})
    assert keepsake.read().in_force == {"a": [2, 3]}


def test_what_was_taken_away_comes_back(keepsake):
    keepsake.write(ORIGINAL, "7", {"a": [1, 2]})
    beside(keepsake).unlink()
    keepsake.write(ORIGINAL, "7", {"a": [2, 3]})
    assert keepsake.read().in_force == {"a": [2, 3]}


def test_a_folder_that_cannot_be_written_is_an_error_and_the_next_write_is_whole(keepsake, tmp_path):
    keepsake.write(ORIGINAL, "7", {"a": [1, 2]})
    (tmp_path / "state").rename(tmp_path / "away")
    (tmp_path / "state").write_text("a file")
    with pytest.raises(OSError, match="state"):
        keepsake.write(ORIGINAL, "7", {"a": [2, 3]})
    (tmp_path / "state").unlink()
    (tmp_path / "away").rename(tmp_path / "state")
    keepsake.write(ORIGINAL, "7", {"a": [2, 4]})
    assert keepsake.read().in_force == {"a": [2, 4]}


@pytest.mark.parametrize("size", [0, 1, 9])
def test_nothing_follows_half_a_line_once_a_full_disk_has_room_again(keepsake, size, monkeypatch):
    """Half a line is written, a file in its place cannot be; the change after that is made, and then comes a kill."""
    keepsake.write(ORIGINAL, "7", {"a": [1, 2]})
    write = os.write

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("os.write", lambda file, line: write(file, line[:size]))
        disk.setattr("os.replace", full)
        with pytest.raises(OSError, match="No space"):
            keepsake.write(ORIGINAL, "7", {"a": [2, 3]})
    assert keepsake.read().in_force == {"a": [1, 2]}
    for weight in (2, 3):
        keepsake.write(ORIGINAL, "7", {"a": [weight, weight + 2]})
        assert keepsake.read().in_force == {"a": [weight, weight + 2]}
