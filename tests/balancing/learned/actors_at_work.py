"""What actors do in tests: functions of a module that their processes can import."""

import fcntl
import os
import sys
import time
from pathlib import Path


def slow_for_even(shard):
    """Even shards take longer, so that they come in after odd ones."""
    time.sleep(0.2 if shard % 2 == 0 else 0.0)
    return shard * shard


def die_once(path):
    """The process dies at its first sight of the file's name."""
    if not Path(path).exists():
        Path(path).touch()
        os._exit(1)
    return Path(path).name


def die(shard):
    """The process dies."""
    os._exit(1)


def refuse(shard):
    """An error of the work's own."""
    message = f"shard {shard} is bad"
    raise ValueError(message)


def hold(path):
    """Hold a lock on a file for as long as the process lives, computing."""
    with Path(path).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("held")
        file.flush()
        while True:
            sum(range(1000))


def idle(path):
    """Hold a lock on a file for as long as the process lives, and be ready for the next shard."""
    global held
    held = Path(path).open("a")  # noqa: SIM115 - until the process ends
    fcntl.flock(held, fcntl.LOCK_EX)
    held.write("held")
    held.flush()


if __name__ == "__main__":
    import actors_at_work

    from qoslab.domains.balancing.learned.actors import Actors

    with Actors(getattr(actors_at_work, sys.argv[1]), 1) as learner:
        learner.give(0, sys.argv[2])
        time.sleep(300.0)
