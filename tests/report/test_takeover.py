"""Where along a grid the best method changes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from qoslab.report.evidence import Evidence
from qoslab.report.standing import stand
from qoslab.report.takeover import Takeover, takeovers, told

GRID = (0.5, 0.6, 0.7, 0.8, 0.9)


def _found(lab: SimpleNamespace, crossing: float, noise: float, key: int, **build: object) -> list[Takeover]:
    generator = np.random.default_rng(key)
    values = {
        "sed": {(x,): list(x - crossing + 2 + noise * generator.normal(size=20)) for x in GRID},
        "nq": {(x,): list(2 + noise * generator.normal(size=20)) for x in GRID},
        "lsq": {(x,): list(5 + noise * generator.normal(size=20)) for x in GRID},
    }
    evidence = Evidence.of(lab.build(values, ["load"], **build))
    return takeovers(evidence, stand(evidence).cases)


@pytest.mark.parametrize("crossing", [0.56, 0.65, 0.74, 0.83])
def test_a_known_crossing_is_found(lab: SimpleNamespace, crossing: float) -> None:
    """With noise of 0.001 over 20 seeds the crossing is known to 0.0005; 10 times that is allowed."""
    (change,) = _found(lab, crossing, 0.001, key=1)
    assert (change.below, change.above) == (0, 1)
    assert change.interval.estimate == pytest.approx(crossing, abs=0.005)
    assert change.interval.low < crossing < change.interval.high


def test_crossing_intervals_cover(lab: SimpleNamespace) -> None:
    """60 studies at 95 %: fewer than 50 covering has probability 1e-4. Fixed seeds."""
    inside = 0
    for key in range(60):
        found = _found(lab, 0.72, 0.1, key=key)
        inside += bool(found) and found[0].interval.low <= 0.72 <= found[0].interval.high
    assert inside >= 50


def test_a_grid_of_names_has_no_crossing(lab: SimpleNamespace) -> None:
    values = {
        "sed": {("a",): lab.sample(1, 0.01, key=1), ("b",): lab.sample(3, 0.01, key=1)},
        "nq": {("a",): lab.sample(2, 0.01, key=2), ("b",): lab.sample(2, 0.01, key=2)},
    }
    evidence = Evidence.of(lab.build(values, ["kind"]))
    assert takeovers(evidence, stand(evidence).cases) == []


def test_lost_trials_leave_the_crossing_standing(lab: SimpleNamespace) -> None:
    def status(method: str, point: tuple[float, ...], replication: int) -> tuple[str, str]:
        return (
            ("failed", "") if method == "lsq" or (method == "sed" and replication % 4 == 0) else ("done", "")
        )

    (change,) = _found(lab, 0.65, 0.001, key=2, status=status)
    assert change.interval.estimate == pytest.approx(0.65, abs=0.005)


def test_an_open_end_is_said(lab: SimpleNamespace) -> None:
    values = {
        "sed": {(1.0,): lab.sample(1, 0.01, key=1), (2.0,): lab.sample(3, 0.01, key=1)},
        "nq": {(1.0,): lab.sample(2, 0.01, key=2), (2.0,): lab.sample(2, 0.01, key=2)},
    }
    evidence = Evidence.of(lab.build(values, ["load"]))
    (change,) = takeovers(evidence, stand(evidence).cases)
    text = told(evidence, change)
    assert text.startswith("sed stops being best at about load = 1.5")
    assert text.endswith("above it nq is best.")
