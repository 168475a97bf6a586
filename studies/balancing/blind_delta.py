"""Chooses the one number of `blind_sed` that is not derived: what is added to own requests in flight, by delay.

Sites are drawn as those of its training are, from seeds of their own, and each value of delta runs on all of them with
common random numbers. The value with the least mean response time is taken, as the geometric mean over sites of the
ratio to the default's. With `--out` each site is a line of a file, and the same command goes on where it was stopped:

    python studies/balancing/blind_delta.py --out blind-delta.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.worlds import drawn_world
from qoslab.domains.balancing.methods.blind_sed import BlindSed
from qoslab.domains.balancing.model import run
from qoslab.report.stats import student

DELTAS = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7)
METRICS = ("response_time_mean_s", "response_time_p99_s")
REQUESTS = 60_000
"""In a run at most, on average."""


def measured(site: int) -> dict[str, object]:
    """Mean and 99th percentile of response times on one site, s, for each delta."""
    seed = Seed(0, "blind_delta", f"site {site}", 0)
    world = drawn_world(seed.generator("worlds"), requests=REQUESTS).model_copy(update={"metrics": "full"})
    found = [next(iter(run(world, BlindSed(delta=delta), [seed], Context()))).metrics for delta in DELTAS]
    return {"site": site, **{metric: [each[metric] for each in found] for metric in METRICS}}


def lines(out: Path | None, sites: int) -> Iterator[dict[str, object]]:
    """All sites: those that the file holds, then new ones, which are written to it."""
    kept = [json.loads(line) for line in out.read_text().splitlines()] if out and out.exists() else []
    yield from kept[:sites]
    for site in range(len(kept), sites):
        line = measured(site)
        if out:
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")
        yield line


def show(found: list[dict[str, object]]) -> None:
    """Of each delta how far it is from the default, in percent, with a 95 % interval over sites."""
    default = DELTAS.index(BlindSed().delta)
    for metric in METRICS:
        logs = np.log([line[metric] for line in found])
        for at, delta in enumerate(DELTAS):
            each = student(logs[:, at] - logs[:, default])
            low, middle, high = (100.0 * math.expm1(x) for x in (each.low, each.estimate, each.high))
            print(f"{metric}  delta {delta:<4}  {middle:+.2f} % [{low:+.2f}, {high:+.2f}]")


def main() -> None:
    """Read the options, run what is left, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=300, help="how many sites (300)")
    parser.add_argument("--out", type=Path, help="a file that keeps a line for each site")
    options = parser.parse_args()
    show(list(lines(options.out, options.sites)))


if __name__ == "__main__":
    main()
