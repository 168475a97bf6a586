"""The controller that steers a HAProxy: its share of a core at 1,000 requests a second, and how long a decision takes.

    python -m benchmarks.steering_speed

A real HAProxy with 64 servers on loopback answers on its stats socket and takes the weights; nobody sends it requests.
Its log lines are written here, 1,000 a second, in its own format; answers of every second server take a quarter of the
time, so there is something to infer and to set.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import judge, show, spread
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.loopback import Loopback, SleepingServer, find_haproxy
from qoslab.domains.balancing.deploy.runtime import Runtime
from qoslab.domains.balancing.deploy.steering import Steering

SERVERS, RATE_PER_S, BURST_S = 64, 1000, 0.02
_STAT_CPU = (13, 14)  # user and system ticks, counted from 0 in /proc/PID/stat


def line(draw: random.Random, wall_s: float) -> bytes:
    """One answer of one server that has just ended, as `option httplog` writes it."""
    k = draw.randrange(SERVERS)
    took_ms = round(1e3 * draw.expovariate(50.0 if k % 2 else 12.5))
    began = datetime.fromtimestamp(wall_s - took_ms / 1e3, UTC)
    stamp = f"{began:%d/%b/%Y:%H:%M:%S}.{began.microsecond // 1000:03d}"
    return (
        f"<134>127.0.0.1:50000 [{stamp}] front work/s{k} 0/0/0/{took_ms}/{took_ms} 200 66 - - "
        '---- 9/9/8/1/0 0/0 "GET / HTTP/1.1"'
    ).encode()


def flood(port: int, seconds: float, draw: random.Random) -> int:
    """Send lines for a while, in small bursts; how many."""
    sent, began = 0, time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        while (gone := time.monotonic() - began) < seconds:
            while sent < RATE_PER_S * gone:
                out.sendto(line(draw, time.time()), ("127.0.0.1", port))
                sent += 1
            time.sleep(BURST_S)
    return sent


def cpu_of(process: int) -> float:
    """CPU seconds that a process has used."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(int(words[k - 2]) for k in _STAT_CPU) / os.sysconf("SC_CLK_TCK")


def share(site: Loopback, folder: Path, seconds: float, rounds: int) -> list[float]:
    """Percent of a core that `steer haproxy` uses, in so many stretches of time."""
    words = ["balancing", "steer", "haproxy", "--socket", str(site.socket), "--backend", "work", "--quiet"]
    words += ["--log-port", str(site.log_port), "--state", str(folder)]
    process = subprocess.Popen([sys.executable, "-m", "qoslab.app.main", *words], stderr=subprocess.DEVNULL)
    draw, found = random.Random(0), []
    try:
        flood(site.log_port, 2 * seconds, draw)  # starts, and compiles what it needs
        for _ in range(rounds):
            before, began = cpu_of(process.pid), time.monotonic()
            sent = flood(site.log_port, seconds, draw)
            took = time.monotonic() - began
            found.append(100.0 * (cpu_of(process.pid) - before) / took * RATE_PER_S * took / sent)
    finally:
        process.terminate()
        process.wait()
    return found


def latencies(site: Loopback, folder: Path, decisions: int) -> tuple[list[float], list[float]]:
    """Milliseconds of wall and of CPU time of each decision: counters read, capacities inferred, weights set.

    Their difference is the proxy's own time and, on a busy machine, waiting for a core.
    """
    steering = Steering(Runtime(site.socket), "work", Keepsake(site.socket, "work", folder))
    draw, walls, cpus = random.Random(1), [], []
    for _ in range(decisions + 5):
        wall_s = time.time()
        for _ in range(RATE_PER_S // 2):
            steering.ledger.take(line(draw, wall_s), wall_s)
        began, before = time.perf_counter(), time.process_time()
        steering.tick(wall_s, time.monotonic())
        walls.append(1e3 * (time.perf_counter() - began))
        cpus.append(1e3 * (time.process_time() - before))
    if not steering.writes or not steering.restore():
        message = "no weight was ever set"
        raise RuntimeError(message)
    return walls[5:], cpus[5:]  # the first ones compile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if find_haproxy() is None:
        print("needs haproxy: on Debian, apt-get install haproxy", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="qoslab-") as name:
        folder, servers = Path(name), [SleepingServer(0.02) for _ in range(SERVERS)]
        with Loopback(folder, servers) as site:
            walls, cpus = latencies(site, folder, 100)
            judge("a decision for 64 servers", spread(walls), ".2f", "ms", at_most=10.0)
            show("of that, CPU time of the controller", f"{spread(cpus):.2f} ms")
            used = spread(share(site, folder, options.seconds, options.rounds))
            judge("controller, 1,000 requests/s", used, ".2f", "% of a core", at_most=2.0)


if __name__ == "__main__":
    main()
