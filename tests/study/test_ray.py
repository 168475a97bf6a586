"""The same study on Ray."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import polars as pl
import pytest
from toylab.parents import SEEDS, start
from toylab.studies import toy

from qoslab.core.errors import MissingExtra
from qoslab.study.results import Results
from qoslab.study.study import Study


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"qoslab\[ray\]"):
        toy(["plain"]).run(tmp_path / "r", ray="local")


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_the_same_table(tails: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    study = Study.from_file(tails)
    on_ray = study.run(tmp_path / "ray", ray="local")
    assert on_ray.digest() == study.run(tmp_path / "local", workers=2).digest()


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_lost_workers_cost_their_rows(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    methods = [
        ("bad", {"how": {"grid": ["raise", "os_exit", "memory", "hang", "unpicklable"]}, "at": 2}),
        "plain",
    ]
    results = toy(methods, seeds=5, time_limit_s=2.0).run(tmp_path / "r", ray="local")
    failed = results.table.filter(pl.col("status") != "done")
    found = dict(zip(failed["method.how"], failed["status"], strict=True))
    assert found == {
        "raise": "failed",
        "os_exit": "crashed",
        "memory": "crashed",
        "hang": "timeout",
        "unpicklable": "failed",
    }
    assert results.table.height == 30


@pytest.mark.full
@pytest.mark.timeout(600)
def test_workers_killed_every_two_seconds(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    draw = random.Random(4)
    said = tmp_path / "said"
    process = start(tmp_path, stderr=said, seconds=0.1, ray="local")
    kills = 0
    while process.poll() is None:
        time.sleep(2.0)
        alive = actors(process.pid)
        if alive:
            os.kill(draw.choice(alive), signal.SIGKILL)
            kills += 1
    assert process.returncode == 0, said.read_text()
    assert kills > 2
    table = Results.open(tmp_path / "r").table
    assert table.height == 6 * SEEDS
    assert all("lost" in reason for reason in table.filter(pl.col("status") != "done")["reason"])


def actors(parent: int) -> list[int]:
    """Ray's processes that run our actors, below a parent."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::_Actor" in (entry / "cmdline").read_bytes() and parent in ancestors(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ancestors(pid: int) -> list[int]:
    line = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        line.append(pid)
    return line
