"""Methods against truth: quadratic clients with known optima, worked cases, attacks that break the mean only."""

import numpy as np
import pytest
from tests.federation.worlds import SEED, course, models, world

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.instance import digits_instance
from qoslab.domains.federation.methods.data_sharing import DataSharing
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedavg_momentum import FedAvgMomentum
from qoslab.domains.federation.methods.feddyn import FedDyn
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.krum import Krum
from qoslab.domains.federation.methods.median import Median
from qoslab.domains.federation.methods.scaffold import Scaffold
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.methods.server_only import ServerOnly
from qoslab.domains.federation.methods.trimmed_mean import TrimmedMean
from qoslab.domains.federation.model import run
from qoslab.domains.federation.strategy import Round, floor_share
from qoslab.domains.federation.training import Clients

CURVE = np.array([[1.0], [4.0], [2.0]])
CENTRE = np.array([[0.0, 3.0], [1.0, -1.0], [5.0, 2.0]])
OPTIMUM = (CURVE * CENTRE).sum(axis=0) / CURVE.sum()
"""Three clients with F_i(x) = a_i / 2 |x - b_i|^2, and the minimiser of their sum."""

ROBUST = (Median(), TrimmedMean(trim=0.34), Krum(malicious=0.3))


def seen(updates, *, sizes=None, model=None, clients=None, everyone=None, rate=0.1, steps=1):
    updates = np.asarray(updates, float)
    count = len(updates)
    model = np.zeros(updates.shape[1]) if model is None else model
    clients = np.arange(count) if clients is None else np.asarray(clients)
    sizes = np.ones(count) if sizes is None else np.asarray(sizes)
    return Round(
        0, 1, model, clients, sizes, updates, rate, steps, everyone or count, lambda start, gamma: start
    )


def settle(method, *, steps, rate, rounds, draw=3):
    """The model after many rounds of exact gradient steps; `draw` of the three clients take part in each."""
    rng, model, state = np.random.default_rng(0), np.zeros(2), method.start(3, 2)
    for _ in range(rounds):
        chosen = np.sort(rng.choice(3, draw, replace=False))
        guide = method.guide(state, chosen)
        own = np.repeat(model[None], draw, axis=0)
        for _ in range(steps):
            slope = CURVE[chosen] * (own - CENTRE[chosen]) + guide.pull * (own - model)
            own = own - rate * (slope if guide.shift is None else slope + guide.shift)
        args = {"model": model, "clients": chosen, "everyone": 3, "rate": rate, "steps": steps}
        model, state = method.merge(state, seen(own - model, **args))
    return model


def test_fedavg_settles_where_its_steps_cancel():
    """At rest sum_i (1 - (1 - s a_i)^K) (b_i - x) = 0, which is not the minimiser."""
    weight = 1 - (1 - 0.1 * CURVE) ** 8
    expected = (weight * CENTRE).sum(axis=0) / weight.sum()
    assert np.allclose(settle(FedAvg(), steps=8, rate=0.1, rounds=300), expected, atol=1e-10)
    assert np.abs(expected - OPTIMUM).max() > 0.1


def test_fedprox_settles_where_its_steps_cancel():
    """x_i follows s (a_i + mu): at rest sum_i a_i / (a_i + mu) (1 - (1 - s (a_i + mu))^K) (b_i - x) = 0."""
    mu = 1.5
    weight = CURVE / (CURVE + mu) * (1 - (1 - 0.1 * (CURVE + mu)) ** 8)
    expected = (weight * CENTRE).sum(axis=0) / weight.sum()
    assert np.allclose(settle(FedProx(mu=mu), steps=8, rate=0.1, rounds=300), expected, atol=1e-10)


@pytest.mark.parametrize("draw", [3, 2])
def test_scaffold_settles_at_the_minimiser(draw):
    found = settle(Scaffold(), steps=8, rate=0.05, rounds=1500, draw=draw)
    assert np.allclose(found, OPTIMUM, atol=1e-8)


@pytest.mark.parametrize("draw", [3, 2])
def test_feddyn_settles_at_the_minimiser(draw):
    found = settle(FedDyn(alpha=1.0), steps=100, rate=0.1, rounds=1500, draw=draw)
    assert np.allclose(found, OPTIMUM, atol=1e-8)


def test_scaffold_keeps_the_mean_of_control_variates():
    method, rng = Scaffold(), np.random.default_rng(2)
    state = method.start(5, 3)
    for _ in range(10):
        chosen = rng.choice(5, 2, replace=False)
        _, state = method.merge(state, seen(rng.standard_normal((2, 3)), clients=chosen, everyone=5))
        assert np.allclose(state["common"], state["own"].mean(axis=0), atol=1e-12)


def test_momentum_by_hand():
    method = FedAvgMomentum(momentum=0.5, server_rate=2.0)
    state = method.start(2, 1)
    model, state = method.merge(state, seen([[1.0], [5.0]], sizes=[3, 1]))
    assert model == pytest.approx([4.0])
    model, _ = method.merge(state, seen([[0.0]], model=model))
    assert model == pytest.approx([6.0])


def test_identities():
    assert models(world(), FedProx(mu=0.0)) == models(world(), FedAvg())
    assert models(world(), FedProx(mu=1.0)) != models(world(), FedAvg())
    assert models(world(), FedAvgMomentum(momentum=0.0)) == models(world(), FedAvg())
    assert models(world(), ServerOnly()) == models(world(faults={"dropout": 1.0}), ServerLearning())


def test_data_sharing_gives_everyone_the_servers_samples():
    task, _ = course(world(), FedAvg())
    clients = Clients.of(task, DataSharing().needs())
    for k, part in enumerate(task.parts):
        held = clients.members[clients.first[k] : clients.first[k] + clients.sizes[k]]
        assert sorted(held) == sorted([*part, *task.server])
    plain, shared = (
        next(iter(run(world(), one, [SEED], Context()))).metrics["traffic_mb"]
        for one in (FedAvg(), DataSharing())
    )
    assert shared - plain == pytest.approx(6 * 30 * 5 * 4 / 1e6)


def test_robust_merges_by_hand():
    updates = [[0.0, 1.0], [1.0, 3.0], [2.0, 2.0], [100.0, -100.0]]
    assert Median().merge({}, seen(updates))[0] == pytest.approx([1.5, 1.5])
    assert TrimmedMean(trim=0.25).merge({}, seen(updates))[0] == pytest.approx([1.5, 1.5])
    # squared distances: 0-1: 5, 0-2: 5, 1-2: 2; with f = 1 one neighbour counts: 1 and 2 score 2, the lower wins
    assert Krum(malicious=0.25).merge({}, seen(updates))[0] == pytest.approx([1.0, 3.0])
    assert Krum(malicious=0.25, keep=2).merge({}, seen(updates))[0] == pytest.approx([1.5, 2.5])


def test_trimming_nothing_is_the_plain_mean():
    updates = np.random.default_rng(0).standard_normal((5, 4))
    assert np.allclose(TrimmedMean(trim=0.0).merge({}, seen(updates))[0], updates.mean(axis=0))


@pytest.mark.parametrize("method", ROBUST, ids=lambda one: type(one).__name__)
def test_robust_merges_stay_among_the_honest(method):
    rng = np.random.default_rng(5)
    for size in (1e2, 1e6, 1e12):
        honest = rng.standard_normal((7, 3))
        updates = np.concatenate([honest, size * rng.standard_normal((3, 3))])
        merged = method.merge({}, seen(updates))[0]
        assert (merged >= honest.min(axis=0)).all()
        assert (merged <= honest.max(axis=0)).all()


EVERYONE = (*ROBUST, FedAvg(), FedAvgMomentum(), FedProx(), Scaffold(), FedDyn(), DataSharing())


@pytest.mark.parametrize("method", EVERYONE, ids=lambda one: type(one).__name__)
def test_rounds_without_answers_leave_the_model(method):
    task, steps = course(world(faults={"dropout": 1.0}), method)
    assert all((step.model == task.start).all() for step in steps)


def test_a_scaled_attack_breaks_the_mean_and_not_the_median():
    pytest.importorskip("sklearn")
    change = {"faults": {"malicious": 0.2, "attack": "scaled"}, "partition": {"kind": "iid"}, "sampled": 10}
    scenario = type(digits_instance(1.0)).model_validate(digits_instance(1.0).model_dump() | change)
    accuracy = {
        type(one): next(iter(run(scenario, one, [Seed()], Context()))).metrics["accuracy"]
        for one in (FedAvg(), Median(), TrimmedMean(trim=0.4), Krum(malicious=0.4))
    }
    assert accuracy.pop(FedAvg) < 0.6
    assert min(accuracy.values()) > 0.85


def test_flipped_labels_change_what_attackers_send_and_nothing_else():
    honest = course(world(sampled=6, rounds=1), FedAvg())
    flipped = course(world(sampled=6, rounds=1, faults={"malicious": 0.5}), FedAvg())
    assert flipped[0].malicious.sum() == 3
    assert (flipped[0].y == honest[0].y).all()
    assert (flipped[1][0].model != honest[1][0].model).any()


@pytest.mark.parametrize(
    ("clients", "share", "attackers"),
    [(10, 0.15, 1), (10, 0.25, 2), (10, 0.35, 3), (100, 0.29, 29), (6, 0.2, 1)],
)
def test_attackers_are_a_share_of_the_clients_rounded_down(clients, share, attackers):
    """Half to even would make 2 of 1.5, and 2 of 2.5."""
    task = make_task(world(clients=clients, faults={"malicious": share}, partition={"kind": "iid"}), SEED)
    assert task.malicious.sum() == attackers


def test_a_share_of_attackers_that_makes_none_is_refused():
    with pytest.raises(ValueError, match=r"malicious = 0\.05 of clients = 10 is less than one"):
        world(clients=10, faults={"malicious": 0.05})


@pytest.mark.parametrize("percent", range(50))
def test_shares_of_a_hundred_are_counted_as_they_are_written(percent):
    """0.29 * 100 is 28.999...: of 100 updates 29 are cut at each end all the same, and as many are suspected."""
    assert floor_share(percent / 100, 100) == percent
    rng = np.random.default_rng(percent)
    updates = rng.permutation(np.arange(100.0))[:, None] ** 2
    kept = np.arange(100.0)[percent : 100 - percent] ** 2
    assert TrimmedMean(trim=percent / 100).merge({}, seen(updates))[0] == pytest.approx([kept.mean()])


def test_shares_between_whole_numbers_are_rounded_down():
    assert [floor_share(0.3, count) for count in (1, 3, 4, 10)] == [0, 0, 1, 3]
    assert floor_share(0.2999, 10) == 2
    assert floor_share(0.4999999, 100_000) == 49_999


def test_krum_suspects_as_many_as_are_written():
    """Of 100 updates f = 29 leaves 69 neighbours to count, and f = 28 would leave 70: another one would win."""
    line = np.arange(100.0)[:, None] ** 2

    def winner(neighbours):
        apart = np.sort((line - line.T) ** 2, axis=1)[:, 1 : neighbours + 1].sum(axis=1)
        return line[np.argmin(apart)]

    assert winner(69) != winner(70)
    assert Krum(malicious=0.29).merge({}, seen(line))[0] == pytest.approx(winner(69))
