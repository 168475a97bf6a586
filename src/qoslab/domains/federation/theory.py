"""What a federation can be held against: identities, and inequalities of a reference instance on digits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.seeds import Seed
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.training import rounds

__all__ = ["digits_instance", "verify"]

_SOURCE = "reference instance: digits, 20 clients, 5 per round, 100 rounds, 5 seeds"


def digits_instance(alpha: float, *, samples: int = 60, classes: int = 0) -> FederationScenario:
    """The reference instance: 360 test samples, a reserve of 60 for the server, 1,377 over 20 clients.

    Args:
        alpha: Concentration of the Dirichlet division.
        samples: How many of the reserve the server holds.
        classes: Only the first so many classes reach the server; 0 for all.
    """
    return FederationScenario.model_validate(
        {
            "data": {"kind": "digits"},
            "partition": {"kind": "dirichlet", "alpha": alpha},
            "clients": 20,
            "sampled": 5,
            "rounds": 100,
            "server": {"samples": samples, "classes": classes},
        }
    )


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Check the identity gamma = 0, and on digits what server learning gains where clients differ much."""
    yield _nothing_learned(context)
    try:
        yield from _digits(quick=quick, context=context)
    except MissingExtra as error:
        name = "what server learning gains on digits"
        yield Check.not_run(name, _SOURCE, expected=None, note=str(error))


def _nothing_learned(context: Context) -> Check:
    scenario, seed = example(), Seed(0, "verify", "", 0)
    task = make_task(scenario, seed)
    apart = [
        float(np.abs(a.model - b.model).max())
        for variant in ("incremental", "simultaneous")
        for a, b in zip(
            rounds(scenario, task, FedAvg(), seed, context),
            rounds(scenario, task, ServerLearning(gamma=0.0, variant=variant), seed, context),
            strict=True,
        )
    ]
    name = "server learning of weight 0 and FedAvg: largest difference of models"
    return Check.within(name, "identity", expected=0.0, got=max(apart), low=0.0, high=0.0)


def _digits(*, quick: bool, context: Context) -> Iterator[Check]:
    """Expected are the gains that the reference instance showed with its own seeds; margins stand well below them."""
    plain, learned = FedAvg(), ServerLearning()
    base = _means(digits_instance(0.05), plain, context)
    best = _means(digits_instance(0.05), learned, context)
    yield _gain(
        "alpha = 0.05, 60 samples: accuracy after 10 rounds", "accuracy_early", best, base, 0.453, 0.25
    )
    yield _gain("alpha = 0.05, 60 samples: accuracy at the end", "accuracy", best, base, 0.030, 0.005)
    if quick:
        return
    few = _means(digits_instance(0.05, samples=20), learned, context)
    yield _gain(
        "alpha = 0.05, 20 samples: accuracy after 10 rounds", "accuracy_early", few, base, 0.309, 0.15
    )
    skewed = _means(digits_instance(0.05, classes=5), learned, context)
    yield _gain(
        "alpha = 0.05, classes 0-4: accuracy after 10 rounds", "accuracy_early", skewed, base, 0.155, 0.03
    )
    base, best = (_means(digits_instance(1.0), one, context) for one in (plain, learned))
    yield _gain("alpha = 1, 60 samples: accuracy after 10 rounds", "accuracy_early", best, base, 0.058, 0.01)
    gap = best["accuracy"] - base["accuracy"]
    name = "alpha = 1, 60 samples: what is left of the gain at the end"
    yield Check.within(name, _SOURCE, expected=-0.001, got=gap, low=-0.015, high=0.015)


def _means(scenario: FederationScenario, method: Any, context: Context) -> dict[str, float]:
    seeds = [Seed(0, "verify", "", replication) for replication in range(5)]
    outcomes = [outcome.metrics for outcome in run(scenario, method, seeds, context)]
    return {name: float(np.mean([one[name] for one in outcomes])) for name in ("accuracy", "accuracy_early")}


def _gain(
    what: str, metric: str, ours: dict[str, float], base: dict[str, float], expected: float, least: float
) -> Check:
    got = ours[metric] - base[metric]
    name = f"server learning over FedAvg, {what}"
    return Check.within(name, _SOURCE, expected=expected, got=got, low=least, high=1.0)
