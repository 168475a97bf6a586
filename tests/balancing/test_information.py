"""What a policy may see is a matter of types: no view but an oracle's leads to the servers' true state."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from worlds import finished, world

from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.hooks import DECIDE, Policy, Probing, Wiring, adapted
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.view import LocalView, OracleView, ProbeView
from qoslab.engine.kernel import kernel

TRUTH = ("queue", "capacity", "left", "since", "drain", "size")
HEARD = ("seen_queue", "seen_latency", "seen_service", "seen_usage", "seen_rate", "seen_at")


@kernel
def looks_at_queues(view, stream, now):
    return 1 if view.queue[1] < view.queue[0] else 0


@kernel
def looks_at_answers(view, stream, now):
    return 1 if view.seen_queue[1] < view.seen_queue[0] else 0


@kernel
def first(view, stream, now):
    return 0


@kernel
def hears(view, stream, server, now):
    return 0


def of(information, **hooks):
    """A policy class of a class of information."""

    @dataclasses.dataclass(frozen=True)
    class Mine(Policy):
        def wire(self, site):
            return Wiring(**hooks)

    Mine.information = information
    return Mine()


def test_views_hold_what_their_class_may_know():
    assert set(LocalView._fields).isdisjoint(TRUTH + HEARD)
    assert set(ProbeView._fields) == {*LocalView._fields, *HEARD}
    assert set(OracleView._fields) == {*LocalView._fields, *TRUTH}


@pytest.mark.parametrize(("information", "route"), [("blind", looks_at_queues), ("probing", looks_at_queues)])
def test_true_queues_do_not_compile_without_the_oracle_mark(information, route):
    with pytest.raises(BadInput, match="queue"):
        DECIDE.pointer(adapted(Wiring(route), information))


@pytest.mark.parametrize("information", ["blind", "oracle"])
def test_answers_do_not_compile_without_the_probing_mark(information):
    with pytest.raises(BadInput, match="seen_queue"):
        DECIDE.pointer(adapted(Wiring(looks_at_answers), information))


def test_true_queues_do_not_run_plain_without_the_oracle_mark():
    with pytest.raises(AttributeError, match="queue"):
        finished(
            world(servers={"count": 2}, load=0.5, requests=50), of("blind", route=looks_at_queues), plain=True
        )


def test_an_oracle_reads_them():
    finished(world(servers={"count": 2}, load=0.5, requests=50), of("oracle", route=looks_at_queues))


@pytest.mark.parametrize("hooks", [{"on_reply": hears}, {"probing": Probing(per_request=1.0)}])
def test_a_blind_policy_cannot_hear_from_servers(hooks):
    with pytest.raises(BadInput, match="blind policy cannot hear"):
        adapted(Wiring(first, **hooks), "blind")


@pytest.mark.parametrize("entry", registry.methods("balancing"), ids=lambda entry: entry.name)
def test_registered_information_is_what_the_policy_gets(entry):
    assert entry.information == entry.cls.information


def test_a_balancer_sees_only_its_own_requests():
    """Two balancers: what each counts adds up to what the servers hold."""
    scenario = world(servers={"count": 3}, load=0.9, requests=500, balancers=2)
    simulation = Simulation(scenario, of("blind", route=first), Seed(0, "tests"))
    for until in np.linspace(5.0, 100.0, 20):
        simulation.advance(float(until))
        board = simulation.world.board
        assert np.array_equal(board.counts[:, 0].sum(axis=0), board.queue)
    assert (board.counts[:, 2].sum(axis=1) > 0).all()


def test_wrong_hooks_are_refused_by_name():
    with pytest.raises(BadInput, match=r"on_complete.*must take 5"):
        adapted(Wiring(first, on_complete=first), "blind")
    with pytest.raises(BadInput, match="not a plain function"):
        adapted(Wiring(len), "blind")


def test_a_choice_that_does_not_exist_is_the_policys_fault():
    @kernel
    def beyond(view, stream, now):
        return view.active.shape[0]

    with pytest.raises(BadInput, match="does not exist"):
        finished(world(servers={"count": 2}, load=0.5, requests=50), of("blind", route=beyond))
