"""What a federation is held against: identities, and the figures of a reference instance on digits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.seeds import Seed
from qoslab.domains.federation.bases import BASES
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.instance import SOURCE, digits_checks
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.scenario import example
from qoslab.domains.federation.training import rounds

__all__ = ["verify"]


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Check the identity gamma = 0, and on digits what server learning gains where clients differ much."""
    yield from _nothing_learned(context)
    try:
        yield from digits_checks(quick=quick, context=context)
    except MissingExtra as error:
        name = "what server learning gains on digits"
        yield Check.not_run(name, SOURCE, expected=None, note=str(error))


def _nothing_learned(context: Context) -> Iterator[Check]:
    """Server learning of weight 0 against the method below it: every variant, every schedule, bit for bit."""
    scenario, seed = example(), Seed(0, "verify", "", 0)
    task = make_task(scenario, seed)
    for name, below in BASES.items():
        plain = [step.model for step in rounds(scenario, task, below(), seed, context)]
        apart = []
        for variant, schedule in product(("incremental", "simultaneous"), ("constant", "cosine")):
            method: Any = ServerLearning(name, variant, 0.0, schedule)  # type: ignore[arg-type]
            for step, model in zip(rounds(scenario, task, method, seed, context), plain, strict=True):
                apart.append(float(np.abs(step.model - model).max()))
        what = f"server learning of weight 0 and {name}: largest difference of models"
        yield Check.within(what, "identity", expected=0.0, got=max(apart), low=0.0, high=0.0)
