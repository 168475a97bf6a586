"""HAProxy's own algorithms and a steered one before the same sleeping servers; `make demo-haproxy` runs it.

Four servers of two places each, two of them four times as fast; Poisson requests at 35 % of capacity (88 % of the
slow servers' own where all get the same share), all on loopback.
The repeats are interleaved, so that a noisy minute of the machine strikes all rows alike.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from qoslab.core.errors import QoslabError
from qoslab.domains.balancing.deploy.loopback import Loopback, SleepingServer, find_haproxy

MEANS_S = (0.08, 0.08, 0.02, 0.02)
PLACES = 2
LOAD = 0.35
ROWS = (
    ("roundrobin", "roundrobin", False, False),
    ("leastconn", "leastconn", False, False),
    ("random(2)", "random(2)", False, False),
    ("leastconn, right static weights", "leastconn", True, False),
    ("leastconn, steered (ours)", "leastconn", False, True),
)


def one(balance: str, seconds: float, seed: int, *, right: bool, steered: bool) -> list[float]:
    """Response times of one run after its warm-up, s."""
    fastest = min(MEANS_S)
    weights = [round(64 * fastest / mean) if right else 64 for mean in MEANS_S]
    servers = [SleepingServer(mean, PLACES, weight) for mean, weight in zip(MEANS_S, weights, strict=True)]
    rate = LOAD * sum(PLACES / mean for mean in MEANS_S)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qoslab-")))
        site = stack.enter_context(Loopback(folder, servers, balance, seed))
        if steered:
            words = [
                "balancing",
                "steer",
                "haproxy",
                "--socket",
                str(site.socket),
                "--backend",
                "work",
                "--quiet",
            ]
            words += ["--log-port", str(site.log_port), "--state", str(folder)]
            process = subprocess.Popen(
                [sys.executable, "-m", "qoslab.app.main", *words], stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        site.load(rate, seconds / 2)
        return site.load(rate, seconds)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    if find_haproxy() is None:
        print("the demo needs haproxy: on Debian, apt-get install haproxy", file=sys.stderr)
        return 2
    got: dict[str, list[list[float]]] = {name: [] for name, *_ in ROWS}
    began, cpu = time.monotonic(), os.times()
    for repeat in range(options.repeats):
        for name, balance, right, steered in ROWS:
            times = one(balance, options.seconds, repeat, right=right, steered=steered)
            got[name].append(
                [float(np.mean(times)), *(float(q) for q in np.percentile(times, [95, 99], method="higher"))]
            )
    print(f"{'response time, ms':<34}{'mean':>8}{'p95':>8}{'p99':>8}   mean of {options.repeats} run(s)")
    for name, runs in got.items():
        print(f"{name:<34}" + "".join(f"{1e3 * value:8.0f}" for value in np.mean(runs, axis=0)))
    now = os.times()
    used = sum(now[:4]) - sum(cpu[:4])
    print(f"CPU: {100 * used / (time.monotonic() - began):.0f} % of one core, proxy and controller included")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except QoslabError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
