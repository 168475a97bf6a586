"""Keys and teleportation as metrics of a run."""

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.apps.keys import KeyRules, asymptotic_rate, finite_length
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.metrics import hashing_yield, key_fraction, outcome_of
from qoslab.domains.entanglement.model import PathRun, run
from qoslab.domains.entanglement.scenario import EntanglementScenario, example
from qoslab.domains.entanglement.swaporder.value import binary_entropy


def scenario_of(**keys: Any) -> EntanglementScenario:
    return EntanglementScenario.model_validate(example().model_dump(exclude_unset=True) | {"keys": keys})


def metrics_of(scenario: EntanglementScenario, fidelity: float, pairs: int) -> dict[str, float]:
    """Metrics of pairs delivered evenly over the run."""
    time = np.linspace(0.0, 0.19, pairs)
    none = np.zeros((3, pairs))
    one = PathRun(0, np.zeros(10, np.int64), 0, 0.0, 2, time, np.full(pairs, fidelity), np.zeros(pairs), none)
    return dict(outcome_of(scenario, [one], keep=False, rng=np.random.default_rng(3)).metrics)


def test_keys_that_are_made_stay_below_the_limit_and_pay_for_statistics() -> None:
    """60,000 pairs of F = 0.97, Q = 2 %: half are sifted, a tenth of those is tested; reconciliation is not perfect."""
    limit = 60_000 / 0.2 * 0.5 * 0.9 * asymptotic_rate(0.02)
    finite, endless = (
        metrics_of(scenario_of(finite=each), 0.97, 60_000)["made_key_rate_per_s"] for each in (True, False)
    )
    leaked = math.ceil(1.1 * 27_000 * binary_entropy(0.02))
    expected = finite_length(27_000, 3_000, 0.02, leaked, KeyRules()) / 0.2
    assert finite == pytest.approx(expected, rel=0.1)
    assert finite < 0.9 * limit < endless < limit * 1.02


def test_few_or_poor_pairs_make_no_key() -> None:
    assert metrics_of(scenario_of(), 0.97, 100)["made_key_rate_per_s"] == 0.0
    assert metrics_of(scenario_of(), 0.80, 60_000)["made_key_rate_per_s"] == 0.0


def test_e91_sifts_less() -> None:
    bb84, e91 = (
        metrics_of(scenario_of(protocol=each), 0.99, 60_000)["made_key_rate_per_s"]
        for each in ("bb84", "e91")
    )
    assert 0.0 < e91 < bb84


def test_closed_forms_of_a_run() -> None:
    """The first replication's pairs; without keys in the scenario nobody makes any."""
    metrics = next(iter(run(example(), ShortestPath(), [Seed()], Context()))).metrics
    assert "made_key_rate_per_s" not in metrics
    assert metrics["teleportation_fidelity"] == pytest.approx((2 * metrics["fidelity"] + 1) / 3)
    assert metrics["key_rate_per_s"] == pytest.approx(
        metrics["rate_per_s"] * key_fraction(metrics["fidelity"])
    )


def test_users_do_not_spoil_others_keys() -> None:
    """A-B of 0.99 alone and beside C-E of 0.6: what A and B can make of their pairs does not depend on C and E."""
    links = (
        {"source": "A", "target": "B", "length_km": 1.0},
        {"source": "C", "target": "E", "length_km": 1.0},
    )
    requests = ({"source": "A", "target": "B"}, {"source": "C", "target": "E"})
    raw = {"network": {"links": links}, "requests": requests, "horizon_s": 1.0}
    scenario = EntanglementScenario.model_validate(raw)
    time, none = np.linspace(0.0, 0.9, 100), np.zeros(10, np.int64)
    runs = [
        PathRun(place, none, 0, 0.0, 2, time, np.full(100, fidelity), np.zeros(100), np.zeros((3, 100)))
        for place, fidelity in enumerate((0.99, 0.6))
    ]
    both = outcome_of(scenario, runs, keep=False).metrics
    assert both["key_rate_per_s"] == pytest.approx(100 * key_fraction(0.99))
    assert both["distillable_rate_per_s"] == pytest.approx(100 * hashing_yield(0.99))
    assert key_fraction(0.6) == hashing_yield(0.6) == key_fraction(0.795) == 0.0
    assert both["fidelity"] == pytest.approx(0.795)


def test_a_run_makes_keys_and_the_same_seed_the_same() -> None:
    scenario = EntanglementScenario.model_validate(
        {
            "network": {"links": [{"source": "S", "target": "D", "length_km": 1.0}]},
            "requests": [{"source": "S", "target": "D"}],
            "links": {"pairs": 8},
            "nodes": {"coherence_s": 1.0},
            "keys": {"finite": False},
            "horizon_s": 0.5,
        }
    )
    first, again = (next(iter(run(scenario, ShortestPath(), [Seed()], Context()))).metrics for _ in range(2))
    assert first == again
    assert 0.0 < first["made_key_rate_per_s"] < 0.5 * first["key_rate_per_s"] * 1.1


def test_a_share_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="tested"):
        scenario_of(tested=1.0)
