"""Actors whose learner is killed."""

import fcntl
import subprocess
import sys
import time
from pathlib import Path

import pytest


def eventually(condition, patience_s=90.0):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


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
