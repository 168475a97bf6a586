"""Kills, full disks, torn records, two parents: no finished trial is lost, none is there twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from toylab.child import study
from toylab.parents import SEEDS, orphans, start

from qoslab.study.journal import journals, read
from qoslab.study.results import Results
from qoslab.study.store import Store


def finish(folder: Path, **given: Any) -> tuple[int, str]:
    with start(folder, **given) as process:
        words = process.communicate(timeout=120)[1].decode()
    return process.returncode, words


def told(folder: Path) -> list[list[Any]]:
    """Rows that parents spoke of, but for a line that a kill tore."""
    path = folder / "told"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def check(folder: Path) -> int:
    """What must hold at any moment; gives the number of finished trials."""
    done = [
        record for record in read(folder / "r") if record["kind"] == "trial" and record["status"] == "done"
    ]
    assert max(Counter(record["fingerprint"] for record in done).values(), default=1) == 1
    stored = {(r["scenario"], r["method"], r["replication"]): r["metrics"] for r in done}
    for scenario, method, replication, status, metrics in told(folder):
        if replication >= 0:
            assert status == "done"
            assert stored[scenario, method, replication] == metrics
    return len(done)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of the study, run in one go."""
    return study(SEEDS).run(tmp_path_factory.mktemp("whole"), workers=0).digest()


def kill_at_random(folder: Path, whole: str, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    left, round_ = kills, 0
    while left:
        round_ += 1
        at = folder / str(round_)
        at.mkdir()
        finished = 0
        while left:
            process = start(at, workers=draw.choice([0, 1, 2]))
            begun = time.monotonic()
            # Half of the kills hit the run itself, the others its start, from before the first import on.
            while draw.random() < 0.5 and process.poll() is None and check(at) == finished:
                if time.monotonic() - begun > 20:
                    break
                time.sleep(0.005)
            time.sleep(draw.uniform(0.0, 0.4))
            process.kill()
            killed = process.wait() == -signal.SIGKILL
            process.stderr.close()
            left -= 1
            now = check(at)
            assert now >= finished
            finished = now
            if sys.platform == "linux":
                until = time.monotonic() + 10
                while (alive := orphans(process.pid)) and time.monotonic() < until:
                    time.sleep(0.05)
                assert not alive
            if not killed:
                break
        code, words = finish(at)
        assert code == 0, words
        assert check(at) == 6 * SEEDS
        assert Results.open(at / "r").digest() == whole


def test_killed_at_a_few_random_points(tmp_path: Path, whole: str) -> None:
    kill_at_random(tmp_path, whole, 4, seed=1)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_killed_at_200_random_points(tmp_path: Path, whole: str) -> None:
    kill_at_random(tmp_path, whole, 200, seed=2)


def test_a_torn_last_record_costs_one_trial(tmp_path: Path, whole: str) -> None:
    study(SEEDS).run(tmp_path / "r", workers=0)
    [path] = journals(tmp_path / "r")
    for torn in (1, 30, 200):
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size - torn)
        before = sum(record["kind"] == "trial" for record in read(tmp_path / "r"))
        assert 6 * SEEDS - 2 <= before < 6 * SEEDS
        assert study(SEEDS).run(tmp_path / "r", workers=0).digest() == whole
        path = journals(tmp_path / "r")[-1]
    assert check(tmp_path) == 6 * SEEDS


def test_a_damaged_record_in_the_middle_costs_one_trial(tmp_path: Path, whole: str) -> None:
    study(SEEDS).run(tmp_path / "r", workers=0)
    [path] = journals(tmp_path / "r")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert check(tmp_path) == 6 * SEEDS - 1
    assert study(SEEDS).run(tmp_path / "r", workers=0).digest() == whole


def test_a_full_disk_says_so_and_the_same_command_goes_on(tmp_path: Path, whole: str) -> None:
    code, words = finish(tmp_path, most_bytes=40_000)
    assert code == 1
    assert "no space left" in words
    assert "run the same command again" in words
    assert "Traceback" not in words
    stored = check(tmp_path)
    assert 0 < stored < 6 * SEEDS
    code, words = finish(tmp_path)
    assert (code, words) == (0, "")
    assert check(tmp_path) == 6 * SEEDS
    assert Results.open(tmp_path / "r").digest() == whole


@pytest.mark.full
def test_a_small_file_system(tmp_path: Path, whole: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a file system can be mounted by the administrator only")
    try:
        code, words = finish(disk, told=str(tmp_path / "told"))
        assert code == 1
        assert "no space left" in words
        assert "Traceback" not in words
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        code, words = finish(disk, told=str(tmp_path / "told"))
        assert (code, words) == (0, "")
        assert Results.open(disk / "r").digest() == whole
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_two_parents_on_one_folder(tmp_path: Path, whole: str) -> None:
    both = [start(tmp_path, told=str(tmp_path / f"told{n}"), workers=1) for n in range(2)]
    words = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], words
    results = Results.open(tmp_path / "r")
    assert results.table.height == 6 * SEEDS
    assert results.digest() == whole
    assert study(SEEDS).plan(tmp_path / "r").todo == []


def test_a_reader_may_look_while_a_run_writes(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        seen = []
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            if journals(tmp_path / "r") and Store(tmp_path / "r").plan is not None:
                seen.append(Results.open(tmp_path / "r").table.height)
            time.sleep(0.02)
        process.communicate()
    assert seen == sorted(seen)
    assert Results.open(tmp_path / "r").table.height == 6 * SEEDS


def test_ctrl_c_once_finishes_and_saves(tmp_path: Path, whole: str) -> None:
    process = start(tmp_path, seconds=0.5)  # so long that a busy machine still sends the signal in mid-run
    until = time.monotonic() + 200
    while len(told(tmp_path)) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=200)[1]
    assert process.returncode == 0, words
    results = Results.open(tmp_path / "r")
    assert 5 <= results.table.height < 6 * SEEDS  # eight rows, of which up to two are trainings
    assert set(results.table["status"]) == {"done"}
    assert (tmp_path / "r" / "trials.parquet").is_file()
    assert check(tmp_path) == results.table.height


def test_ctrl_c_twice_stops_at_once_and_keeps_what_is_done(tmp_path: Path) -> None:
    process = start(tmp_path, seconds=30.0)
    until = time.monotonic() + 60
    while not told(tmp_path) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert process.poll() is None  # the trials of half a minute are awaited
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=20)[1]
    assert process.returncode != 0
    assert b"KeyboardInterrupt" in words
    assert check(tmp_path) >= 1
    assert (tmp_path / "r" / "trials.parquet").is_file()
    assert not orphans(process.pid)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_workers_killed_every_two_seconds(tmp_path: Path) -> None:
    draw = random.Random(3)
    said = tmp_path / "said"
    process = start(tmp_path, stderr=said, seconds=0.2, workers=2)
    kills = 0
    while process.poll() is None:
        time.sleep(2.0)
        alive = orphans(process.pid)
        if alive:
            os.kill(draw.choice(alive), signal.SIGKILL)
            kills += 1
    assert process.returncode == 0, said.read_text()
    assert kills > 2
    table = Results.open(tmp_path / "r").table
    assert table.height == 6 * SEEDS
    lost = table.filter(table["status"] != "done")
    assert lost.height < 25
    assert all("SIGKILL" in reason for reason in lost["reason"])
    code, words = finish(tmp_path, seconds=0.2)
    assert (code, words) == (0, "")
    assert set(Results.open(tmp_path / "r").table["status"]) == {"done"}
