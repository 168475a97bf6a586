"""Chooses the two numbers of `blind_sed` that nothing gives, `delta` and `apart`, by delay on sites drawn at random.

Sites are drawn as those of its training are, from seeds of their own; each value runs on all of them with common random
numbers, the other number at its default. What is printed is the geometric mean over sites of response times over those
of the default. With `--out` each site is a line of a file, and the same command goes on where it was stopped:

    python studies/balancing/blind_choice.py --out blind-choice.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.worlds import drawn_world
from qoslab.domains.balancing.methods.blind_sed import BlindSed
from qoslab.domains.balancing.model import run
from qoslab.report.stats import Interval, student

DEFAULT = "default"
RULES = {
    DEFAULT: BlindSed(),
    **{f"delta {delta:g}": BlindSed(delta=delta) for delta in (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)},
    **{f"apart {apart:g}": BlindSed(apart=apart) for apart in (0.0, 0.1, 0.3, 0.4, 0.6)},
    "widen no": BlindSed(widen=False),
}
"""What is tried; `apart 0` never falls back, `widen no` takes what is inferred as it is."""
METRICS = {"mean": "response_time_mean_s", "p99": "response_time_p99_s"}
REQUESTS = 60_000
"""In a run at most, on average."""


def measured(site: int) -> dict[str, Any]:
    """Mean and 99th percentile of response times on one site, s, under each rule."""
    seed = Seed(0, "blind_choice", f"site {site}", 0)
    world = drawn_world(seed.generator("worlds"), requests=REQUESTS).model_copy(update={"metrics": "full"})
    outcomes = {name: next(iter(run(world, rule, [seed], Context()))) for name, rule in RULES.items()}
    figures = {
        what: {name: found.metrics[metric] for name, found in outcomes.items()}
        for what, metric in METRICS.items()
    }
    return {"site": site, **figures}


def kept(out: Path | None) -> dict[int, dict[str, Any]]:
    """The sites that a file holds whole; a line that a kill cut short is dropped from it."""
    if out is None or not out.exists():
        return {}
    text = out.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        out.write_text(whole)
    return {line["site"]: line for line in map(json.loads, whole.splitlines())}


def lines(out: Path | None, sites: int) -> Iterator[dict[str, Any]]:
    """All sites: those that the file holds, and new ones, which are written to it."""
    found = kept(out)
    for site in range(sites):
        line = found.get(site) or measured(site)
        if out and site not in found:
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")
        yield line


def over_default(found: Iterable[dict[str, Any]], what: str) -> dict[str, Interval]:
    """Of each rule the difference of logarithms to the default over sites, with its 95 % interval."""
    table = [line[what] for line in found]
    return {
        name: student([math.log(row[name] / row[DEFAULT]) for row in table])
        for name in RULES
        if name != DEFAULT
    }


def percent(each: Interval) -> str:
    """A difference of logarithms as people read it."""
    middle, low, high = (100.0 * np.expm1([each.estimate, each.low, each.high])).tolist()
    return f"{middle:+.2f} % ({low:+.2f} to {high:+.2f})"


def main() -> None:
    """Read the options, run what is left, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=int, default=300, help="how many sites (300)")
    parser.add_argument("--out", type=Path, help="a file that keeps a line for each site")
    options = parser.parse_args()
    found = list(lines(options.out, options.sites))
    for what in METRICS:
        for name, each in over_default(found, what).items():
            print(f"{what:5} {name:10} {percent(each)}")


if __name__ == "__main__":
    main()
