"""The same study on Ray."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from toylab.parents import SEEDS, start
from toylab.studies import toy

from qoslab.core.errors import MissingExtra
from qoslab.study import ray as on_ray
from qoslab.study.events import Event, Noted
from qoslab.study.results import Results
from qoslab.study.study import Study

METHODS = ("Plain", "Plain", "Learned")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes in /proc")


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"qoslab\[ray\]"):
        toy(["plain"]).run(tmp_path / "r", ray="local")


@pytest.mark.filterwarnings("ignore")
def test_a_small_study_gives_the_same_table_as_one_worker(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    study = toy([("plain", {"shift": {"grid": [0.0, 1.0]}})], seeds=2)
    try:
        cluster = study.run(tmp_path / "ray", ray="local")
    except Exception as error:
        if "timed out during startup" not in str(error):
            raise
        pytest.skip("Ray gives itself 30 s to start, and this machine was too busy for that")
    finally:
        ray.shutdown()
    assert cluster.table["status"].to_list() == ["done"] * 4
    assert cluster.digest() == study.run(tmp_path / "local", workers=1).digest()
    # What is compared tells tables apart: another root of random numbers gives another digest.
    other = toy([("plain", {"shift": {"grid": [0.0, 1.0]}})], seeds=2, seed=1)
    assert other.run(tmp_path / "other", workers=0).digest() != cluster.digest()


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_the_same_table(tails: Path, tmp_path: Path, log: Callable[[], list[str]]) -> None:
    pytest.importorskip("ray")
    study = Study.from_file(tails)
    cluster = study.run(tmp_path / "ray", ray="local")
    assert log()[0].split() == ["warm", *(f"{load}/{name}" for load in (0.3, 0.6) for name in METHODS)]
    assert cluster.digest() == study.run(tmp_path / "local", workers=2).digest()


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
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("TOYLAB_WARM_FAILS", "no compiler today"),
        ("TOYLAB_WARM_S", "more than its limit"),
        ("TOYLAB_WARM_DIES", "the worker was lost"),
    ],
)
def test_compiling_in_advance_that_fails_hangs_or_dies_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str, words: str
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv(trouble, "600")
    monkeypatch.setattr(on_ray, "LOADING_LIMIT_S", 60.0)
    seen: list[Event] = []
    results = toy(["plain"], seeds=2).run(tmp_path / "r", ray="local", events=seen.append)
    assert results.table["status"].to_list() == ["done"] * 2
    assert [words in event.message for event in seen if isinstance(event, Noted)] == [True]


@needs_proc
@pytest.mark.full
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_our_own_cannot_be_reached_from_outside() -> None:
    ray = pytest.importorskip("ray")
    assert on_ray._join(ray, "local")
    try:
        assert ray.get(ray.remote(lambda: 7).remote()) == 7
        ports = listening([pid for pid in processes() if os.getpid() in (pid, *ancestors(pid))])
    finally:
        ray.shutdown()
    assert len(ports) > 3
    assert {address for address, _ in ports} <= {
        "0100007F",
        "0000000000000000FFFF00000100007F",
        "0" * 24 + "01000000",
    }


@needs_proc
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
    for pid in processes():
        try:
            if b"ray::_Actor" in Path(f"/proc/{pid}/cmdline").read_bytes() and parent in ancestors(pid):
                found.append(pid)
        except OSError:
            continue
    return found


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def ancestors(pid: int) -> list[int]:
    line = []
    with contextlib.suppress(OSError):  # It may have ended.
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            line.append(pid)
    return line


def listening(pids: list[int]) -> set[tuple[str, str]]:
    """Addresses and ports, as the system writes them, on which processes wait for connections."""
    sockets = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").glob("*"):
            with contextlib.suppress(OSError):
                sockets.add(os.readlink(handle).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in sockets:
                address, _, port = words[1].partition(":")
                found.add((address, port))
    return found
