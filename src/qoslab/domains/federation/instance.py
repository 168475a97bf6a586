"""The reference instance on digits: a prototype's table of five seeds each, and what of it must hold again.

The prototype drew other random numbers, so its figures are held as inequalities with margins (what one method gains
over federated averaging), and in the full form also as levels, each to the spread that seeds have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.methods.server_only import ServerOnly
from qoslab.domains.federation.metrics import rounds_to
from qoslab.domains.federation.model import run
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.scenario import FederationScenario

__all__ = [
    "LINES",
    "SOURCE",
    "Line",
    "baseline",
    "digits_checks",
    "digits_instance",
    "figures",
    "gains",
    "levels",
]

SOURCE = "reference instance: digits, 20 clients, 5 per round, 100 rounds, 5 seeds"

EARLY, LATER, END, ROUNDS = (
    "accuracy after 10 rounds",
    "accuracy after 30 rounds",
    "accuracy at the end",
    "rounds to 0.85",
)

_PROTOTYPE, _QUICK, _FULL = 5, 5, 20
"""Seeds of the prototype, and of ours."""

_WIDE = 5.7
"""Standard errors, estimated from 20 seeds, that a normal mean is beyond once in 60,000 times (t, 19 degrees)."""

_MEDIAN = 1.2533
"""sqrt(pi / 2): how much more than a mean the median of normal numbers spreads."""


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


@dataclass(frozen=True)
class Line:
    """A line of the prototype's table.

    Attributes:
        name: What it is called.
        scenario: The instance.
        method: The method.
        found: The prototype's figures: means of accuracies, the median of rounds.
        gains: What must be gained over federated averaging, at least and at most; in rounds, saved. Empty for that
            method itself.
        quick: Whether the quick form has it.
    """

    name: str
    scenario: FederationScenario
    method: Any
    found: dict[str, float]
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    quick: bool = False


def _found(early: float, later: float, end: float, rounds: float) -> dict[str, float]:
    return {EARLY: early, LATER: later, END: end, ROUNDS: rounds}


def _least(early: float, later: float, end: float, rounds: float) -> dict[str, tuple[float, float]]:
    return {EARLY: (early, 1.0), LATER: (later, 1.0), END: (end, 1.0), ROUNDS: (rounds, 100.0)}


LINES = (
    Line(
        "alpha = 0.05, fedavg", digits_instance(0.05), FedAvg(), _found(0.394, 0.761, 0.913, 36), quick=True
    ),
    Line(
        "alpha = 0.05, fedprox with mu = 0.1",
        digits_instance(0.05),
        FedProx(mu=0.1),
        _found(0.386, 0.757, 0.911, 39),
        {EARLY: (-0.05, 0.05), LATER: (-0.02, 0.02), END: (-0.01, 0.01), ROUNDS: (-8, 8)},
    ),
    Line(
        "alpha = 0.05, 20 samples",
        digits_instance(0.05, samples=20),
        ServerLearning(),
        _found(0.703, 0.856, 0.935, 21),
        _least(0.15, 0.02, 0.005, 5),
    ),
    Line(
        "alpha = 0.05, 60 samples",
        digits_instance(0.05),
        ServerLearning(),
        _found(0.847, 0.908, 0.943, 10),
        _least(0.25, 0.06, 0.01, 15),
        quick=True,
    ),
    Line(
        "alpha = 0.05, classes 0-4",
        digits_instance(0.05, classes=5),
        ServerLearning(),
        _found(0.549, 0.808, 0.921, 31),
        _least(0.03, 0.005, -0.01, 1),
    ),
    Line("alpha = 0.1, fedavg", digits_instance(0.1), FedAvg(), _found(0.542, 0.829, 0.920, 23), quick=True),
    Line(
        "alpha = 0.1, 20 samples",
        digits_instance(0.1, samples=20),
        ServerLearning(),
        _found(0.812, 0.887, 0.938, 16),
        _least(0.08, 0.02, 0.002, 3),
    ),
    Line(
        "alpha = 0.1, 60 samples",
        digits_instance(0.1),
        ServerLearning(),
        _found(0.877, 0.921, 0.947, 8),
        _least(0.15, 0.03, 0.005, 7),
        quick=True,
    ),
    Line("alpha = 1, fedavg", digits_instance(1.0), FedAvg(), _found(0.839, 0.934, 0.959, 11)),
    Line(
        "alpha = 1, 60 samples",
        digits_instance(1.0),
        ServerLearning(),
        _found(0.897, 0.939, 0.958, 7),
        # Nothing is left of the gain at the end.
        {EARLY: (0.01, 1.0), LATER: (-0.02, 0.03), END: (-0.015, 0.015), ROUNDS: (1, 100)},
    ),
    Line(
        "server only, 20 samples",
        digits_instance(0.05, samples=20),
        ServerOnly(),
        {END: 0.602},
        {END: (-1.0, -0.15)},
    ),
    Line("server only, 60 samples", digits_instance(0.05), ServerOnly(), {END: 0.846}, {END: (-1.0, -0.02)}),
)
"""The table; gains are over the first line of the same division of samples."""


def digits_checks(*, quick: bool, context: Context) -> Iterator[Check]:
    """Gains of every line over federated averaging; in the full form over 20 seeds, and levels, too.

    Raises:
        MissingExtra: scikit-learn, which carries the digits, is not installed.
    """
    base: dict[float, dict[str, FloatArray]] = {}
    for line in LINES:
        if quick and not line.quick:
            continue
        ours = figures(line, _QUICK if quick else _FULL, context)
        alpha = float(getattr(line.scenario.partition, "alpha", 0.0))
        base.setdefault(alpha, ours)
        if line.gains:
            yield from gains(line, ours, baseline(line), base[alpha])
        if not quick:
            yield from levels(line, ours)


def baseline(line: Line) -> Line:
    """Federated averaging over the same division of samples."""
    return next(one for one in LINES if one.scenario.partition == line.scenario.partition)


def figures(line: Line, seeds: int, context: Context) -> dict[str, FloatArray]:
    """The line's figures of each of our seeds; a target never reached counts as one round more than there were."""
    outcomes = run(
        line.scenario,
        line.method,
        [Seed(0, "verify", "", replication) for replication in range(seeds)],
        replace(context, keep_series=True),
    )
    course = np.array([outcome.series["course"]["accuracy"] for outcome in outcomes])
    reached = [rounds_to(one, line.scenario.target) or line.scenario.rounds + 1 for one in course]
    every = {
        EARLY: course[:, 9],
        LATER: course[:, 29],
        END: course[:, -10:].mean(axis=1),
        ROUNDS: np.array(reached, np.float64),
    }
    return {what: every[what] for what in line.found}


def gains(
    line: Line, ours: dict[str, FloatArray], base_line: Line, base: dict[str, FloatArray]
) -> Iterator[Check]:
    """What a line gains over federated averaging, against the margins; expected are the prototype's gains.

    Args:
        line: The line.
        ours: Its figures, by seed.
        base_line: Federated averaging's line.
        base: Its figures, by seed.
    """
    for what, (low, high) in line.gains.items():
        sign = -1.0 if what == ROUNDS else 1.0
        expected = sign * (line.found[what] - base_line.found[what])
        got = sign * (_middle(what, ours[what]) - _middle(what, base[what]))
        name = f"gain over fedavg, {line.name}: {what}"
        yield Check.within(name, SOURCE, expected=expected, got=got, low=low, high=high)


def levels(line: Line, ours: dict[str, FloatArray]) -> Iterator[Check]:
    """The prototype's figures themselves, each within 5.7 standard errors of the difference of its mean and ours."""
    for what, expected in line.found.items():
        values = ours[what]
        half = _WIDE * float(values.std(ddof=1)) * np.sqrt(1.0 / _PROTOTYPE + 1.0 / len(values))
        half *= _MEDIAN if what == ROUNDS else 1.0
        low, high = float(expected - half), float(expected + half)
        got = _middle(what, values)
        yield Check.within(
            f"{line.name}: {what}", SOURCE, expected=float(expected), got=got, low=low, high=high
        )


def _middle(what: str, values: FloatArray) -> float:
    return float(np.median(values) if what == ROUNDS else values.mean())
