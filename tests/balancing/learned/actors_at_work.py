"""What actors do in tests: functions of a module that their processes can import."""

import os
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
