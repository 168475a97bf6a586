"""Parent processes at work, for tests that kill them or their workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SEEDS = 40
HOME = Path(__file__).parent.parent


def start(folder: Path, stderr: Path | None = None, **given: Any) -> subprocess.Popen[bytes]:
    """A parent process at work on `folder / "r"`; what it says goes to a pipe or, where it may be much, a file."""
    asked = {"out": str(folder / "r"), "told": str(folder / "told"), "seeds": SEEDS, "workers": 2} | given
    path = [str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-m", "toylab.child", json.dumps(asked)]
    if stderr is None:
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    with stderr.open("wb") as file:
        return subprocess.Popen(command, env=environment, stderr=file)


def orphans(parent: int) -> list[int]:
    """Worker processes of a parent that is gone; the test ends as skipped where the system does not list them."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("finds processes in /proc")
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(b"qoslab.study.worker" in word for word in words) and str(parent).encode() in words:
            found.append(int(entry.parent.name))
    return found
