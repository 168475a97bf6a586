"""What learned policies must reach: blind inference beside known capacities, learners beside the shortest own queue."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.published import two_servers
from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["learned", "linearised_ratio"]

FloatArray = NDArray[np.float64]

BLIND = 1.02
"""Largest upper end of the 95 % interval of response times over those with known capacities."""
QUICK_SEEDS = 40
"""Seeds of a quick run: enough for the mean of the smallest site, whose 99th percentile needs `SITES[0].seeds`."""


@dataclass(frozen=True)
class Site:
    """A site whose capacities are inferred blindly; a minute from the cold start is not counted, ten are.

    Attributes:
        name: For the row.
        scenario: The site.
        seeds: How many runs.
    """

    name: str
    scenario: Mapping[str, Any]
    seeds: int


def _site(balancers: int, servers: int, cores: Sequence[int], load: float, seeds: int) -> Site:
    scenario = {
        "servers": {"count": servers, "cores": list(cores), "weights": "equal"},
        "balancers": balancers,
        "load": load,
        "sizes": {"law": "exponential", "mean_s": 0.5},
        "duration_s": 660.0,
        "warmup": {"rule": "time", "seconds": 60.0},
    }
    return Site(f"{balancers} x {servers} at load {load:g}", scenario, seeds)


SITES = (
    _site(1, 8, (1, 2), 0.8, 160),
    _site(2, 64, (2, 4), 0.9, 20),
    _site(4, 128, (2, 4), 0.95, 20),
)


@dataclass(frozen=True)
class Lesson:
    """A learner that must leave the least loaded server behind.

    Attributes:
        name: For the row.
        method: Its name.
        parameters: Its parameters; with `weights` = `train` it learns once, for all seeds.
        scenario: The site.
        metric: What it must lower.
        seeds: How many runs.
    """

    name: str
    method: str
    parameters: Mapping[str, Any]
    scenario: Mapping[str, Any]
    metric: str
    seeds: int = field(default=4)


LESSONS = (
    Lesson(
        "RLB-SAC after 250 steps, 4 + 2 cores, load 0.8",
        "rlb_sac",
        {"episodes": 1, "hidden": 64},
        two_servers(0.8) | {"duration_s": 125.0},
        "residual_work_mean_s",
    ),
    Lesson(
        "MARLLB, independent learners after 720 steps, 2 balancers, 1 + 2 + 1 + 2 cores, load 0.9",
        "marllb_sac",
        {
            "weights": "train",
            "reward": "log_vbf",
            "episodes": 6,
            "updates": 15,
            "hidden": 32,
            "window": 20,
            "learning_rate": 0.01,
        },
        {
            "servers": {
                "count": 4,
                "cores": [1, 2],
                "limit": 160,
                "weights": "cores",
                "discipline": {"kind": "ps"},
            },
            "balancers": 2,
            "load": 0.9,
            "sizes": {"law": "exponential", "mean_s": 0.012},
            "network": {"hop_s": [0.0001, 0.001], "node_s": [0.000001, 0.00001]},
            "duration_s": 30.0,
        },
        "response_time_mean_s",
        seeds=10,
    ),
)
_WORDS = {"residual_work_mean_s": "residual work", "response_time_mean_s": "mean response time"}


def learned(context: Context, *, quick: bool) -> Iterator[Check]:
    """Ratios on common seeds, judged by the upper ends of their 95 % intervals.

    A quick run has the mean response time on the smallest site alone: nothing learns in it.
    """
    for site in SITES[:1] if quick else SITES:
        yield from _capacities(site, context, quick=quick)
    for lesson in () if quick else LESSONS:
        yield _lesson(lesson, context)


def linearised_ratio(ours: FloatArray, theirs: FloatArray) -> tuple[float, float]:
    """The ratio of two paired means and half of its 95 % interval, to first order in their deviations.

    One half-width serves a row; reports and pages have Fieller's interval, whose sides differ. With the seeds and
    spreads of these rows the two agree to a thousandth.

    Args:
        ours: One number for each seed, shape (k,).
        theirs: The same for the same seeds, shape (k,).
    """
    from scipy.special import stdtrit

    ratio = float(ours.mean() / theirs.mean())
    rest = ours - ratio * theirs
    error = float(rest.std(ddof=1)) / (math.sqrt(len(rest)) * float(theirs.mean()))
    return ratio, float(stdtrit(len(rest) - 1, 0.975)) * error


def _capacities(site: Site, context: Context, *, quick: bool) -> Iterator[Check]:
    seeds = QUICK_SEEDS if quick else site.seeds
    names = ("response_time_mean_s",) if quick else ("response_time_mean_s", "response_time_p99_s")
    known = _figures(site.name, site.scenario, "sed_oracle", {}, seeds, context)
    blind = _figures(site.name, site.scenario, "blind_sed", {}, seeds, context)
    for name in names:
        what = "mean" if "mean" in name else "99th percentile"
        yield _judged(
            f"capacities unknown, {site.name}: {what} of blind_sed over that of sed_oracle",
            "within 2 % of shortest expected delay with true capacities; upper end of the 95 % interval",
            linearised_ratio(blind[name], known[name]),
            most=BLIND,
            seeds=seeds,
        )


def _lesson(lesson: Lesson, context: Context) -> Check:
    name = f"{lesson.name}: {_WORDS[lesson.metric]} over that of lsq"
    source = "less than with the least loaded server; upper end of the 95 % interval"
    what = lesson.name, lesson.scenario, lesson.method, lesson.parameters, lesson.seeds
    try:
        with _taught(lesson, context) as ready:
            ours = _figures(*what, ready)
    except MissingExtra as missing:
        return Check.not_run(name, source, expected=None, note=str(missing))
    theirs = _figures(lesson.name, lesson.scenario, "lsq", {}, lesson.seeds, context)
    ratio = linearised_ratio(ours[lesson.metric], theirs[lesson.metric])
    return _judged(name, source, ratio, most=1.0, seeds=lesson.seeds)


@contextmanager
def _taught(lesson: Lesson, context: Context) -> Iterator[Context]:
    """A context with what was learned, where the lesson is learned once."""
    if lesson.parameters.get("weights") != "train":
        yield context
        return
    method = registry.method("balancing", lesson.method).cls(**lesson.parameters)
    world = BalancingScenario.model_validate(dict(lesson.scenario))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learned.safetensors"
        path.write_bytes(method.train(world, Seed(0, "verify", f"training {lesson.name}", 0), context))
        yield replace(context, weights=path)


def _judged(name: str, source: str, ratio: tuple[float, float], *, most: float, seeds: int) -> Check:
    mean, half = ratio
    note = f"ratio {mean:.4f}, half-width {half:.4f}, {seeds} seeds"
    return Check.within(name, source, expected=1.0, got=mean + half, low=0.0, high=most, note=note)


def _figures(
    name: str,
    scenario: Mapping[str, Any],
    policy: str,
    parameters: Mapping[str, Any],
    seeds: int,
    context: Context,
) -> Mapping[str, FloatArray]:
    """Metrics of a policy, each of shape (seeds,); the seeds are the site's, whatever the policy."""
    world = BalancingScenario.model_validate(dict(scenario))
    method = registry.method("balancing", policy).cls(**parameters)
    replications = [Seed(0, "verify", f"learned {name}", k) for k in range(seeds)]
    outcomes = list(run(world, method, replications, context))
    return {each: np.array([o.metrics[each] for o in outcomes]) for each in outcomes[0].metrics}
