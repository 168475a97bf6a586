"""Actors whose learner is killed."""

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest
from tests.waiting import eventually


def is_free(path):
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@pytest.mark.parametrize("work", ["hold", "idle"])
def test_actors_end_when_their_learner_is_killed(work, tmp_path):
    """At work or between shards; the lock of an actor's file ends with the actor."""
    path = tmp_path / "lock"
    path.touch()
    learner = subprocess.Popen([sys.executable, Path(__file__).parent / "actors_at_work.py", work, path])
    try:
        assert eventually(lambda: path.read_text() == "held")
        assert not is_free(path)
    finally:
        learner.kill()
        learner.wait()
    assert eventually(lambda: is_free(path), 20.0)
