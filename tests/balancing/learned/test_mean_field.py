"""Control under delayed information: the network in both forms, the recursion it is trained through, what it gains."""

import math

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import delayed
from qoslab.domains.balancing.delayed_verification import controlled
from qoslab.domains.balancing.learned.mean_field import (
    LENGTHS,
    LOADS,
    LONGEST,
    PAIRS,
    SHAPES,
    controlled_drops,
    flat,
    place_of,
    rule_of,
)
from qoslab.domains.balancing.learned.weights import MEAN_FIELD, read_weights
from qoslab.domains.balancing.methods.mean_field_control import (
    BOX_SIZE,
    LAW,
    LOAD,
    RULE,
    MeanFieldControl,
)
from qoslab.domains.balancing.methods.softmin import Softmin
from qoslab.domains.balancing.model import Simulation, run
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.engine.kernel import compiled


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def constant(rule, epoch):
    """Weights of a network that gives one rule, whatever it sees in epochs of this length."""
    nothing = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    return nothing | {"b2": np.asarray(rule, float) * (epoch / LONGEST) ** 2}


def test_pairs_have_places_of_their_own():
    places = [place_of(z, y) for z in range(LENGTHS) for y in range(z + 1, LENGTHS)]
    assert places == list(range(PAIRS))


def test_the_network_is_numpys():
    w, law = drawn(1), np.array([0.3, 0.2, 0.2, 0.1, 0.1, 0.1])
    rule = np.zeros(PAIRS)
    compiled(rule_of)(flat(w), law, 0.7, 0.8, rule)
    hidden = np.maximum(np.concatenate([law, [0.7, 0.8]]) @ w["w1"] + w["b1"], 0.0)
    np.testing.assert_allclose(rule, (hidden @ w["w2"] + w["b2"]) * (LONGEST / np.exp(0.7)) ** 2, rtol=1e-12)


@pytest.mark.parametrize(("beyond", "end"), [(0.1, LOADS[0]), (3.0, LOADS[1])])
def test_loads_outside_those_of_the_training_count_as_the_nearest_of_them(beyond, end):
    w, law = flat(drawn(1)), np.full(6, 1 / 6)
    there, here = np.zeros(PAIRS), np.zeros(PAIRS)
    compiled(rule_of)(w, law, 0.7, beyond, there)
    compiled(rule_of)(w, law, 0.7, end, here)
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize("beta", [0.0, 0.4, 2.0])
def test_a_rule_that_is_softmin_drops_what_softmin_drops(beta):
    world = delayed.Epochs(5.0, horizon=100.0)
    rates = delayed.epoch_rates(world, np.random.default_rng(0))
    z, y = np.triu_indices(LENGTHS, 1)
    got = controlled_drops(world, flat(constant(beta * (y - z), world.dt)), rates)
    assert got == pytest.approx(delayed.drops(world, delayed.softmin(beta), rates), rel=1e-12)


def test_training_goes_through_the_same_recursion():
    torch = pytest.importorskip("torch")
    from qoslab.domains.balancing.learned.mean_field import _mean_drops

    dt, w = 5.0, drawn(2)
    rates = delayed.epoch_rates(delayed.Epochs(dt, horizon=60.0), np.random.default_rng(1))
    tensors = {name: torch.from_numpy(value) for name, value in w.items()}
    got = float(_mean_drops(torch, tensors, np.array([dt]), rates[None])) * 28.3 / 500 * 60.0
    assert got == pytest.approx(controlled_drops(delayed.Epochs(dt, horizon=60.0), flat(w), rates), rel=1e-9)


def site(servers=20, **more):
    words = {
        "servers": {"count": servers, "limit": 5},
        "load": 0.9,
        "sizes": {"law": "exponential", "mean_s": 1.0},
        "duration_s": 200.0,
        "warmup": {"fraction": 0.0},
        "metrics": "mean",
    }
    return BalancingScenario.model_validate(words | more)


def test_the_rule_is_that_of_the_reported_lengths():
    simulation = Simulation(site(), MeanFieldControl(period_s=3.0), Seed(0, "test", "rule", 0), Context())
    simulation.advance(50.9)
    board = simulation.world.board
    box = board.box[0]
    assert len(box) == BOX_SIZE
    law = np.bincount(np.minimum(board.answers[0, 0].astype(int), 5), minlength=6) / 20
    np.testing.assert_allclose(box[LAW : LAW + 6], law, rtol=1e-12)
    rule = np.zeros(PAIRS)
    compiled(rule_of)(flat(read_weights("builtin", MEAN_FIELD)), law, math.log(3.0), box[LOAD], rule)
    np.testing.assert_allclose(box[RULE:], rule, rtol=1e-9)


def bursts(load, period_s, epochs):
    """Epochs that are busy and quiet in turn, on average at a load."""
    rates = np.where(np.arange(epochs) % 2 == 0, 1.2 * load, 0.8 * load)
    return {"kind": "rates", "rates": tuple(map(float, rates)), "step_s": period_s}


@pytest.mark.parametrize(("balancers", "speed"), [(1, 1.0), (3, 1.0), (1, 10.0)])
def test_the_load_is_learned_from_own_requests(balancers, speed):
    """At nine tenths of an epoch at 0.9 after one at 0.6, and the reverse.

    The rule was last made when four fifths of these requests or more had come: five standard errors of so many.
    """
    servers, period = 2000, 3.0 / speed
    world = site(
        servers,
        balancers=balancers,
        sizes={"law": "exponential", "mean_s": 1.0 / speed},
        duration_s=20 * period,
        load=None,
        rate_per_s=0.75 * servers * speed,
        arrivals=bursts(0.75, period, 20),
    )
    simulation = Simulation(world, MeanFieldControl(period_s=period), Seed(0, "test", "load", 0), Context())
    for epoch, load in ((10, 0.9), (11, 0.6)):
        simulation.advance((epoch + 0.9) * period)
        for balancer in range(balancers):
            box = simulation.world.board.box[balancer]
            assert box[LOAD] == pytest.approx(load, abs=0.08 * math.sqrt(balancers))


def test_the_rule_follows_servers_that_go_and_reports_that_come_late():
    """The last server leaves, and reports arrive in any order: the law is that of what is known of those that stay."""
    gone = [{"at_s": 20.0, "servers": [19], "action": "remove"}]
    world = site(changes=gone, network={"hop_s": [0.0, 0.2]})
    simulation = Simulation(world, MeanFieldControl(period_s=3.0), Seed(0, "test", "late", 0), Context())
    simulation.advance(50.9)
    board = simulation.world.board
    law = np.bincount(np.minimum(board.answers[0, 0, :19].astype(int), 5), minlength=6) / 19
    np.testing.assert_allclose(board.box[0][LAW : LAW + 6], law, rtol=1e-12)


def test_a_constant_rule_routes_as_softmin_does(tmp_path):
    """The same law of routes, not the same draws: drops over 16 runs, within five standard errors."""
    checkpoint = pytest.importorskip("qoslab.learning.checkpoint")
    pytest.importorskip("safetensors")
    path = tmp_path / "softmin.safetensors"
    z, y = np.triu_indices(LENGTHS, 1)
    path.write_bytes(checkpoint.dump_weights(constant(0.8 * (y - z), 5.0), {}))
    seeds = [Seed(0, "test", "softmin", k) for k in range(16)]
    learned = MeanFieldControl(weights=str(path), period_s=5.0)
    ours, theirs = (
        np.array([o.counters["rejected"] for o in run(site(), method, seeds, Context())])
        for method in (learned, Softmin(beta=0.8, period_s=5.0))
    )
    assert theirs.mean() > 50
    error = math.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / 16)
    assert abs(ours.mean() - theirs.mean()) < 5 * error


def test_a_control_that_prefers_the_shorter_queue_routes_as_jsq_does(tmp_path):
    """Draw for draw, so that comparisons with rules rest on the same lots: not one refusal differs."""
    checkpoint = pytest.importorskip("qoslab.learning.checkpoint")
    pytest.importorskip("safetensors")
    path = tmp_path / "jsq.safetensors"
    path.write_bytes(checkpoint.dump_weights(constant(np.full(PAIRS, 60.0), 3.0), {}))
    seeds = [Seed(0, "test", "jsq", k) for k in range(4)]
    learned, shorter = MeanFieldControl(weights=str(path), period_s=3.0), Softmin(beta=1e6, period_s=3.0)
    ours, theirs = (
        [
            (o.counters["rejected"], o.metrics["response_time_mean_s"])
            for o in run(site(), each, seeds, Context())
        ]
        for each in (learned, shorter)
    )
    assert ours == theirs
    assert len(set(ours)) == 4


def test_control_drops_no_more_than_the_best_rule_on_the_mean_field():
    """One arrival sequence for each length of epochs; the verify command has more."""
    network, rng = flat(read_weights("builtin", MEAN_FIELD)), np.random.default_rng(7)
    for dt, beta in ((1.0, 60.0), (3.0, 2.0), (5.0, 0.8), (7.0, 0.3), (10.0, 0.2)):
        world = delayed.Epochs(dt, horizon=300.0)
        rates = delayed.epoch_rates(world, rng)
        rivals = (delayed.random_choice, delayed.shortest, delayed.softmin(beta))
        best = min(delayed.drops(world, rival, rates) for rival in rivals)
        assert controlled_drops(world, network, rates) < 1.01 * best


def test_weights_of_another_network_are_refused():
    with pytest.raises(BadInput, match="w2"):
        flat(drawn(0) | {"w2": np.zeros((2, 2))})


@pytest.mark.full
def test_the_verify_rows_of_the_control_pass():
    failed = [check for check in controlled(Context(), quick=True) if check.status != "pass"]
    assert failed == []
