"""Study files written from a trace or a log: what was found, how sure it is, and a scenario to run."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from qoslab.domains.balancing.traces.demand import Demand
from qoslab.domains.balancing.traces.infer import Inference
from qoslab.domains.balancing.traces.workload import Trace

__all__ = ["SERVERS", "study_from_inference", "study_from_trace"]

SERVERS = 8
"""Servers of a study whose input does not tell how many there are."""
LOAD = 0.7
"""Load that such a study is brought to."""
_WIDTH = 110

_REPLAY = (
    "Arrivals and sizes are replayed as recorded, so seeds differ only in what a method draws by lot: a method that "
    "draws nothing gives the same numbers for every seed, and intervals tell nothing about other days. For intervals "
    "about days like this one, take laws instead of the replay."
)
_METHODS = """\
[[method]]
id = "random"

[[method]]
id = "jsq"
d = 2

[[method]]
id = "lsq"

[[method]]
id = "sed"

[report]
metric = "response_time_p99_s"
baseline = "lsq"
"""


def study_from_inference(found: Inference, source: str, data: Path) -> str:
    """A study that replays a log on the servers inferred from it.

    Args:
        found: What the log says.
        source: Name of the log, for the title.
        data: The file of the requests beside the study, with columns `time_s` and, where sizes are known, `size_s`.

    Returns:
        The text of a study file.
    """
    if not found.servers or found.work_s is None or found.work_scv is None or found.load is None:
        # Only arrivals are known: the rest is made up, and said to be.
        mean = _placeholder(found.demand.rate_per_s.value)
        said = [
            *_demand_lines(found.demand),
            f"Sizes are not known: exponential ones with mean {mean:g} s stand in.",
        ]
        return _study(
            source, said, found, _unknown_servers(), _arrivals(data, sized=False), _sizes(mean, 1.0)
        )
    said = [
        *_demand_lines(found.demand),
        f"Servers serve {'in turn' if found.discipline == 'fifo' else 'by sharing'}.",
        f"Work of a request: squared coefficient of variation {found.work_scv:.3g}, mean "
        f"{found.work_s.in_unit('s')}.",
        f"Load: {found.load}.",
    ]
    for server, speed in zip(found.servers, found.speeds, strict=True):
        cores = f"{server.cores} core" if server.cores == 1 else f"{server.cores} cores"
        if server.cores_low != server.cores_high:
            cores += f" (anything from {server.cores_low} to {server.cores_high} fits)"
        said.append(f"Server {server.name}: {cores}, busy {server.busy:.0%} of the time, speed {speed}.")
    scv = max(found.work_scv, 1e-6)
    instead = [
        "# For intervals about days like this one, instead of the replay:",
        '# arrivals = { kind = "poisson" }' + _bursty(found.demand),
        f"# load = {min(found.load.value, 0.99):.4g}",
        f'# sizes = {{ law = "lognormal", mean_s = {found.work_s.value:.6g}, scv = {scv:.4g} }}',
    ]
    return _study(source, said, found, _known_servers(found), [*_arrivals(data, sized=True), *instead], [])


def study_from_trace(trace: Trace, demand: Demand, source: str, data: Path) -> str:
    """A study that replays a person's own trace; the same arguments and result as `study_from_inference`."""
    said = _demand_lines(demand)
    rate = demand.rate_per_s.value
    said.append(
        f"The trace does not tell the servers: {SERVERS} equal ones stand in. Put in yours before you believe a result."
    )
    sizes: list[str] = []
    if trace.size is None:
        mean = _placeholder(rate)
        said.append(
            f"Sizes are not known: exponential ones with mean {mean:g} s stand in, for a load of {LOAD:g}."
        )
        sizes = _sizes(mean, 1.0)
    else:
        scv = float(trace.size.var() / trace.size.mean() ** 2)
        said.append(f"Sizes: mean {trace.size.mean():.4g} {_UNIT[trace.size_kind]}, SCV {scv:.4g}.")
    arrivals = _arrivals(data, sized=trace.size is not None)
    if trace.size is not None and trace.size_kind == "work":
        factor = _placeholder(rate) / float(trace.size.mean())
        said.append(
            f"The trace does not tell how long a unit of work takes: {factor:.4g} s was chosen, for a load of {LOAD:g}."
        )
        arrivals[-1] = arrivals[-1].replace('size = "size_s"', f"size = {{ size = {factor:.6g} }}")
    return _study(source, said, trace, _unknown_servers(), arrivals, sizes)


_UNIT = {"service_s": "s", "work": "units of work"}


def _study(
    source: str,
    said: Sequence[str],
    found: Inference | Trace,
    servers: Sequence[str],
    arrivals: Sequence[str],
    sizes: Sequence[str],
) -> str:
    head = [*_comment(f"Which balancing method is best for the requests of {source}?"), "#", "# Found:"]
    head += [line for item in said for line in _comment(item, "  - ")]
    if found.warnings:
        head += ["# WARNINGS:", *(line for item in found.warnings for line in _comment(item, "  ! "))]
    if found.notes:
        head += ["# How:", *(line for item in found.notes for line in _comment(item, "  - "))]
    name = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in source)[
        :60
    ]
    table = [
        "[study]",
        f"name = {json.dumps(name or 'trace')}",
        'domain = "balancing"',
        "seeds = 5",
        "",
        "[scenario]",
        *servers,
        *_comment(_REPLAY),
        *arrivals,
        *sizes,
    ]
    return "\n".join([*head, *table, "", _METHODS])


def _comment(text: str, mark: str = "") -> list[str]:
    # What stands in a log is not to be trusted: no control characters, no line ends.
    clean = "".join(char if char.isprintable() else "?" for char in text)
    first, rest = f"# {mark}", "# " + " " * len(mark)
    return textwrap.wrap(
        clean, _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    ) or ["#"]


def _demand_lines(demand: Demand) -> list[str]:
    said = [
        f"Rate: {demand.rate_per_s.in_unit('requests/s')}.",
        f"Times between arrivals have CV {demand.gap_cv:.3g} (Poisson: 1).",
    ]
    if demand.dispersion:
        peaks = ", ".join(f"{w:g} s: {ratio:.3g}" for w, ratio in demand.peak_to_mean.items())
        spread = ", ".join(f"{w:g} s: {ratio:.3g}" for w, ratio in demand.dispersion.items())
        said += [
            f"Peak over mean by window: {peaks}.",
            f"Variance over mean of counts (Poisson: 1): {spread}.",
        ]
    if demand.hour_rate_per_s is not None:
        hours = demand.hour_rate_per_s
        said.append(
            f"Hours of the day: fullest {int(np.nanargmax(hours))} h with {np.nanmax(hours):.4g}/s, "
            f"emptiest {int(np.nanargmin(hours))} h with {np.nanmin(hours):.4g}/s."
        )
    return said


def _bursty(demand: Demand) -> str:
    worst = max(demand.dispersion.values(), default=1.0)
    return f"  # the log is burstier: variance over mean of counts up to {worst:.3g}" if worst > 1.5 else ""


def _arrivals(data: Path, *, sized: bool) -> list[str]:
    size = ', size = "size_s"' if sized else ""
    return [f'arrivals = {{ kind = "trace", file = {_quoted(data.name)}, time = "time_s"{size} }}']


def _sizes(mean_s: float, scv: float) -> list[str]:
    law = "exponential" if scv == 1.0 else "lognormal"
    return [f'sizes = {{ law = "{law}", mean_s = {mean_s:.6g} }}']


def _placeholder(rate_per_s: float) -> float:
    """The mean size that brings the stand-in servers to the stand-in load."""
    return float(f"{LOAD * SERVERS / rate_per_s:.4g}")


def _unknown_servers() -> list[str]:
    return [f"servers = {{ count = {SERVERS} }}  # not in the input: put in yours"]


def _known_servers(found: Inference) -> list[str]:
    return [
        f"servers.count = {len(found.servers)}",
        f"servers.speeds = {_listed(f'{one.value:.4g}' for one in found.speeds)}",
        f"servers.cores = {_listed(str(server.cores) for server in found.servers)}",
        f'servers.discipline = {{ kind = "{found.discipline}" }}',
    ]


def _listed(items: Iterable[str]) -> str:
    return "[" + ", ".join(items) + "]"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
