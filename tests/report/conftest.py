"""A domain that exists only here, and tables of trials whose truth is known."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from qoslab.core.domain import Domain
from qoslab.core.method import MethodEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

METRICS = (
    Metric("response_time_p99_s", "s", "lower", "99th percentile of the response time."),
    Metric("throughput_bps", "bit/s", "higher", "Goodput."),
    Metric("jain_fairness", "", "higher", "Jain's index."),
    Metric("utilisation_mean", "", "neither", "Mean utilisation."),
)
CITATION = "@inproceedings{{{key}, title = {{On {name}}}, author = {{A. Author}}, year = {{2001}}}}"


@dataclass(frozen=True)
class Section:
    metric: str | None = None
    baseline: str | None = None
    level: float = 0.95
    title: str | None = None
    question: str | None = None
    precision: float | None = None


@dataclass(frozen=True)
class FakeStudy:
    name: str = "tails"
    domain: str = "synthetic"
    seeds: int = 20
    seeds_planned: int = 20
    time_limit_s: float | None = 60.0
    methods: tuple[Any, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    text: bytes = b'[study]\nname = "tails" # <b>&\n'
    report: Section = field(default_factory=Section)


@dataclass(frozen=True)
class FakeResults:
    study: FakeStudy
    table: pl.DataFrame
    path: Path

    def series(self, name: str) -> pl.DataFrame:
        return pl.DataFrame({"scenario": [], "method": [], "replication": []})


@pytest.fixture(autouse=True)
def synthetic_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the domain `synthetic` with methods lsq, sed, nq and the oracle, for one test."""
    registry.domains()  # loads the others, which would otherwise be forgotten with this one
    package = types.ModuleType("synthetic_methods")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "synthetic_methods", package)
    for ours in registry.domains():  # what is first imported under the patch would be lost with it
        registry.methods(ours.name)
    monkeypatch.setattr(registry, "_domains", dict(registry._domains))
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))
    monkeypatch.setattr(registry, "_complete", set(registry._complete))
    registry.add_domain(
        Domain(
            name="synthetic",
            summary="Numbers made up for tests.",
            scenario="nowhere:Nothing",
            run="nowhere:nothing",
            metrics=METRICS,
            methods="synthetic_methods",
            baseline="lsq",
            example="nowhere:example",
            next_steps=(("sed", "qoslab synthetic serve --method sed"), ("*", "qoslab synthetic plan")),
        )
    )
    for name, information in (("lsq", None), ("sed", "blind"), ("nq", "probing"), ("oracle", "oracle")):
        registry.add_method(
            MethodEntry(
                "synthetic",
                name,
                Section,
                f"The method {name}.",
                CITATION.format(key=name + "2001", name=name),
                information,  # type: ignore[arg-type]
                None,
                "paper",
            )
        )


Values = Mapping[str, Mapping[tuple[Any, ...], Sequence[float | None]]]


def build(
    values: Values,
    axes: Sequence[str] = (),
    *,
    metric: str = "response_time_p99_s",
    section: Section | None = None,
    status: Callable[[str, tuple[Any, ...], int], tuple[str, str]] = lambda *_: ("done", ""),
    planned: int | None = None,
    at_first: int | None = None,
    name: str = "tails",
    path: Path = Path("tails.results"),
) -> FakeResults:
    """Results from values by method, by point of the grid, by replication."""
    rows = []
    for method, points in values.items():
        for point, samples in points.items():
            label = ",".join(f"{axis}={value}" for axis, value in zip(axes, point, strict=True))
            for replication, value in enumerate(samples):
                state, reason = status(method, point, replication)
                rows.append(
                    {
                        "scenario": label,
                        **dict(zip(axes, point, strict=True)),
                        "method": method,
                        "method_id": method.split("-")[0],
                        "replication": replication,
                        "seed_path": f"0/{name}/{label}/{replication}",
                        "status": state,
                        "reason": reason,
                        metric: value if state == "done" else None,
                        "counter.events": 1000,
                        "scenario_hash": f"s{label}",
                        "fingerprint": f"f{method}",
                        "versions": '{"python": "3.11.7", "qoslab": "0.1.0"}',
                        "git": "",
                        "host": "testhost",
                        "cpu_s": 0.5,
                        "wall_s": 0.6,
                        "finished_at": "2026-01-01T00:00:00Z",
                    }
                )
    seeds = planned or max(len(samples) for points in values.values() for samples in points.values())
    study = FakeStudy(name=name, seeds=seeds, seeds_planned=at_first or seeds, report=section or Section())
    return FakeResults(study, pl.DataFrame(rows, infer_schema_length=None), path)


def sample(mean: float, deviation: float, n: int = 20, key: int = 0) -> list[float]:
    """n numbers with exactly this mean and standard deviation, the same shape for every key."""
    noise = np.random.default_rng(key).normal(size=n)
    if n > 1:
        noise = (noise - noise.mean()) / noise.std(ddof=1)
    return [float(x) for x in mean + deviation * noise]


@pytest.fixture
def lab() -> types.SimpleNamespace:
    """What tests build synthetic results from."""
    return types.SimpleNamespace(
        build=build, sample=sample, Section=Section, Study=FakeStudy, Results=FakeResults, metrics=METRICS
    )
