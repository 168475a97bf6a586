"""HAProxy's own algorithms and a steered one before the same sleeping servers; `make demo-haproxy` runs it.

Four servers of two places each, two of them four times as fast; Poisson requests at 35 % of capacity (88 % of the
slow servers' own where all get the same share), all on loopback. With `--slowed`, one of the fast servers becomes as
slow as the others afterwards, and response times are measured again.
The repeats are interleaved, so that a noisy minute of the machine strikes all rows alike. With `--out` each run is a
line of a file, and the same command goes on where it was stopped:

    python studies/balancing/haproxy_demo.py --repeats 30 --slowed --out haproxy.jsonl
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from qoslab.core.errors import QoslabError
from qoslab.domains.balancing.deploy.loopback import Loopback, SleepingServer, find_haproxy
from qoslab.report.stats import ratio_of_means

MEANS_S = (0.08, 0.08, 0.02, 0.02)
SLOWED, SLOWED_S = 2, 0.08
PLACES = 2
LOAD = 0.35
STATIC, OURS = "leastconn, right static weights", "leastconn, steered (ours)"
ROWS = (
    ("roundrobin", "roundrobin", False, False),
    ("leastconn", "leastconn", False, False),
    ("random(2)", "random(2)", False, False),
    (STATIC, "leastconn", True, False),
    (OURS, "leastconn", False, True),
)
BEFORE, AFTER = "as configured", "one slowed"
CLAIMS = (
    *((BEFORE, name, 1.0) for name in ("roundrobin", "leastconn", "random(2)")),
    (BEFORE, STATIC, 1.05),
    *((AFTER, name, 1.0) for name in ("roundrobin", "leastconn", "random(2)", STATIC)),
)
"""What is held against the figures: the greatest ratio of 99th percentiles, ours over the other's."""


@dataclass(frozen=True)
class Run:
    """Response times of one row in one repeat, s, and what the machine was busy with.

    Attributes:
        repeat: Which repeat.
        row: Name of the row.
        phase: `BEFORE` or `AFTER`.
        seconds: Length of the measurement.
        mean_s: Mean.
        p95_s: 95th percentile.
        p99_s: 99th percentile.
        cpu: CPU seconds per second of both phases with their warm-ups, proxy and controller included.
    """

    repeat: int
    row: str
    phase: str
    seconds: float
    mean_s: float
    p95_s: float
    p99_s: float
    cpu: float


def one(repeat: int, row: tuple[str, str, bool, bool], seconds: float, *, slowed: bool) -> list[Run]:
    """One row in one repeat; each phase has a warm-up of half its length."""
    name, balance, right, steered = row
    fastest = min(MEANS_S)
    weights = [round(64 * fastest / mean) if right else 64 for mean in MEANS_S]
    servers = [SleepingServer(mean, PLACES, weight) for mean, weight in zip(MEANS_S, weights, strict=True)]
    rate = LOAD * sum(PLACES / mean for mean in MEANS_S)
    measured, began, cpu = [], time.monotonic(), sum(os.times()[:4])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qoslab-")))
        site = stack.enter_context(Loopback(folder, servers, balance, repeat))
        if steered:
            _steer(stack, site, folder)
        for phase in (BEFORE, AFTER) if slowed else (BEFORE,):
            if phase == AFTER:
                servers[SLOWED].mean_s = SLOWED_S
            site.load(rate, seconds / 2)
            measured.append((phase, site.load(rate, seconds)))
    # Proxy and controller have been waited for, so their time is in the sum.
    used = (sum(os.times()[:4]) - cpu) / (time.monotonic() - began)
    return [Run(repeat, name, phase, seconds, *_summary(times), used) for phase, times in measured]


def _steer(stack: ExitStack, site: Loopback, folder: Path) -> None:
    words = ["balancing", "steer", "haproxy", "--socket", str(site.socket), "--backend", "work", "--quiet"]
    words += ["--log-port", str(site.log_port), "--state", str(folder)]
    command = [sys.executable, "-m", "qoslab.app.main", *words]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def _summary(times: Sequence[float]) -> tuple[float, float, float]:
    p95, p99 = np.percentile(times, [95, 99], method="higher")
    return float(np.mean(times)), float(p95), float(p99)


def read(path: Path | None, seconds: float) -> list[Run]:
    """The runs of that length that a file keeps; a last line that was cut off is taken away."""
    if path is None or not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    runs = [Run(**json.loads(line)) for line in whole.splitlines()]
    return [run for run in runs if run.seconds == seconds]


def keep(path: Path | None, runs: Sequence[Run]) -> None:
    """Append runs to the file, on the disk when it returns."""
    if path is None:
        return
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(asdict(run)) + "\n" for run in runs))
        file.flush()
        os.fsync(file.fileno())


def table(runs: Sequence[Run]) -> list[str]:
    """Means over the repeats, row by row."""
    lines = []
    for phase in (BEFORE, AFTER):
        for name, *_ in ROWS:
            found = [run for run in runs if (run.phase, run.row) == (phase, name)]
            if found:
                means = np.mean([(run.mean_s, run.p95_s, run.p99_s) for run in found], axis=0)
                figures = "".join(f"{1e3 * value:8.0f}" for value in means)
                lines.append(f"{phase:<15}{name:<34}{figures}{len(found):6d}")
    return lines


def claims(runs: Sequence[Run]) -> list[str]:
    """Each claim with the paired ratio of 99th percentiles, its 95 % interval, and whether its upper end is within."""
    p99 = {(run.phase, run.row, run.repeat): run.p99_s for run in runs}
    lines = []
    for phase, name, most in CLAIMS:
        repeats = [k for p, row, k in p99 if (p, row) == (phase, name) and (phase, OURS, k) in p99]
        if len(repeats) < 2:
            continue
        ours, theirs = ([p99[phase, row, k] for k in repeats] for row in (OURS, name))
        found = ratio_of_means(ours, theirs)
        words = "holds" if found.high <= most else "does not hold"
        figures = f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]"
        lines.append(f"{phase:<15}p99 of ours over {name:<34}{figures}  at most {most:g}: {words}")
    return lines


def main(words: Sequence[str] | None = None) -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--slowed", action="store_true", help="measure again after a fast server has slowed")
    parser.add_argument("--out", type=Path, help="file of runs, one a line; the same command goes on")
    options = parser.parse_args(words)
    if find_haproxy() is None:
        print("the demo needs haproxy: on Debian, apt-get install haproxy", file=sys.stderr)
        return 2
    runs = read(options.out, options.seconds)
    phases = (BEFORE, AFTER) if options.slowed else (BEFORE,)
    for repeat in range(options.repeats):
        for row in ROWS:
            there = {run.phase for run in runs if (run.repeat, run.row) == (repeat, row[0])}
            if there.issuperset(phases):
                continue
            new = one(repeat, row, options.seconds, slowed=options.slowed)
            new = [run for run in new if run.phase not in there]
            keep(options.out, new)
            runs += new
    print(f"{'response time, ms':<49}{'mean':>8}{'p95':>8}{'p99':>8}  runs")
    print("\n".join([*table(runs), *claims(runs)]))
    cpu = [run.cpu for run in runs]
    print(f"CPU, proxy and controller included: mean {np.mean(cpu):.0%}, most {max(cpu):.0%} of one core")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except QoslabError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
