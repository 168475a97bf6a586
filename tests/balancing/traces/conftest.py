"""Servers with known cores, speeds and discipline, and the logs they would write."""

import heapq
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest


def fifo_ends(arrival, service, cores):
    """Ends of requests served in turn: each takes the core that is free first."""
    free = [0.0] * cores
    ends = np.empty(len(arrival))
    for i, (came, needs) in enumerate(zip(arrival, service, strict=True)):
        ends[i] = max(came, heapq.heappop(free)) + needs
        heapq.heappush(free, ends[i])
    return ends


def shared_ends(arrival, service, cores):
    """Ends of requests that share the cores: event by event, in attained service."""
    ends, present, attained, now = np.empty(len(arrival)), [], 0.0, 0.0
    for i in range(len(arrival) + 1):
        coming = arrival[i] if i < len(arrival) else np.inf
        while present:
            step = (present[0][0] - attained) / min(1.0, cores / len(present))
            if now + step > coming:
                break
            now, attained = now + step, present[0][0]
            ends[heapq.heappop(present)[1]] = now
        if i == len(arrival):
            return ends
        if present:
            attained += (coming - now) * min(1.0, cores / len(present))
        now = coming
        heapq.heappush(present, (attained + service[i], i))
    raise AssertionError


ENDS = {"fifo": fifo_ends, "ps": shared_ends}


@dataclass
class Site:
    """Truth behind a log: arrivals, work, servers and responses."""

    discipline: str
    cores: tuple
    speeds: tuple
    arrival: np.ndarray
    work: np.ndarray
    server: np.ndarray
    ends: np.ndarray

    def haproxy(self, path: Path) -> Path:
        """Write the log HAProxy would: one line at the end of each request, times in ms."""
        begin = datetime(2026, 11, 20, 10)
        lines = []
        for came, went, j in zip(self.arrival, self.ends, self.server, strict=True):
            stamp = (begin + timedelta(milliseconds=round(came * 1000))).strftime("%d/%b/%Y:%H:%M:%S.%f")[:-3]
            took = round((went - came) * 1000)
            lines.append(
                (
                    went,
                    f"10.0.1.2:33317 [{stamp}] web app/srv{j + 1} 0/0/0/{took}/{took} 200 275 - - ---- "
                    f'1/1/1/1/0 0/0 "GET / HTTP/1.1"\n',
                )
            )
        path.write_text("".join(line for _, line in sorted(lines)))
        return path


def make_site(discipline, cores, speeds, load, requests, seed=1, scv=np.e - 1):
    rng = np.random.default_rng(seed)
    capacity = np.array(cores) * np.array(speeds)
    sigma = np.sqrt(np.log(1 + scv))
    work = 0.05 * rng.lognormal(-(sigma**2) / 2, sigma, requests)
    arrival = np.cumsum(rng.exponential(0.05 / capacity.sum() / load, requests))
    server = rng.choice(len(cores), requests, p=capacity / capacity.sum())
    ends = np.empty(requests)
    for j in range(len(cores)):
        mine = server == j
        ends[mine] = ENDS[discipline](arrival[mine], work[mine] / speeds[j], cores[j])
    return Site(discipline, cores, speeds, arrival, work, server, ends)


@pytest.fixture
def site():
    return make_site


@pytest.fixture
def ends():
    return ENDS


@pytest.fixture
def workloads():
    """The folder of real workloads; a test that needs it is skipped where it is absent."""
    folder = os.environ.get("QOSLAB_DATA")
    if not folder or not (Path(folder) / "workloads").is_dir():
        pytest.skip("needs QOSLAB_DATA with the folder workloads")
    return Path(folder) / "workloads"
