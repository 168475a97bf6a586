from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import Problem
from qoslab.core.outcome import Outcome
from qoslab.core.scenario import InputFile, Part, Scenario
from qoslab.core.seeds import Seed


class Servers(Part):
    count: int = Field(default=2, ge=1, description="How many.")
    speeds: tuple[float, ...] = Field(default=(1.0,), description="Their speeds.")


class Toy(Scenario):
    load: float = Field(default=0.5, gt=0, lt=1, description="Load.")
    kind: Literal["a", "b"] = Field(default="a", description="A kind.")
    servers: Servers = Field(default=Servers(), description="Servers.")
    trace: InputFile | None = Field(default=None, description="A file.")


def example() -> Toy:
    return Toy()


def check(scenario: Toy) -> Iterable[Problem]:
    for place, speed in enumerate(scenario.servers.speeds):
        if speed == 0:
            yield Problem(message="never ends", field=f"servers.speeds.{place}", hint="a speed above 0")
    if scenario.trace is not None and not Path(scenario.trace).read_bytes():
        yield Problem(message="the file is empty", path=Path(scenario.trace), line=1)
    if scenario.load == 0.99:
        yield Problem(message="leads nowhere")


def warm(cases: Sequence[tuple[Toy, Any]], context: Context) -> None:
    assert not context.keep_series
    nap(float(os.environ.get("TOYLAB_WARM_S", "0")))
    if "TOYLAB_WARM_DIES" in os.environ:
        os._exit(9)
    if "TOYLAB_WARM_FAILS" in os.environ:
        raise ValueError("no compiler today")
    log("warm", *(f"{scenario.load:g}/{type(method).__name__}" for scenario, method in cases))
    _LOADED.append("kernels")


_LOADED: list[str] = []
"""What this process has loaded: as with real kernels, a run that finds nothing here has to wait for it."""


def run(scenario: Toy, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    if not _LOADED:
        nap(float(os.environ.get("TOYLAB_LOAD_S", "0")))
        _LOADED.append("kernels")
    log("run", type(method).__name__, *(str(seed.replication) for seed in seeds))
    for seed in seeds:
        context.check_time()
        score = float(method.score(scenario, seed, context))
        noise = float(seed.generator("noise").standard_exponential())
        series = {"walk": {"t": np.arange(3), "x": np.arange(3) * noise}} if context.keep_series else {}
        members = {f"score[{name}]": score for name in getattr(method, "names", ())}
        yield Outcome({"score": score, "noise_s": noise} | members, {"steps": seed.replication + 1}, series)


def log(*words: str) -> None:
    """Tell a test what was really run, from whatever process."""
    path = os.environ.get("TOYLAB_LOG")
    if path:
        with Path(path).open("a") as file:
            file.write(" ".join(words) + "\n")


def nap(seconds: float) -> None:
    time.sleep(seconds)
