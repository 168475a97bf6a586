"""A small form of `qoslab verify balancing`: the same checks, the same seeds, a part of them.

Each interval is at the suite's level (1 % for all checks together); the seeds are fixed, so a failure is a change of
the simulator, not of luck.
"""

import pytest

from qoslab.core.context import Context
from qoslab.domains.balancing import verification
from qoslab.domains.balancing.verification import SUITE_ERROR, exact_checks

CHEAP = {
    "M/M/1 mean response time, rho = 0.8",
    "M/M/8 mean response time, rho = 0.8",
    "M/G/1 processor sharing, deterministic sizes, rho = 0.7",
    "M/M/1/8 share of rejected requests, rho = 1.2",
    "closed loop of 10 clients, think time 5, one server",
    "round robin over 8 servers, rho = 0.8",
    "JSQ over two servers, rho = 0.8",
    "JSQ(2) as servers grow without bound, rho = 0.7",
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


def test_a_wrong_value_is_found():
    from dataclasses import replace

    exact = next(e for e in exact_checks() if e.name.startswith("M/M/8"))
    wrong = replace(exact, expected=exact.expected * 1.06)
    level = 1 - SUITE_ERROR / len(exact_checks())
    assert verification._closed_form(wrong, level, Context(), quick=True).status == "fail"


@pytest.mark.full
def test_everything_in_full():
    failed = [
        check for check in verification.verify(quick=False, context=Context()) if check.status == "fail"
    ]
    assert not failed
