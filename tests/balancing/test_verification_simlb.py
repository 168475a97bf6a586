"""The rows that hold the simulator against SimLB, and what makes them fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.balancing import published, verification_simlb
from qoslab.domains.balancing.published import SIMLB
from qoslab.domains.balancing.verification_simlb import simlb


def test_every_configuration_that_was_measured_has_its_four_figures():
    """22 configurations, one of them (hlb, mean and quantiles) left out with its reason."""
    seen = {(row.system.name, row.policy, repr(row.parameters)) for row in SIMLB}
    assert len(seen) == 21
    assert len({row.name for row in SIMLB}) == len(SIMLB) == 84
    assert {row.name.split(": ")[1] for row in published.SIMLB_LEFT_OUT} == {
        "mean of hlb",
        "p95 of hlb",
        "p99 of hlb",
    }


def test_the_quick_rows_agree():
    checks = list(simlb(Context(), quick=True))
    assert len(checks) == 7
    assert {check.status for check in checks} == {"pass"}, checks


@pytest.fixture
def two_rows(monkeypatch):
    """Least connections over 64 servers: p95 of one run, p99 of three, both with computed tolerances."""
    rows = [r for r in SIMLB if (r.policy, r.system.flows) == ("lsq", 10_000) and r.tolerance is None]
    rows = [r for r in rows if r.system.name.startswith("2 balancers") and r.metric.startswith("response")]
    assert [(r.metric[14:17], r.runs) for r in rows] == [("p99", 3), ("p95", 1)]

    def use(**changed):
        monkeypatch.setattr(verification_simlb, "SIMLB", tuple(replace(row, **changed) for row in rows))
        return [check for check in simlb(Context(), quick=False) if check.status != "not run"]

    return use


def test_computed_tolerances_hold_the_right_policy_and_find_a_wrong_one(two_rows):
    right = two_rows()
    assert [check.status for check in right] == ["pass", "pass"], right
    wrong = two_rows(policy="lsq_d")
    assert [check.status for check in wrong] == ["fail", "fail"], wrong


def test_three_runs_narrow_a_tolerance(two_rows):
    """The factor's logarithm goes with sqrt(1 / runs + 1 / seeds): 40 seeds, one run or three."""
    one, three = two_rows(runs=1), two_rows(runs=3)
    for wide, narrow in zip(one, three, strict=True):
        ratio = np.log(wide.high / wide.expected) / np.log(narrow.high / narrow.expected)
        assert ratio == pytest.approx(np.sqrt((1 + 1 / 40) / (1 / 3 + 1 / 40)), rel=1e-12)


def test_the_half_width_covers_as_often_as_it_says():
    """At 10 %: 20,000 differences of a mean of three and a mean of ten; four deviations of the share are 0.0085."""
    rng = np.random.default_rng(7)
    ours, theirs = rng.normal(size=(20_000, 10)), rng.normal(size=(20_000, 3)).mean(axis=1)
    half = np.array([verification_simlb._half_width(row, 3, 0.1) for row in ours])
    outside = np.abs(ours.mean(axis=1) - theirs) > half
    assert abs(outside.mean() - 0.1) < 0.0085


@pytest.mark.full
def test_every_figure_agrees():
    assert [check for check in simlb(Context(), quick=False) if check.status == "fail"] == []
