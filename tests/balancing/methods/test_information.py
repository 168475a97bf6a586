"""What a policy may see is drawn by type: a blind one that reaches for more does not compile."""

import numpy as np
import pytest
from desk import POLICIES, Desk, make, site

from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.domains.balancing.hooks import DECIDE, Probing, Wiring, adapted
from qoslab.domains.balancing.view import LocalView, OracleView, ProbeView
from qoslab.engine.kernel import kernel

ORACLES = {"jsq", "jsq_memory", "lwl", "sed_oracle", "gsed"}
PROBING = {
    "jiq",
    "mean_field_control",
    "lsq_sample",
    "c3",
    "prequal",
    "grpc_wrr",
    "robinhood",
    "active_wcmp",
    "softmin",
    "boltzmann",
}


@kernel
def peek_queue(view, stream, now):
    return int(view.queue[0])


@kernel
def peek_capacity(view, stream, now):
    return int(view.capacity[0])


@kernel
def peek_answer(view, stream, now):
    return int(view.seen_queue[0])


@pytest.mark.parametrize(
    ("peek", "information", "field"),
    [
        (peek_queue, "blind", "queue"),
        (peek_capacity, "blind", "capacity"),
        (peek_answer, "blind", "seen_queue"),
        (peek_queue, "probing", "queue"),
    ],
)
def test_reaching_for_more_does_not_compile(peek, information, field):
    decide = adapted(Wiring(peek), information)
    with pytest.raises(BadInput, match=f"(?s)peek.*does not compile.*{field}"):
        DECIDE.pointer(decide)


def test_a_blind_policy_cannot_listen():
    with pytest.raises(BadInput, match="cannot hear from servers"):
        adapted(Wiring(peek_answer, probing=Probing(per_request=1.0)), "blind")


def test_views_share_no_array_with_the_truth():
    for view in (LocalView, ProbeView):
        assert not {"queue", "capacity", "left", "since", "drain", "size"} & set(view._fields)
    assert set(LocalView._fields) < set(ProbeView._fields)
    assert set(LocalView._fields) < set(OracleView._fields)


@pytest.mark.parametrize("name", POLICIES)
def test_classes_of_information(name):
    entry = registry.method("balancing", name)
    wanted = "oracle" if name in ORACLES else "probing" if name in PROBING else "blind"
    assert entry.information == wanted == make(name).information


@pytest.mark.parametrize("name", sorted(set(POLICIES) - ORACLES))
def test_the_truth_changes_no_choice_of_others(name):
    """Two desks alike but for the servers' true state: the same choices."""
    ours, theirs = Desk(name, [1, 2, 1], seed=3), Desk(name, [1, 2, 1], seed=3)
    theirs.board.truth[:] = 17.0
    theirs.board.size[0] = 99.0
    for k in range(40):
        theirs.board.queue[:] = [k, 3, 50 - k]
        ours.wait(0.3)
        theirs.wait(0.3)
        assert ours.route(k) == theirs.route(k)


@pytest.mark.parametrize("name", POLICIES)
def test_wiring_depends_on_the_seed_alone_and_leaves_the_site_alone(name):
    here = site([1, 2, 3, 4], balancers=3, seed=5)
    first, second = make(name).wire(here), make(name).wire(site([1, 2, 3, 4], balancers=3, seed=5))
    assert here.weight.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(np.asarray(first.par), np.asarray(second.par))
    np.testing.assert_array_equal(np.asarray(first.box), np.asarray(second.box))
    if first.mem is not None:
        np.testing.assert_array_equal(first.mem, second.mem)
    if first.weight is not None:
        assert first.weight is not here.weight
