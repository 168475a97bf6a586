"""What Bell-diagonal pairs are worth: their own state counts, not the Werner pair of its fidelity."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.apps.keys import KeyRules, make_key
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.metrics import (
    bell_hashing_yield,
    bell_key_fraction,
    hashing_yield,
    key_fraction,
)
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.swaporder.value import binary_entropy

ENGINES = [
    ("buffer_space", ShortestPath()),
    ("statistical", ShortestPath()),
    ("buffer_space", ReactiveCentral()),
]
XOR = np.arange(4)[:, None] ^ np.arange(4)[None, :]


def scenario_of(multiplexing: str, lengths: str, **changes: Any) -> EntanglementScenario:
    """20 km between neighbours; every attempt and swap succeeds."""
    raw: dict[str, Any] = {
        "network": {"links": [{"source": a, "target": b, "length_km": 20.0} for a, b in pairwise(lengths)]},
        "links": {
            "attenuation_db_per_km": 0.0,
            "architecture": "source_in_midpoint",
            "initial_fidelity": changes.pop("initial_fidelity", 1.0),
        },
        "nodes": {
            "detector_efficiency": 1.0,
            "swap_success": 1.0,
            "coherence_s": changes.pop("coherence_s", 0.02),
            "gate_fidelity": changes.pop("gate_fidelity", 1.0),
        },
        "phases": {"external_s": 0.002},
        "memory": {
            "state": "bell_diagonal",
            "multiplexing": multiplexing,
            "noise": changes.pop("noise", "dephasing"),
        },
        "requests": [{"source": lengths[0], "target": lengths[-1]}],
        "horizon_s": 0.05,
    }
    return EntanglementScenario.model_validate(raw | changes)


def metrics_of(scenario: EntanglementScenario, method: Any) -> dict[str, float]:
    (outcome,) = run(scenario, method, [Seed()], Context())
    return dict(outcome.metrics)


@pytest.mark.parametrize(("multiplexing", "method"), ENGINES[:2])
def test_pure_dephasing_at_nine_tenths(multiplexing: str, method: Any) -> None:
    """Both users hear of a pair 0.1 ms after its creation: exp(-2 * 0.1 ms / T) = 0.8, so P_Z = 0.1."""
    metrics = metrics_of(scenario_of(multiplexing, "SD", coherence_s=2e-4 / math.log(1.25)), method)
    assert metrics["fidelity"] == pytest.approx(0.9)
    assert metrics["rate_per_s"] > 1000
    each = 1 - binary_entropy(0.1)
    assert each == pytest.approx(0.531, abs=5e-4)
    assert metrics["key_rate_per_s"] == pytest.approx(each * metrics["rate_per_s"])
    assert metrics["distillable_rate_per_s"] == pytest.approx(each * metrics["rate_per_s"])


@pytest.mark.parametrize("noise", ["dephasing", "bit_flip"])
@pytest.mark.parametrize(("multiplexing", "method"), ENGINES)
def test_one_kind_of_error_stays_one_kind(multiplexing: str, method: Any, noise: str) -> None:
    """Z errors composed are Z errors: whatever was stored for how long, 1 - h(1 - F) of the mean pair is left."""
    metrics = metrics_of(scenario_of(multiplexing, "SRTD", noise=noise), method)
    each = 1 - binary_entropy(1 - metrics["fidelity"])
    assert 0.05 < each < 0.95
    assert metrics["key_rate_per_s"] == pytest.approx(each * metrics["rate_per_s"])
    assert metrics["distillable_rate_per_s"] == pytest.approx(each * metrics["rate_per_s"])


def damped(stored_s: float, coherence_s: float) -> np.ndarray:
    """Twirled amplitude damping of one qubit."""
    gamma = 1 - math.exp(-stored_s / coherence_s)
    root = 2 * math.sqrt(1 - gamma)
    return np.array([2 - gamma + root, 2 - gamma - root, gamma, gamma]) / 4


@pytest.mark.parametrize(("multiplexing", "method"), ENGINES)
def test_a_swap_by_hand(multiplexing: str, method: Any) -> None:
    """Two Werner pairs of 0.97, four damped qubits, one noisy gate: the convolution of all, in each engine.

    As events come the repeater swaps 0.1 ms after the creation and the users hear 0.1 ms later. In slots pairs are made
    0.2 ms after the slot's beginning, swapped at 2.2 ms and used at 2.4 ms. Runs end after the first pair.
    """
    slotted = isinstance(method, ReactiveCentral)
    inner, outer = (2e-3, 2.2e-3) if slotted else (1e-4, 2e-4)
    scenario = scenario_of(
        multiplexing,
        "SRD",
        noise="amplitude_damping",
        initial_fidelity=0.97,
        gate_fidelity=0.98,
        coherence_s=0.1,
        horizon_s=3e-3 if slotted else 5e-4,
    )
    state = np.array([0.98 + 0.005, 0.005, 0.005, 0.005])
    for _ in range(2):
        state = state[XOR] @ np.array([0.97, 0.01, 0.01, 0.01])
        for stored in (inner, outer):
            state = state[XOR] @ damped(stored, 0.1)
    metrics = metrics_of(scenario, method)
    assert metrics["rate_per_s"] * scenario.horizon_s == pytest.approx(1)
    assert metrics["fidelity"] == pytest.approx(state[0])
    e_z, e_x = state[2] + state[3], state[1] + state[3]
    assert abs(e_z - e_x) > 1e-4
    key = max(0.0, 1 - binary_entropy(e_z) - binary_entropy(e_x))
    hashing = 1 + float(state @ np.log2(state))
    assert metrics["key_rate_per_s"] == pytest.approx(key * metrics["rate_per_s"])
    assert metrics["distillable_rate_per_s"] == pytest.approx(hashing * metrics["rate_per_s"])
    assert hashing > 0.05


def test_each_request_has_its_own_mean_state() -> None:
    """A-B dephases and C-E has white noise: the sum is of both alone."""
    raw = scenario_of("buffer_space", "AB").model_dump(exclude_unset=True)
    links = [
        {"source": "A", "target": "B", "length_km": 20.0},
        {"source": "C", "target": "E", "length_km": 20.0},
    ]
    requests = [{"source": "A", "target": "B"}, {"source": "C", "target": "E"}]

    def rates(count: int) -> float:
        chosen = {"network": {"links": links}, "requests": requests[2 - count :] if count < 2 else requests}
        return metrics_of(EntanglementScenario.model_validate(raw | chosen), ShortestPath())["key_rate_per_s"]

    assert rates(2) == pytest.approx(2 * rates(1))


def test_werner_pairs_are_the_special_case() -> None:
    for fidelity in np.linspace(0.0, 1.0, 101):
        rest = (1 - fidelity) / 3
        assert key_fraction(fidelity) == bell_key_fraction([fidelity, rest, rest, rest])
        error = min(0.5, 2 * rest)
        assert key_fraction(fidelity) == pytest.approx(max(0, 1 - 2 * binary_entropy(error)))
        assert hashing_yield(fidelity) == bell_hashing_yield([fidelity, rest, rest, rest])
    assert hashing_yield(0.5) == key_fraction(0.25) == bell_key_fraction([0.2, 0.8, 0.0, 0.0]) == 0.0
    assert bell_key_fraction([1.0, 0.0, 0.0, 0.0]) == bell_hashing_yield([0.0, 1.0, 0.0, 0.0]) == 1.0


def _made(state: tuple[float, ...], rules: KeyRules, count: int = 100_000) -> float:
    """Key bits per bit that was sifted and not compared."""
    key = make_key(np.tile(state, (count, 1)), rules, np.random.default_rng(7))
    assert (key.alice == key.bob).all()
    return len(key.alice) / ((1 - rules.tested) * key.sifted)


@pytest.mark.parametrize("state", [(0.9, 0.1, 0.0, 0.0), (0.9, 0.0, 0.1, 0.0), (0.92, 0.07, 0.005, 0.005)])
def test_bb84_by_basis_reaches_the_closed_form(state: tuple[float, ...]) -> None:
    """Errors of 0.1 are known to 0.017 (4 standard errors of 5,000 bits); Cascade leaks at most 1.3 h."""
    apart = _made(state, KeyRules(tested=0.2, finite=False, errors="apart"))
    e_z, e_x = state[2] + state[3], state[1] + state[3]
    leaked = [0.3 * binary_entropy(rate) for rate in (e_z, e_x)]
    slope = [math.log2((1 - rate) / rate) * 0.017 if rate else 0.001 for rate in (e_z, e_x)]
    limit = bell_key_fraction(state)
    assert limit - np.mean(leaked) - np.mean(slope) < apart < limit + np.mean(slope)
    assert apart > _made(state, KeyRules(tested=0.2, finite=False)) + 0.02
    assert 0 < _made(state, KeyRules(tested=0.2, errors="apart")) < apart


def test_e91_under_bit_flips_promises_no_more_than_there_is() -> None:
    """Bits at 45 and 90 degrees err with 0.05 and 0, those of the other basis with 0.05 and 0.1.

    S of 4 means of 22,000 products is known to 0.01 and Q of 4,400 bits to 0.0024, so 1 - S / sqrt 8 - Q to 0.0044:
    0.03 is nearly seven standard errors.
    """
    state = (0.9, 0.0, 0.1, 0.0)
    limit = 1 - binary_entropy(0.025) - binary_entropy(0.075)
    apart = _made(state, KeyRules("e91", finite=False, errors="apart"), 200_000)
    slack = binary_entropy(0.105) - binary_entropy(0.075) + 0.3 * binary_entropy(0.025)
    assert limit - slack < apart < limit + binary_entropy(0.075) - binary_entropy(0.045)
    assert _made(state, KeyRules("e91", finite=False), 200_000) > limit + 0.1
    assert _made(state, KeyRules("e91", errors="apart"), 200_000) < apart


def test_users_of_bell_diagonal_pairs_estimate_errors_apart() -> None:
    """Left out, `errors` follows the states that are kept."""
    changes = {"horizon_s": 2.0, "coherence_s": 2e-4 / math.log(1.25)}
    made = {
        errors: metrics_of(
            scenario_of("buffer_space", "SD", keys={"finite": False, **errors_of(errors)}, **changes),
            ShortestPath(),
        )["made_key_rate_per_s"]
        for errors in ("alike", "apart", "left out")
    }
    assert made["left out"] == made["apart"] > 1.1 * made["alike"] > 0


def errors_of(choice: str) -> dict[str, str]:
    return {} if choice == "left out" else {"errors": choice}
