"""Every run ends: closed loops whose servers fail, with the moment worked out by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from worlds import finished, outcome, world

from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.methods.round_robin import RoundRobin

EACH = {"law": "deterministic", "mean_s": 1.0}
LOOP = {
    "arrivals": {"kind": "closed", "clients": 2, "think": EACH},
    "sizes": EACH,
    "warmup": {"fraction": 0.0},
}
WANDERING = {"drift": {"cv": 0.0, "step_s": 0.7}}
FAILS = {"at_s": 1.5, "servers": [1], "action": "fail"}
UNNOTICED = {"failures": {"detection_s": 100.0}}
GONE = {"at_s": 1.5, "servers": [0, 1], "action": "remove"}
BOTH_FAIL = {"at_s": 1.5, "servers": [0, 1], "action": "fail"}
LOST = {"failures": {"lose": True}}


def loop(*changes, **fields):
    """Two clients that think for 1 s, two servers that take 1 s, and changes."""
    return world(servers={"count": 2}, changes=list(changes), **({"requests": 1000} | LOOP | fields))


@pytest.mark.parametrize("plain", [True, False], ids=["interpreted", "compiled"])
@pytest.mark.parametrize("more", [{}, WANDERING, {"metrics": "mean"}], ids=["grid", "drift", "nothing"])
def test_a_loop_ends_when_all_clients_wait_for_what_is_not_repaired(plain, more):
    """In turn: server 0 from 1 to 2 and 3 to 4, server 1 at 1 and, with the other client, at 5; it failed at 1.5."""
    run = finished(loop(FAILS, **UNNOTICED, **more), RoundRobin(), plain=plain)
    assert run.now == 5.0
    got = outcome(loop(FAILS, **UNNOTICED, **more), RoundRobin())
    assert got.counters["stranded"] == got.counters["in_system"] == 2
    assert (got.counters["offered"], got.counters["finished"]) == (4, 2)
    assert got.metrics["throughput_per_s"] == pytest.approx(2 / 5, rel=1e-12)


def test_a_verdict_tells_of_requests_that_nobody_answers(tmp_path):
    from qoslab import Study

    def told(*changes):
        study = Study(
            name="end",
            domain="balancing",
            scenario=loop(*changes, **UNNOTICED),
            methods=["round_robin"],
            seeds=2,
            report={"metric": "throughput_per_s"},
        )
        return study.run(tmp_path / f"r{len(changes)}", workers=0).verdict.of("counted")

    assert [line.text.partition(":")[0] for line in told(FAILS)] == [
        "stranded is above 0 in 2 of 2 trials (round_robin; 4 in all)"
    ]
    assert not told()


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ([FAILS, {"at_s": 50.0, "servers": [1], "action": "repair"}], UNNOTICED),
        ([FAILS, {"at_s": 50.0, "servers": [1], "action": "remove"}], UNNOTICED),
        ([FAILS], {"failures": {"detection_s": 100.0, "mean_up_s": 30.0}}),
        ([FAILS], {"failures": {"detection_s": 100.0, "lose": True}}),
        ([FAILS], UNNOTICED | {"timeout_s": 20.0}),
        ([FAILS], UNNOTICED | {"hedge_s": 20.0}),
        ([FAILS], {"failures": {"detection_s": 0.2}}),
        ([GONE], {}),
        ([BOTH_FAIL], LOST),
    ],
    ids=["repaired", "removed", "random", "lost", "given up", "hedged", "noticed", "all removed", "all lost"],
)
def test_a_loop_goes_on_where_something_leads_on(changes, more):
    got = outcome(loop(*changes, requests=40, **more), RoundRobin())
    assert got.counters["offered"] == 40
    assert "stranded" not in got.counters


@pytest.mark.parametrize("drain", [True, False])
@pytest.mark.parametrize("more", [{}, WANDERING], ids=["still", "drift"])
def test_a_loop_of_a_given_time_waits_for_answers_as_long_again(drain, more):
    run = finished(loop(BOTH_FAIL, requests=None, duration_s=20.0, drain=drain, **more), Random())
    assert run.now == (40.0 if drain else 20.0)
    assert run.world.counts[5] == 2


@pytest.mark.parametrize(
    ("changes", "more", "words"),
    [
        ([BOTH_FAIL], {}, "after 1.5 s all servers have failed .* would wait for ever"),
        ([FAILS, {"at_s": 9.0, "servers": [0], "action": "remove"}], {}, "after 9 s all servers"),
        ([{"at_s": 1.5, "servers": [1], "action": "repair"}, BOTH_FAIL], {}, "would wait for ever"),
        ([GONE], {"retry": {}}, "send their requests again for ever"),
        ([BOTH_FAIL], LOST | {"retry": {}}, "send their requests again for ever"),
    ],
)
def test_a_loop_without_servers_is_refused(changes, more, words):
    with pytest.raises(ValidationError, match=words):
        loop(*changes, **more)
    loop(*changes, requests=None, duration_s=20.0, **more)


@pytest.mark.parametrize(
    "changes",
    [
        [BOTH_FAIL, {"at_s": 1.5, "servers": [0], "action": "repair"}],
        [{"at_s": 3.0, "servers": [0], "action": "repair"}, BOTH_FAIL],
        [GONE, {"at_s": 3.0, "servers": [1], "action": "add"}],
    ],
)
def test_a_loop_with_a_server_left_is_taken(changes):
    loop(*changes, retry={})
