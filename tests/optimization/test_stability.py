"""Stability of methods' own rounds: against matrices written by hand, closed forms, dense eigenvalues and runs."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qoslab.agents.rounds import Wire, rounds
from qoslab.agents.weights import Rules, Weights
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization import stability
from qoslab.domains.optimization.asymptotics import Asymptotics, stability_limit
from qoslab.domains.optimization.instances import a1, b2, ring, work
from qoslab.domains.optimization.meanweights import mean_weights
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.methods.subgradient_push import SubgradientPush
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.smooth import Logistic, Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario, example
from qoslab.domains.optimization.stability import (
    LinearRound,
    growth,
    largest_stable,
    linear_round,
    require_stable,
)
from qoslab.domains.optimization.stepsizes import judged_steps
from qoslab.domains.optimization.task import changing, make_task, own_of, task_of
from qoslab.graphs.network import Network
from qoslab.graphs.random_graphs import k_in
from qoslab.graphs.transform import without_links

CONSTANT = [
    Dgd(power=0.0),
    SubgradientPush(power=0.0),
    ProjectedSubgradient(power=0.0),
    ProjectedSubgradient(power=0.0, at="own", eigenvector="known"),
    Dextra(),
]
TRACKING = [RowStochasticTracking(0.02), Frost(0.02), PushDiging(0.05), PushPull(0.3), Extra(0.7)]


def names(method):
    return type(method).__name__


def on_ring(n=8):
    i = np.arange(n)
    costs = Quadratic(None, 0.5 + i / n, np.column_stack([np.cos(i), np.sin(2.0 * i)]))
    return task_of(ring(n), costs)


def known(task):
    return own_of(task, example(), Seed(), "shared")


def scenario(**more):
    table = {
        "network": {"generate": {"model": "ring", "nodes": 8}},
        "problem": {"kind": "quadratic"},
        "rounds": 50,
    }
    return OptimizationScenario.model_validate(table | more)


def limit_of(method, task, **more):
    own = known(task)
    found = largest_stable(method, task, own, method.scale(own.data), **more)
    assert found.exact == linear_round(method, task, own, **more).dense
    return found.step


@pytest.mark.parametrize("method", [*TRACKING, Admm(0.3), DualDecomposition(0.2)], ids=names)
def test_eigenvalues_are_those_of_the_matrices_written_by_hand(method):
    """All but zeros and what is conserved, with p = 1."""
    task = task_of(ring(7), Quadratic(None, 0.5 + np.arange(7.0) / 7, np.zeros((7, 1))))
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    by_hand = np.linalg.eigvals(method.iteration(near))
    ours = np.linalg.eigvals(linear_round(method, task, known(task)).matrix())
    for value in by_hand[np.abs(by_hand) > 1e-3]:
        assert np.abs(ours - value).min() < 1e-6
    assert np.abs(ours).max() == pytest.approx(np.abs(by_hand).max(), abs=1e-6)


def test_a_round_of_gradient_descent_is_the_weights_less_the_curvatures():
    task = a1()
    method = Dgd(step=0.1, power=0.0, weights="row")
    expected = task.weights.row.toarray() - 0.1 * np.diag(task.costs.curvature)
    np.testing.assert_allclose(linear_round(method, task, known(task)).matrix(), expected, atol=1e-14)


def test_the_limit_of_gradient_descent_on_equal_curvatures_is_one_plus_the_least_eigenvalue():
    """W - s q I on a ring of eight with weights 1/3: 1 - s q and -1/3 - s q; s = (1 - 1/3) / q."""
    task = task_of(ring(8), Quadratic(None, np.full(8, 0.5), np.zeros((8, 1))))
    assert limit_of(Dgd(power=0.0), task) == pytest.approx(4.0 / 3.0, rel=2e-4)


@pytest.mark.parametrize("method", CONSTANT, ids=str)
def test_runs_stay_bounded_below_the_limit_and_diverge_above(method):
    task = a1() if names(method) != "Dgd" else on_ring()
    limit = limit_of(method, task)
    below = work(task, replace(method, step=0.97 * limit), 3000, Context())
    above = work(task, replace(method, step=1.03 * limit), 3000, Context())
    assert not below.diverged
    assert below.errors[-500:].max() <= 1.01 * below.errors[-1500:-1000].max()
    assert above.diverged or above.errors[-1] > 1e3 * below.errors.max()


@pytest.mark.parametrize("method", TRACKING, ids=names)
def test_limits_of_tracking_agree_with_those_by_hand(method):
    task = on_ring()
    near = Asymptotics.at(task.costs, task.optimum, task.weights)
    assert limit_of(method, task) == pytest.approx(stability_limit(method, near), rel=3e-4)


@pytest.mark.parametrize(
    "method", [PushPull(3.0), Dextra(4.0), Dgd(3.0, power=0.0), PushDiging(3.0)], ids=names
)
def test_arnoldi_finds_what_dense_eigenvalues_find(method, monkeypatch):
    i = np.arange(60)
    costs = Quadratic(None, 0.5 + i / 60, np.cos(i)[:, None])
    task = task_of(k_in(60, 3, np.random.default_rng(2)) if names(method) != "Dgd" else ring(60), costs)
    found = linear_round(method, task, known(task))
    dense = growth(found)
    assert dense > 1.01
    monkeypatch.setattr(stability, "_DENSE", 0)
    assert growth(found) == pytest.approx(dense, rel=1e-6)
    coarse = limit_of(method, task)
    monkeypatch.undo()
    assert coarse == pytest.approx(limit_of(method, task), rel=5e-3)


def test_a_ring_of_250_with_a_huge_step_is_refused_before_it_runs():
    world = scenario(network={"generate": {"model": "ring", "nodes": 250}}, problem={"kind": "quadratic"})
    with pytest.raises(
        BadInput, match=r"step size 50 is past the stability limit of about 0.1\d* here: the error would"
    ):
        next(iter(run(world, PushPull(50.0), [Seed()], Context())))
    watched = world.model_copy(update={"unstable": "run"})
    assert next(iter(run(watched, PushPull(50.0), [Seed()], Context()))).metrics["diverged"] == 1
    assert next(iter(run(world, PushPull(), [Seed()], Context()))).metrics["diverged"] == 0


def test_runs_on_a_ring_of_250_settle_below_the_limit_that_arnoldi_finds_and_diverge_above():
    i = np.arange(250.0)
    task = task_of(ring(250), Quadratic(None, 0.5 + i / 250, np.cos(i)[:, None]))
    limit = limit_of(PushPull(3.0), task)
    below = work(task, PushPull(0.95 * limit), 3000, Context())
    above = work(task, PushPull(1.05 * limit), 3000, Context())
    # Disagreement of starts, larger than the error at first, dies out as slowly as a ring mixes.
    assert below.errors[-1] < 0.9 * below.errors[500] < below.errors[1]
    assert above.diverged or above.errors[-1] > 1e3 * above.errors.min()


def test_a_constant_step_is_refused_with_its_limit_and_a_falling_one_is_not():
    with pytest.raises(BadInput, match=r"step size 9 is past the stability limit \d\S* here"):
        next(iter(run(scenario(), Dgd(9.0, power=0.0), [Seed()], Context())))
    assert "diverged" in next(iter(run(scenario(), Dgd(9.0), [Seed()], Context()))).metrics


@pytest.mark.parametrize("method", [PushPull(0.1), Dextra(), RowStochasticTracking()], ids=names)
def test_a_thousand_agents_are_judged_by_little_more_than_a_thousand_rounds(method, monkeypatch):
    costs = Quadratic(None, np.linspace(0.5, 1.5, 1000), np.zeros((1000, 2)))
    task = task_of(k_in(1000, 4, np.random.default_rng(0)), costs, optimum=np.zeros(2))
    state, asked = LinearRound.state, []

    def counted(self, stack, k=1):
        asked.append(k)
        return state(self, stack, k)

    monkeypatch.setattr(LinearRound, "state", counted)
    require_stable(method, task, known(task))
    assert 10 < len(asked) < 1400


def drawn(n, degree, seed=0):
    """A ring and random links beside it."""
    rng = np.random.default_rng(seed)
    links = {(i, (i + 1) % n) for i in range(n - 1)} | {(0, n - 1)}
    while len(links) < n * degree // 2:
        links.add(tuple(sorted(rng.choice(n, 2, replace=False).tolist())))
    return Network.from_links(n, *zip(*sorted(links), strict=True), name="drawn")


def large(n):
    i = np.arange(float(n))
    return task_of(drawn(n, 6), Quadratic(None, 0.5 + i / n, np.cos(i)[:, None]))


@pytest.mark.parametrize("n", [300, 500])
@pytest.mark.parametrize("method", [Extra(1e-5), Dextra(1e-5), Extra(1e-9), Dextra(1e-9)], ids=str)
def test_steps_near_nothing_are_stable_at_hundreds_of_agents(method, n):
    """Their eigenvalue next to 1 is double with one vector at a step of 0."""
    task = large(n)
    assert not linear_round(method, task, known(task)).dense
    require_stable(method, task, known(task))


@pytest.mark.parametrize("method", [Extra(), Dextra()], ids=names)
def test_a_step_a_little_too_large_is_refused_at_500_agents(method):
    """Found by Arnoldi's iteration; that it is too large is seen by a run."""
    task = large(500)
    limit = limit_of(method, task)
    wild = replace(method, step=1.05 * limit)
    with pytest.raises(BadInput, match="past the stability limit of about"):
        require_stable(wild, task, known(task))
    require_stable(replace(method, step=0.95 * limit), task, known(task))
    trace = work(task, wild, 1000, Context())
    assert trace.diverged or trace.errors[-1] > 1e3 * trace.errors[0]


@pytest.mark.parametrize("method", [Extra(1e-5), Dextra(1e-5), Extra(1e-9), PushPull(1e-6)], ids=str)
def test_no_error_of_the_size_of_the_residual_makes_a_stable_step_unstable(method, monkeypatch):
    """Exact eigenvalues of maps as far from the method's own as Arnoldi's tolerance lets them be, in twenty directions.

    Of EXTRA and DEXTRA some have an eigenvalue beyond 1 + 1e-6, which is 1 but for the root of the residual.
    """
    task = large(40)
    found = linear_round(method, task, known(task))
    exact, rng = found.matrix(), np.random.default_rng(7)
    assert np.abs(np.linalg.eigvals(exact)).max() < 1.0 + 1e-6
    beyond = []

    def disturbed(apply, size):
        one, other = rng.standard_normal((2, size))
        off = np.outer(one / np.linalg.norm(one), other / np.linalg.norm(other))
        values = np.linalg.eigvals(exact + stability._RESIDUAL * off)
        beyond.append(np.abs(values).max() - 1.0)
        return values

    monkeypatch.setattr(stability, "_DENSE", 0)
    monkeypatch.setattr(stability, "_outermost", disturbed)
    assert [growth(found) for _ in range(20)] == [None] * 20
    assert type(method) is PushPull or max(beyond) > stability.SLACK


def test_where_no_limit_exists_none_is_told():
    task = a1()
    own = known(task)
    assert linear_round(Dgd(), on_ring(), own_of(on_ring(), example(), Seed(), "shared")) is None
    assert linear_round(SubgradientPush(), task, own) is None
    assert linear_round(ProjectedSubgradient(power=0.0), b2(), known(b2())) is None
    rng = np.random.default_rng(1)
    curved = Logistic(None, rng.standard_normal((10, 4, 2)), np.ones((10, 4)), np.full(10, 0.1))
    curved = task_of(ring(10), curved)
    assert linear_round(Dgd(power=0.0), curved, known(curved)) is None
    assert linear_round(PushDiging(), task, own, up=0.5) is None
    assert "step_limit" not in judged_steps(Dgd(), on_ring(), known(on_ring()))


def test_rounds_that_are_not_linear_are_not_judged():
    @dataclass(frozen=True)
    class Clipped(Dgd):
        power: float = 0.0

        def hear(self, state, heard, own, k):
            return {"x": np.clip(super().hear(state, heard, own, k)["x"], -1.0, 1.0)}

    assert linear_round(Clipped(9.0), on_ring(), known(on_ring())) is None


@dataclass(frozen=True)
class Changed(Dgd):
    """Gradient descent of a user's own, with something done to what it decides."""

    power: float = 0.0
    change: Any = None

    def hear(self, state, heard, own, k):
        return {"x": self.change(super().hear(state, heard, own, k)["x"])}


def threshold(x):
    return np.where(np.abs(x) < 0.01, 0.0, x)


def short(x):
    """Vectors of length 100 at most."""
    return x * np.minimum(1.0, 100.0 / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300))


def turned(x):
    """Each entry moved towards the one before: linear, but one entry looks at another."""
    return x + 0.1 * np.roll(x, 1, axis=1)


CHANGES = [lambda x: np.clip(x, -100.0, 100.0), lambda x: np.minimum(x, 1e4), threshold, short, turned]


@pytest.mark.parametrize("change", CHANGES, ids=["clip", "at most", "threshold", "length", "turned"])
def test_what_is_linear_at_the_size_of_the_data_alone_is_not_judged(change):
    """Each of them takes a step that would be refused, and is bounded, or judged wrongly entry by entry."""
    task = on_ring()
    assert linear_round(Changed(9.0, change=lambda x: 1.0 * x), task, known(task)) is not None
    wild = Changed(9.0, change=change)
    assert linear_round(wild, task, known(task)) is None
    require_stable(wild, task, known(task))


@pytest.mark.parametrize("size", [1e-6, 1e6])
def test_the_size_of_the_data_decides_where_linearity_is_asked_for(size):
    """Clipping at 100 times the data, whatever their unit."""
    small = on_ring()
    costs = replace(small.costs, target=size * small.costs.target)
    task = task_of(ring(8), costs)
    clipped = Changed(9.0, change=lambda x: np.clip(x, -100.0 * size, 100.0 * size))
    assert linear_round(clipped, task, known(task)) is None
    assert linear_round(Dgd(9.0, power=0.0), task, known(task)) is not None


def test_a_penalty_past_its_limit_is_refused_by_its_name():
    """ADMM over doubly stochastic weights of a digraph, whose complex eigenvalues its proof does not know."""
    world = scenario(
        network={"generate": {"model": "k_in", "nodes": 7, "in_degree": 1}},
        weights={"doubly": "sinkhorn"},
        problem={"kind": "quadratic"},
    )
    with pytest.raises(BadInput, match="the penalty 50 is past the stability limit here") as refused:
        next(iter(run(world, Admm(50.0), [Seed()], Context())))
    assert refused.value.problems[0].field == "method.penalty"
    task = make_task(world, Seed(), Context())
    with pytest.raises(BadInput, match="the penalty 50 is outside of the stable ones") as refused:
        require_stable(Admm(50.0), task, known(task))
    assert refused.value.problems[0].field == "method.penalty"


KITE = Network.from_links(5, [0, 0, 0, 1, 3], [1, 2, 3, 2, 4], name="kite")
ONE_WAY = Network.from_links(
    5, [0, 1, 2, 2, 3, 4], [1, 2, 0, 3, 4, 2], directed=True, name="two directed rings"
)


@pytest.mark.parametrize("up", [0.25, 0.6])
@pytest.mark.parametrize(
    ("network", "rule", "kind"),
    [
        (KITE, Rules(), "row"),
        (KITE, Rules(), "column"),
        (KITE, Rules(), "doubly"),
        (KITE, Rules(doubly="lazy_metropolis"), "doubly"),
        (ONE_WAY, Rules(), "row"),
        (ONE_WAY, Rules(), "column"),
    ],
    ids=["row", "column", "metropolis", "lazy", "digraph row", "digraph column"],
)
def test_mean_weights_are_the_mean_over_all_sets_of_links(network, rule, kind, up):
    """2^5 sets of a kite's links, 2^6 of a digraph's, each with its probability."""
    mean = np.zeros((5, 5))
    for alive in itertools.product((False, True), repeat=network.m):
        chance = np.prod([up if one else 1.0 - up for one in alive])
        left = without_links(network, np.flatnonzero(~np.array(alive)))
        mean += chance * Weights(left, rules=rule).of(kind).toarray()
    np.testing.assert_allclose(
        mean_weights(Weights(network, rules=rule), kind, up).toarray(), mean, atol=1e-12
    )


def test_where_all_links_are_up_mean_weights_are_the_weights():
    weights = task_of(
        k_in(9, 3, np.random.default_rng(5)), Quadratic(None, np.ones(9), np.zeros((9, 1)))
    ).weights
    for mixing in ("row", "column"):
        got = mean_weights(weights, mixing, 1.0).toarray()
        np.testing.assert_allclose(got, weights.of(mixing).toarray(), atol=1e-12)
    got = mean_weights(on_ring().weights, "doubly", 1.0).toarray()
    np.testing.assert_allclose(got, on_ring().weights.doubly.toarray(), atol=1e-12)
    assert mean_weights(Weights(ring(5), rules=Rules(doubly="max_degree")), "doubly", 0.5) is None


def test_a_step_too_small_for_dextra_is_refused_and_one_inside_its_interval_is_not():
    """A1 with an inertia of 1/2: diverges with 0.2, arrives with 0.5."""
    task = a1()
    with pytest.raises(BadInput, match="outside of the stable ones"):
        require_stable(Dextra(0.2, inertia=0.5), task, known(task))
    require_stable(Dextra(0.5, inertia=0.5), task, known(task))


def test_the_mean_of_many_runs_on_random_links_moves_as_the_mean_round_does():
    """2,000 runs of two rounds from one start; the spread of a mean is told from the runs themselves."""
    task = on_ring(5)
    method, own = PushPull(0.3), known(on_ring(5))
    mean = linear_round(method, task, own, up=0.5)
    ends = []
    for seed in range(2000):
        weights = changing(task, 0.5, np.random.default_rng(seed))
        ends.append(list(rounds(method, own, Wire(method.message(own), weights), 2)))
    stack = [np.stack([np.stack([e[k][name] for name in mean.moving]) for e in ends]) for k in (0, 1, 2)]
    moved = stack[2] - stack[1]
    expected = mean((stack[1] - stack[0]).mean(axis=0))
    spread = moved.std(axis=0) / np.sqrt(2000) + 1e-12
    assert (np.abs(moved.mean(axis=0) - expected) < 6.0 * spread + 1e-9).all()


def test_random_links_past_the_mean_limit_are_refused_and_diverge():
    task = on_ring()
    limit = limit_of(Dgd(power=0.0), task, up=0.5)
    world = scenario(link_up=0.5, rounds=2000)
    with pytest.raises(BadInput, match="mean error would grow"):
        next(iter(run(world, Dgd(20.0, power=0.0), [Seed()], Context())))
    own = known(task)
    wild = replace(Dgd(power=0.0), step=1.1 * limit)
    wire = Wire(wild.message(own), changing(task, 0.5, np.random.default_rng(0)))
    states = list(rounds(wild, own, wire, 3000))
    assert np.abs(states[-1]["x"]).max() > 1e3 * np.abs(states[1]["x"]).max()


def test_flat_costs_have_no_limit():
    """Features that leave one direction flat: an eigenvalue 1 too many, at every step."""
    rng = np.random.default_rng(3)
    features = np.concatenate(
        [rng.standard_normal((6, 4, 1)), np.zeros((6, 4, 1)), np.ones((6, 4, 1))], axis=2
    )
    costs = Logistic(None, features, np.where(rng.random((6, 4)) < 0.5, -1.0, 1.0), np.zeros(6))
    task = task_of(ring(6), costs, optimum=np.zeros(3))
    near = Asymptotics.at(costs, np.zeros(3), task.weights)
    assert stability_limit(PushPull(), near) is None
    assert stability_limit(PushPull(), replace(near, smoothness=0.0)) is None
