"""What SeQUeNCe should give, against a replay of its protocols photon by photon."""

from typing import Any

import numpy as np
import pytest
from benchmarks.peers.sequence_forms import chances, rate

CASE: dict[str, Any] = {"source_efficiency": 0.95, "detector_efficiency": 0.95, "swap_success": 0.5}


def clicks(rng: np.random.Generator, shining: int, seen: float) -> int:
    """How many detectors click: each photon is lost or goes to one of two, and two in one make one click."""
    return len({int(rng.integers(2)) for _ in range(shining) if rng.random() < seen})


def asked_to_known(rng: np.random.Generator, seen: float) -> int:
    """Delays from a link's first question to its pair: memories shine by lot, then those that did not."""
    delays = 0
    while True:
        delays += 4
        shining = int(rng.integers(2)) + int(rng.integers(2))
        if clicks(rng, shining, seen) != 1:
            continue
        delays += 3
        if shining == 1 and clicks(rng, 1, seen) == 1:
            return delays


@pytest.mark.parametrize("kilometres", [[20.0], [20.0, 10.0], [10.0, 20.0]])
def test_rates_of_a_replay(kilometres: list[float]) -> None:
    """4,000 cycles; 4.42 standard errors of their mean."""
    rng = np.random.default_rng(7)
    seen = [0.95**2 * 10 ** (-0.01 * km) for km in kilometres]
    delay = np.array(kilometres) / 200_000.0
    cycles = []
    for _ in range(4_000):
        pairs = [asked_to_known(rng, each) for each in seen] * delay
        if len(delay) == 2:
            pairs = max(delay[0] + pairs[0], pairs[1]) + 2 * max(delay)
        cycles.append(float(np.sum(pairs)))
    share = CASE["swap_success"] if len(delay) == 2 else 1.0
    error = np.std(cycles) / np.sqrt(len(cycles))
    assert abs(share / rate(CASE | {"kilometres": kilometres}) - np.mean(cycles)) < 4.42 * error


def test_chances_without_loss() -> None:
    """All photons seen: a first round passes where one shines, or both go to one detector."""
    lossless = {"source_efficiency": 1.0, "detector_efficiency": 1.0}
    assert chances(0.0, lossless) == (0.5 + 0.25 / 2, 0.5)
