"""Sites that the learned policy is trained on, drawn at random.

Sizes, laws, disciplines, changes, balancers; open streams from light to heavy, and closed populations of clients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["drawn_world"]

_SIZES = (
    {"law": "exponential"},
    {"law": "exponential"},
    {"law": "deterministic"},
    {"law": "erlang", "stages": 4},
    {"law": "hyperexponential", "scv": 4.0},
    {"law": "lognormal", "scv": 2.0},
    {"law": "lognormal", "scv": 10.0},
)


def drawn_world(rng: np.random.Generator, *, largest: int = 64, requests: int = 150_000) -> BalancingScenario:
    """A site with servers of unknown, unequal and sometimes changing capacities.

    Args:
        rng: Where it is drawn from.
        largest: Servers at most.
        requests: Requests in a run at most, on average.
    """
    servers = int(np.exp(rng.uniform(np.log(2), np.log(largest))).round())
    balancers = int(rng.choice([1, 1, 1, 2, 2, 3, 4, 6, 8, 12, 16]))
    speeds, cores = _capacities(rng, servers)
    discipline = rng.choice(["fifo", "fifo", "ps", "limited_ps"])
    mean_s = float(np.exp(rng.uniform(np.log(0.02), np.log(1.0))))
    demand, rate = _demand(rng, servers, float((speeds * cores).sum()), mean_s)
    each = float(np.exp(rng.uniform(np.log(60), np.log(3000))))  # requests per balancer and server
    duration = min(each * balancers * servers, requests) / rate
    world: dict[str, Any] = {
        "servers": {
            "count": servers,
            "speeds": speeds.tolist(),
            "cores": cores.tolist(),
            "weights": "equal",
            "discipline": {"kind": str(discipline)},
        },
        "balancers": balancers,
        "sizes": dict(_SIZES[rng.integers(len(_SIZES))]) | {"mean_s": mean_s},
        "duration_s": duration,
        "metrics": "mean",
        "changes": _changes(rng, servers, duration),
    } | demand
    return BalancingScenario.model_validate(world)


def _capacities(rng: np.random.Generator, servers: int) -> tuple[Any, Any]:
    """Speed and number of cores of each server."""
    speeds, cores = np.ones(servers), np.ones(servers, np.int64)
    kind = rng.integers(5)
    ratio = float(np.exp(rng.uniform(0.0, np.log(6.0))))
    if kind == 0:
        speeds = np.where(rng.random(servers) < rng.uniform(0.2, 0.8), ratio, 1.0)
    elif kind == 1:
        speeds = np.exp(rng.uniform(0.1, 0.7) * rng.standard_normal(servers))
    elif kind == 2:
        cores = rng.choice([1, 2], servers)
    elif kind == 3:
        cores = np.where(rng.random(servers) < 0.5, 2, 4) * int(rng.choice([1, 2]))
    else:
        cores = rng.choice([1, 2, 4, 8], servers)
        speeds = np.exp(rng.uniform(0.0, 0.4) * rng.standard_normal(servers))
    return speeds, cores.astype(np.int64)


def _demand(
    rng: np.random.Generator, servers: int, capacity: float, mean_s: float
) -> tuple[dict[str, Any], float]:
    """How requests come, and about how many a second.

    One site in four has clients that wait for their answers, from one for two servers to six a server: few requests in
    flight, which an open stream of that throughput never shows.
    """
    if rng.random() < 0.75:
        low, high = ((0.05, 0.3), (0.3, 0.7), (0.7, 0.97), (0.7, 0.97))[rng.integers(4)]
        load = float(rng.uniform(low, high))
        return {"load": load}, load * capacity / mean_s
    clients = max(1, int(np.exp(rng.uniform(np.log(0.5), np.log(6.0))) * servers))
    think_s = mean_s * float(np.exp(rng.uniform(np.log(0.01), np.log(3.0))))
    think = {"law": "exponential", "mean_s": think_s}
    alone = capacity / servers * clients / (mean_s + think_s)
    demand = {"arrivals": {"kind": "closed", "clients": clients, "think": think}}
    return demand, min(alone, capacity / mean_s)


def _changes(rng: np.random.Generator, servers: int, duration: float) -> list[dict[str, Any]]:
    """In one world of two some servers slow down or speed up at some time."""
    if rng.random() < 0.5:
        return []
    changed = rng.choice(servers, size=max(1, int(rng.uniform(0.1, 0.5) * servers)), replace=False)
    at = float(rng.uniform(0.2, 0.8) * duration)
    factor = float(np.exp(rng.choice([-1.0, 1.0]) * rng.uniform(np.log(1.5), np.log(4.0))))
    if factor > 1.0:  # what was given may be too much at first: servers start slow instead
        return [
            {"at_s": at, "servers": [int(j)], "action": "speed", "speed": min(factor, 2.0)} for j in changed
        ]
    return [{"at_s": at, "servers": [int(j)], "action": "speed", "speed": factor} for j in changed]
