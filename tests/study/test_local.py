"""Workers that hang before they have anything to do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from pathlib import Path

import pytest
from toylab.domain import TOY
from toylab.methods.good import Plain
from toylab.model import example

from qoslab.study import local
from qoslab.study.cases import Given
from qoslab.study.local import Local, WorkersFail
from qoslab.study.warming import Warming


@pytest.fixture
def pools() -> Iterator[list[Local]]:
    """Pools to close, whatever happens."""
    opened: list[Local] = []
    yield opened
    for pool in opened:
        pool.close()


def _hanging() -> local._Worker:
    mine, theirs = Pipe()
    command = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()], process_group=0)
    theirs.close()
    return local._Worker(process, mine)


def test_workers_that_hang_while_they_start_are_given_up(
    monkeypatch: pytest.MonkeyPatch, pools: list[Local]
) -> None:
    monkeypatch.setattr(local, "LOADING_LIMIT_S", 0.1)
    monkeypatch.setattr(local, "_start", _hanging)
    pools.append(Local(1))
    for _ in range(2):
        pools[0].wait(30.0)
    with pytest.raises(WorkersFail, match="starting a worker process took more than"):
        pools[0].wait(30.0)


def test_a_warming_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pools: list[Local]
) -> None:
    monkeypatch.setenv("TOYLAB_WARM_S", "600")
    pools.append(Local(2, Warming(TOY, (example(),), (Given(Plain()),), ((0, 0),))))
    pool = pools[0]
    until = time.monotonic() + 100
    while not all(worker.ready for worker in pool._pool) and time.monotonic() < until:
        pool.wait(1.0)
    assert sum(worker.warming for worker in pool._pool) == 1
    assert pool.free() == 0
    monkeypatch.setattr(local, "LOADING_LIMIT_S", 0.1)
    pool.wait(30.0)
    monkeypatch.undo()
    while not pool.free() and time.monotonic() < until:
        pool.wait(1.0)
    assert pool.free()
    assert "compiling in advance took more than its limit" in pool.notes[0]
