"""Worlds that cannot be are refused by name; links are as fast as their closed forms say."""

from typing import Any

import pytest
from pydantic import ValidationError

from qoslab.domains.entanglement.links import LinkTiming, link_timing, single_pair_rate
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware, example

NODE = NodeHardware()


def timing(length_km: float, architecture: str) -> LinkTiming:
    link = LinkHardware.model_validate({"architecture": architecture})
    return link_timing(length_km, link, NODE, NODE)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("warm_up_s", 0.2, "nothing is measured"),
        ("horizon_s", -1.0, "horizon_s"),
        ("requests", ({"source": "S", "target": "S"},), "between two nodes"),
        ("requests", (), "requests"),
        ("links", {"attenuation_db_per_km": -0.2}, "attenuation_db_per_km"),
        ("nodes", {"coherence_s": 0.0}, "coherence_s"),
        ("nodes", {"swap_success": 1.5}, "swap_success"),
        ("network", {"links": ({"source": "S", "target": "D", "length_km": -3.0},)}, "length_km"),
    ],
)
def test_a_world_that_cannot_be_is_refused(field: str, value: Any, words: str) -> None:
    raw = example().model_dump(exclude_unset=True) | {field: value}
    with pytest.raises(ValidationError, match=words):
        EntanglementScenario.model_validate(raw)


@pytest.mark.parametrize(("length_km", "success", "rate"), [(32.0, 0.0933, 114.4), (18.0, 0.1778, 381.0)])
def test_rate_of_one_memory_pair(length_km: float, success: float, rate: float) -> None:
    """2 tau + (1/p - 1) 5 tau + 4 tau, by hand for two lengths."""
    link = timing(length_km, "dim_bk_sequence")
    assert link.success == pytest.approx(success, abs=5e-5)
    assert single_pair_rate(link) == pytest.approx(rate, rel=2e-3)


def test_timing_of_each_architecture() -> None:
    """20 km are 100 us; 4 dB of loss; efficiencies of 0.95."""
    half = 0.5 * 0.95**4 * 10**-0.4
    expected = {
        "dim_bk": (half, 2e-4, 2e-4, 2e-4),
        "dim_bk_sequence": (half, 5e-4, 4e-4, 4e-4),
        "dim_dual": (half, 1e-4, 1e-4, 1e-4),
        "sender_receiver": (0.95**2 * 10**-0.4, 2e-4, 1e-4, 2e-4),
        "source_in_midpoint": (0.95**2 * 10**-0.4, 1e-4, 1e-4, 1e-4),
    }
    for name, figures in expected.items():
        assert timing(20.0, name)[:4] == pytest.approx(figures), name


def test_a_source_that_is_set_up_for_each_attempt() -> None:
    """The same with 30 us: once per attempt, twice where two photons go one after another."""
    expected = {
        "dim_bk": (2.6e-4, 2.6e-4, 2.6e-4),
        "dim_bk_sequence": (5.6e-4, 4.6e-4, 4.6e-4),
        "dim_dual": (1.3e-4, 1.3e-4, 1.3e-4),
        "sender_receiver": (2.3e-4, 1.3e-4, 2.3e-4),
        "source_in_midpoint": (1.3e-4, 1.3e-4, 1.3e-4),
    }
    for name, figures in expected.items():
        link = LinkHardware.model_validate({"architecture": name, "setup_s": 3e-5})
        found = link_timing(20.0, link, NODE, NODE)
        assert found[1:4] == pytest.approx(figures), name
        assert found.success == timing(20.0, name).success
        assert found.delay_s == pytest.approx(1e-4)
        assert link_timing(0.0, link, NODE, NODE).interval_s >= 3e-5
    with pytest.raises(ValidationError, match="setup_s"):
        LinkHardware(setup_s=-1e-6)


def test_a_short_link_waits_for_its_memories() -> None:
    assert timing(0.0, "dim_bk").interval_s == 2 * NODE.reset_s
    assert timing(0.0, "dim_dual").interval_s == NODE.reset_s


def test_each_end_has_its_own_hardware() -> None:
    """The sender is the second end, so the first end's source does not matter and its detector does."""
    link = LinkHardware(architecture="sender_receiver")
    weak_source = link_timing(20.0, link, NodeHardware(source_efficiency=0.5), NODE)
    weak_detector = link_timing(20.0, link, NodeHardware(detector_efficiency=0.5), NODE)
    usual = link_timing(20.0, link, NODE, NODE)
    assert weak_source == usual
    assert weak_detector.success == pytest.approx(usual.success * 0.5 / 0.95)


def test_dark_counts_announce_pairs_that_are_not_there() -> None:
    """A share of the other attempts is announced, too: p' = p + (1 - p) d, F' = (p F + (1 - p) d / 4) / p'."""
    hardware = LinkHardware(false_herald=0.01, initial_fidelity=0.95)
    dark = link_timing(20.0, hardware, NODE, NODE)
    p = timing(20.0, "dim_bk_sequence").success
    assert dark.success == pytest.approx(p + (1 - p) * 0.01)
    assert dark.fidelity == pytest.approx((0.95 * p + (1 - p) * 0.01 / 4) / dark.success)
    assert link_timing(20.0, LinkHardware(), NODE, NODE).fidelity == 0.99
