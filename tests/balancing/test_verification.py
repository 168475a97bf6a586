"""A small form of `qoslab verify balancing`: the same checks, the same seeds, a part of them.

Each interval is at the suite's level (1 % for all checks together); the seeds are fixed, so a failure is a change of
the simulator, not of luck.
"""

from dataclasses import replace
from functools import partial

import pytest

from qoslab.core.context import Context
from qoslab.domains.balancing import delayed_verification, published, verification
from qoslab.domains.balancing.methods.softmin import Softmin
from qoslab.domains.balancing.verification import SUITE_ERROR
from qoslab.domains.balancing.verification_forms import exact_checks

CHEAP = {
    "M/M/1 mean response time, rho = 0.8",
    "M/M/8 mean response time, rho = 0.8",
    "M/G/1 processor sharing, deterministic sizes, rho = 0.7",
    "M/M/1/8 share of rejected requests, rho = 1.2",
    "closed loop of 10 clients, think time 5, one server",
    "round robin over 8 servers, rho = 0.8",
    "JSQ over two servers, rho = 0.8",
    "JSQ(2) as servers grow without bound, rho = 0.7",
    "JSQ over two servers in heavy traffic, exponential sizes: (1 - rho) total work",
    "sed over 12 cores in 8 servers, rho = 0.8: no better than pooled cores",
}


def test_names_are_unique():
    names = [exact.name for exact in exact_checks()]
    assert len(set(names)) == len(names)
    assert set(names) >= CHEAP


@pytest.mark.parametrize("exact", [e for e in exact_checks() if e.name in CHEAP], ids=lambda e: e.name)
def test_the_simulator_meets_the_closed_form(exact):
    level = 1 - SUITE_ERROR / len(exact_checks())
    check = verification._closed_form(exact, level, Context(), quick=True)
    assert check.status == "pass", check


@pytest.mark.parametrize(
    ("begin", "factor"),
    [("M/M/8", 1.06), ("JSQ over two servers in heavy", 0.95), ("sed over 12 cores", 1.2)],
)
def test_a_wrong_value_is_found(begin, factor):
    exact = next(e for e in exact_checks() if e.name.startswith(begin))
    wrong = replace(exact, expected=exact.expected * factor)
    level = 1 - SUITE_ERROR / len(exact_checks())
    assert verification._closed_form(wrong, level, Context(), quick=True).status == "fail"


def test_a_quick_run_has_every_form_and_fewer_points():
    quick, full = exact_checks(quick=True), exact_checks()
    assert {e.source.split(";")[0] for e in quick} == {e.source.split(";")[0] for e in full}
    assert len(quick) < len(full)


@pytest.fixture
def one_delayed_row(monkeypatch):
    row = next(row for row in published.DELAYED if (row.dt, row.policy) == (5.0, "jsq2"))
    monkeypatch.setattr(published, "DELAYED", (row,))


@pytest.mark.usefixtures("one_delayed_row")
def test_the_simulator_meets_the_table_of_delayed_information():
    checks = list(delayed_verification.simulated(Context(), quick=True))
    assert [check.status for check in checks] == ["pass", "pass"], checks


@pytest.mark.usefixtures("one_delayed_row")
def test_another_policy_does_not_meet_the_table(monkeypatch):
    monkeypatch.setitem(delayed_verification._BETA, "jsq2", 0.0)
    assert "fail" in {check.status for check in delayed_verification.simulated(Context(), quick=True)}


@pytest.mark.usefixtures("one_delayed_row")
def test_the_learned_control_is_in_the_simulator_what_it_is_on_the_mean_field(monkeypatch):
    """Both on the mean field and simulated; what sends to the longer queue drops more, and is found."""
    checks = list(delayed_verification.controlled(Context(), quick=True))
    assert [check.status for check in checks] == ["pass", "pass"], checks
    longer = partial(Softmin, beta=-4.0)
    monkeypatch.setattr(delayed_verification, "MeanFieldControl", longer)
    checks = list(delayed_verification.controlled(Context(), quick=True))
    assert [check.status for check in checks] == ["pass", "fail"], checks
    assert checks[1].got > checks[1].high


def test_every_age_of_the_table_is_checked():
    assert {row.dt for row in published.DELAYED} == {1.0, 3.0, 5.0, 7.0, 10.0}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_everything_in_full():
    failed = [
        check for check in verification.verify(quick=False, context=Context()) if check.status == "fail"
    ]
    assert not failed
